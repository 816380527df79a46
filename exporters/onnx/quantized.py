"""The ONNX form of eight bits: the float32 graph with its products in int8 or fp8, and weights of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from exporters.onnx.files import write_graph
from exporters.onnx.opsets import NEWEST
from hopgraph.export.exporter import Built, Request
from hopgraph.export.quantize import quantize
from hopgraph.export.weights import read_places, write_tensors

INSIDE = 256
"""Tensors that are made here of fewer bytes are kept in the graph."""


def write_quantized(request: Request, folder: Path, newest: int = NEWEST) -> Built:
    """Write `model.int8.onnx` and `model.int8.safetensors`, or those of fp8, calibrated on the examples of the request.

    Raises HopgraphError where there are none, or nothing to round.
    """
    with TemporaryDirectory() as scratch:
        source = write_graph(replace(request, dtype="float32"), Path(scratch), newest)
        model = quantize(Path(scratch) / source.file, request.dtype, request.examples)
        file, weights = f"model.{request.dtype}.onnx", f"model.{request.dtype}.safetensors"
        _write_weights(model, folder, weights)
        ir.save(model, folder / file)
    calibrated = sum(len(batch) for batch in request.examples)
    return Built(file, (file, weights), {**source.facts, "opset": model.graph.opset_imports[""], "calibrated_on": calibrated})


def _write_weights(model: ir.Model, folder: Path, weights: str) -> None:
    """Write the initializers to a file, and point them into it, but for the smallest of those that are made here."""
    known = {name: value.const_value for name, value in model.graph.initializers.items()}
    stored = {name: tensor for name, tensor in known.items() if tensor is not None and _is_stored(tensor)}
    write_tensors(folder / weights, {name: _tensor(tensor) for name, tensor in stored.items()})
    places = read_places(folder / weights)
    for name, tensor in stored.items():
        place, shape = places[name], ir.Shape(tensor.shape.numpy())
        external = ir.ExternalTensor(weights, place.offset, place.length, tensor.dtype, shape=shape, name=name, base_dir=folder)
        model.graph.initializers[name].const_value = external


def _is_stored(tensor: ir.TensorProtocol) -> bool:
    return isinstance(tensor, ir.ExternalTensor) or tensor.nbytes >= INSIDE


def _tensor(tensor: ir.TensorProtocol) -> Tensor:
    """As PyTorch has it. NumPy's fp8 is not known to it, and is read by its bits."""
    array = np.array(tensor.numpy())
    if tensor.dtype == ir.DataType.FLOAT8E4M3FN:
        return torch.from_numpy(array.view(np.uint8)).view(torch.float8_e4m3fn)
    return torch.from_numpy(array)
