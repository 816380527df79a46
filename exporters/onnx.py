"""ONNX, emitted from the program by onnx-ir: nothing is traced. Weights keep their own names, each tied one stands once."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from torch import Tensor

from hopgraph.energy.records import Value
from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.exporter import Array, Exporter, Predict, Request, Runtime
from hopgraph.export.fold import fold
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Program

OPSET = 20
"""The first opset with a Gelu of one node."""
IR_VERSION = 10


class NodeBuilder:
    """Appends nodes: `o("MatMul", x, w)`. What an operation's ONNX column writes with."""

    def __init__(self) -> None:
        self.tape = ir.tape.Tape()
        self._constants: dict[str, ir.Value] = {}

    def __call__(self, op_type: str, *inputs: ir.Value, **attributes: Any) -> ir.Value:
        """One node, its first output."""
        return self.tape.op(op_type, list(inputs), attributes=attributes or None)

    def integers(self, values: tuple[int, ...]) -> ir.Value:
        """A constant vector of int64, such as a shape or axes."""
        return self.constant("integers_" + "_".join(map(str, values)), np.asarray(values, dtype=np.int64))

    def number(self, value: float) -> ir.Value:
        """A constant scalar of float32."""
        return self.constant(f"number_{value!r}", np.asarray(value, dtype=np.float32))

    def constant(self, name: str, array: np.ndarray) -> ir.Value:
        """A constant by its name, once."""
        if name not in self._constants:
            self._constants[name] = self.tape.initializer(ir.tensor(array, name=name))
        return self._constants[name]


def _input(value: Value) -> ir.Value:
    return ir.val(value.name, dtype=ir.DataType.INT64 if value.integer else ir.DataType.FLOAT, shape=["batch", *value.shape])


def emit(program: Program, weights: Mapping[str, Tensor]) -> onnx.ModelProto:
    """The ONNX model of a program: float32, the first dimension of input and output named `batch`."""
    folded = fold(program, weights)
    builder = NodeBuilder()
    inputs = [_input(value) for value in program.inputs]
    values = {value.name: value for value in inputs if value.name is not None}
    values |= {name: builder.constant(name, tensor.numpy()) for name, tensor in folded.constants.items()}
    for statement, site in folded.statements:
        result: ir.Value = OPERATIONS[statement.op].onnx(builder, site, *(values[name] for name in statement.inputs))
        result.name = statement.output.name
        result.dtype = ir.DataType.FLOAT
        result.shape = ir.Shape(["batch", *statement.output.shape])
        values[statement.output.name] = result
    graph = ir.Graph(
        inputs,
        [values[name] for name in program.outputs],
        nodes=builder.tape.nodes,
        initializers=builder.tape.initializers,
        opset_imports={"": OPSET},
        name=program.name,
    )
    return ir.to_proto(ir.Model(graph, ir_version=IR_VERSION, producer_name="hopgraph"))


def model_bytes(request: Request) -> bytes:
    """The checked model, serialized. Equal weights give equal bytes. Raises HopgraphError for a model that ONNX refuses."""
    model = emit(request.spec.program, request.weights)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise HopgraphError(Diagnostic("exporter-failed", f"the ONNX checker refuses the model: {str(error).splitlines()[0]}")) from None
    return model.SerializeToString(deterministic=True)


def build(request: Request, folder: Path) -> dict[str, Any]:
    """Write the model."""
    content = model_bytes(request)
    (folder / EXPORTER.file).write_bytes(content)
    return {"dtype": "float32", "opset": OPSET}


def _missing_runtime() -> str | None:
    return None if find_spec("onnxruntime") else "onnxruntime is not installed (pip install 'hopgraph[cpu]')"


def _available() -> str | None:
    return None


def _open(file: Path, spec: CheckedSpec, threads: int | None) -> Predict:
    """A session on the CPU, where no provider can fall back to another."""
    ort: Any = import_module("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()

    def predict(inputs: NDArray[Any]) -> Array:
        return session.run(None, {given.name: inputs})[0]

    return predict


EXPORTER = Exporter("onnx", "model.onnx", _available, build, (Runtime("onnxruntime", _missing_runtime, _open),))
