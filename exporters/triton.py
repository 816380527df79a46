"""A model repository for the Triton Inference Server: `triton/NAME/config.pbtxt` and the ONNX model with its weights in `triton/NAME/1/`.

The repository stands on its own, so that it can be copied or mounted alone. Its weights are a copy: ONNX Runtime refuses external data
outside of the model's folder, through a symbolic link too, and ONNX refuses a file that has another hard link. Engines are left out:
Triton's TensorRT backend reads those of its own version alone, and none of TensorRT-RTX.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx

from exporters import onnx as onnx_exporter
from hopgraph.export.exporter import Built, Exporter, Request
from hopgraph.runtime.onnx import ONNXRUNTIME

REPOSITORY = "triton"
VERSION = "1"
CONFIG = "config.pbtxt"
DELAY = 500
"""How long a request waits for others to share a batch with, in microseconds."""
COPY = "a copy: neither ONNX nor ONNX Runtime takes weights from another folder or through a link"

TYPES: dict[int, str] = {onnx.TensorProto.FLOAT: "TYPE_FP32", onnx.TensorProto.INT64: "TYPE_INT64"}
"""Triton's words for the dtypes of inputs and outputs, which are those of the program in every dtype of the weights."""


def build(request: Request, folder: Path) -> Built:
    """Write the repository of one model. Raises HopgraphError where ONNX refuses the model."""
    name = model_name(request)
    home = f"{REPOSITORY}/{name}"
    version = folder / home / VERSION
    version.mkdir(parents=True)
    built = onnx_exporter.build(request, version)  # with weights of its own, for there are none in the folder
    text = config(request, name, version / built.file)
    (folder / home / CONFIG).write_text(text, encoding="utf-8")
    files = (f"{home}/{CONFIG}", *(f"{home}/{VERSION}/{file}" for file in built.files))
    return Built(f"{home}/{VERSION}/{built.file}", files, {**built.facts, "model": name, "weights": COPY, **_batching(request)})


def model_name(request: Request) -> str:
    """The name that requests call the model by: the spec's, and the dtype where it is not float32."""
    return request.spec.name if request.dtype == "float32" else f"{request.spec.name}_{request.dtype}"


def config(request: Request, name: str, file: Path) -> str:
    """The model's configuration in the text format of protocol buffers, its inputs and outputs as the file has them."""
    graph = onnx.load(file, load_external_data=False).graph
    lines = [
        f"name: {_text(name)}",
        'backend: "onnxruntime"',
        f"default_model_filename: {_text(file.name)}",
        f"max_batch_size: {request.options.batches[-1]}",
        "version_policy { latest { num_versions: 1 } }",
        *(f"input {_port(value)}" for value in graph.input),
        *(f"output {_port(value)}" for value in graph.output),
        *_dynamic_batching(request),
        *(f"parameters {{ key: {_text(key)} value {{ string_value: {_text(value)} }} }}" for key, value in _parameters(request).items()),
    ]
    return "\n".join(lines) + "\n"


def _port(value: onnx.ValueInfoProto) -> str:
    """An input or output without its batch. Triton wants a dimension where there is none, and takes it away by a reshape."""
    tensor = value.type.tensor_type
    _, *dims = (dim.dim_value or -1 for dim in tensor.shape.dim)
    reshape = "" if dims else " reshape { shape: [ ] }"
    sizes = ", ".join(map(str, dims or [1]))
    return f"{{ name: {_text(value.name)} data_type: {TYPES[tensor.elem_type]} dims: [ {sizes} ]{reshape} }}"


def _dynamic_batching(request: Request) -> Iterator[str]:
    """Nothing where a batch has one example: there is nothing to wait for."""
    preferred = _batching(request)["preferred_batch_sizes"]
    if preferred:
        sizes = ", ".join(map(str, preferred))
        yield f"dynamic_batching {{ preferred_batch_size: [ {sizes} ] max_queue_delay_microseconds: {DELAY} }}"


def _batching(request: Request) -> dict[str, Any]:
    _, best, largest = request.options.batches
    preferred = sorted({best, largest} - {1})
    return {"max_batch_size": largest, "preferred_batch_sizes": preferred, "queue_delay_microseconds": DELAY if preferred else 0}


def _parameters(request: Request) -> dict[str, str]:
    loaded = request.spec.loaded
    digest = hashlib.sha256(loaded.source.text.encode("utf-8")).hexdigest()
    return {"spec": request.spec.name, "spec_sha256": digest, "variant": ",".join(loaded.variants) or "default", "dtype": request.dtype}


def _text(value: str) -> str:
    """A string in quotes: JSON's escapes are read by the text format too."""
    return json.dumps(value, ensure_ascii=False)


def _available() -> str | None:
    return None


RUNTIME = replace(ONNXRUNTIME, name="triton-onnxruntime", exporter="triton")
"""ONNX Runtime, which is what Triton runs the file with: parity is that of the very file in the repository."""

EXPORTER = Exporter("triton", ("float32", "float16"), _available, build, (RUNTIME,), dynamic=True)
