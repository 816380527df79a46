"""The files of an ONNX model: the graph, and the weights that its external data lie in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import torch
from torch import Tensor

from exporters.onnx.builder import DTYPES
from exporters.onnx.dynamic import resizable
from exporters.onnx.emit import Emitted, emit_graph
from exporters.onnx.opsets import NEWEST
from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.exporter import Built, Request
from hopgraph.export.lengths import Lengths, facts_of
from hopgraph.export.weights import WEIGHTS, all_tensors, read_places, write_tensors, write_weights
from hopgraph.program.program import Program


def emit(program: Program, weights: Mapping[str, Tensor]) -> onnx.ModelProto:
    """The ONNX model of a program in float32 with its weights inside."""
    emitted = emit_graph(program)
    tensors = all_tensors(program, weights)
    for name, leaf in emitted.leaves.items():
        array = tensors[leaf.tensor].detach().cpu().float().reshape(leaf.shape).numpy()
        emitted.graph.initializers[name].const_value = ir.tensor(array, name=name)
    return _proto(emitted)


def write_graph(request: Request, folder: Path, newest: int = NEWEST) -> Built:
    """Write the graph, and its weights where they are not in the folder yet: `model.onnx` into `model.safetensors` in float32.

    In another dtype the graph has weights of its own: `model.float16.onnx` and `model.float16.safetensors`. A model for a runtime that
    does not know the `newest` opset does without its nodes. With a dim that may vary it takes every length up to the spec's. Equal specs
    give equal graphs, whatever the weights are. Raises HopgraphError for a model that ONNX refuses, and for a dim that cannot vary.
    """
    dtype, emitted = request.dtype, _emitted(request, newest)
    weights = weights_name(dtype)
    _provide_weights(request, emitted, folder / weights)
    _attach(emitted, folder, weights)
    path = folder / f"model{_suffix(dtype)}.onnx"
    path.write_bytes(_proto(emitted).SerializeToString(deterministic=True))
    _check(path)
    facts = {"opset": emitted.opset, "steps": request.options.steps, "nodes": sum(1 for _ in emitted.graph.all_nodes())}
    return Built(path.name, (path.name, weights), {**facts, "shared": _is_shared(emitted.graph), **facts_of(request.options.dynamic)})


def _emitted(request: Request, newest: int) -> Emitted:
    """The graph of one length, or of every length up to the spec's. Raises HopgraphError (dim-fixed)."""
    emit = partial(emit_graph, dtype=request.dtype, loop=request.options.steps == "loop", newest=newest)
    emitted, dim = emit(request.spec.program), request.options.dynamic
    if dim is None:
        return emitted
    lengths = Lengths.of(request.spec, dim)
    return resizable(emitted, {length: emit(spec.program) for length, spec in lengths.shorter.items()}, lengths)


def weights_name(dtype: str) -> str:
    """The file that a graph of a dtype reads its weights from."""
    return WEIGHTS if dtype == "float32" else f"model{_suffix(dtype)}.safetensors"


def _suffix(dtype: str) -> str:
    return "" if dtype == "float32" else f".{dtype}"


def _provide_weights(request: Request, emitted: Emitted, file: Path) -> None:
    if file.name != WEIGHTS:
        tensors = all_tensors(request.spec.program, request.weights)
        wanted = {emitted.stored[name]: leaf for name, leaf in emitted.leaves.items()}
        write_tensors(file, {stored: tensors[leaf.tensor].to(getattr(torch, leaf.dtype)) for stored, leaf in wanted.items()})
    elif not file.exists():
        write_weights(file.parent, request.spec, request.weights)


def _attach(emitted: Emitted, folder: Path, weights: str) -> None:
    """Point the initializers into the file of weights."""
    places = read_places(folder / weights)
    for name, leaf in emitted.leaves.items():
        place = places[emitted.stored[name]]
        about: dict[str, Any] = {"dtype": DTYPES[leaf.dtype], "shape": ir.Shape(leaf.shape), "name": name, "base_dir": folder}
        emitted.graph.initializers[name].const_value = ir.ExternalTensor(weights, place.offset, place.length, **about)


def _proto(emitted: Emitted) -> onnx.ModelProto:
    version = onnx.helper.find_min_ir_version_for([onnx.helper.make_opsetid("", emitted.opset)])
    return ir.to_proto(ir.Model(emitted.graph, ir_version=version, producer_name="hopgraph"))


def _check(path: Path) -> None:
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise HopgraphError(Diagnostic("exporter-failed", f"the ONNX checker refuses the model: {str(error).splitlines()[0]}")) from None


def _is_shared(graph: ir.Graph) -> bool:
    """Whether a matrix of weights is read by several nodes."""
    stored = (value for value in graph.initializers.values() if isinstance(value.const_value, ir.ExternalTensor))
    places: dict[int | None, int] = {}
    for value in stored:
        assert isinstance(value.const_value, ir.ExternalTensor)
        if value.shape is not None and len(value.shape) > 1:
            place = value.const_value.offset
            places[place] = places.get(place, 0) + len(value.uses())
    return any(count > 1 for count in places.values())
