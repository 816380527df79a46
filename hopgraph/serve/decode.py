"""From the body of a request to the batch that the model reads."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException

from hopgraph.runtime.manifest import Manifest, Port
from hopgraph.runtime.problems import BundleError
from hopgraph.runtime.session import checked
from hopgraph.serve.wire import Inference, Output, Tensor, parse

DATATYPES = {"float32": "FP32", "int64": "INT64"}
"""The protocol's names of the dtypes that models read and give."""


@dataclass(frozen=True)
class Asked:
    """An inference that is asked for: the batch, how its output is given, and the seconds that the client waits (none: the server's)."""

    id: str
    rows: NDArray[Any]
    binary: bool
    classes: int
    timeout_s: float | None


def decode(body: bytes, header_length: str | None, manifest: Manifest) -> Asked:
    """What a request asks for. `header_length` says where its JSON ends and binary data begin. Raises HTTPException (400, 413)."""
    text, data = _split(body, header_length)
    inference = parse(text)
    tensor = _one_input(inference, manifest.input)
    rows = _array(tensor, data, header_length is not None, manifest.input)
    wanted = _one_output(inference, manifest.output)
    binary = wanted.parameters.binary_data
    asked_binary = inference.parameters.binary_data_output if binary is None else binary
    microseconds = inference.parameters.timeout
    return Asked(inference.id, rows, asked_binary, _classes(wanted, manifest), microseconds / 1e6 if microseconds > 0 else None)


def _split(body: bytes, header_length: str | None) -> tuple[bytes, memoryview]:
    if header_length is None:
        return body, memoryview(b"")
    end = int(header_length) if header_length.isascii() and header_length.isdecimal() and len(header_length) <= 18 else -1
    if not 0 <= end <= len(body):
        told = f"Inference-Header-Content-Length is `{header_length[:40]}`"
        raise _wrong(f"{told}, which is no length within the body of {len(body)} bytes")
    return body[:end], memoryview(body)[end:]


def _one_input(inference: Inference, port: Port) -> Tensor:
    names = [tensor.name for tensor in inference.inputs]
    if names != [port.name]:
        raise _wrong(f"the model reads one input, `{port.name}`, and was given {_listed(names)}")
    return inference.inputs[0]


def _one_output(inference: Inference, port: Port) -> Output:
    names = [output.name for output in inference.outputs]
    if names not in ([], [port.name]):
        raise _wrong(f"the model gives one output, `{port.name}`, and was asked for {_listed(names)}")
    return inference.outputs[0] if names else Output(name=port.name)


def _classes(wanted: Output, manifest: Manifest) -> int:
    count, shape = wanted.parameters.classification, manifest.output.shape
    if count and not (len(shape) == 1 and 0 < count <= shape[0]):
        raise _wrong(f"`classification` is {count}, and an output of {_by(shape)} numbers has no such count of classes")
    return count


def _array(tensor: Tensor, data: memoryview, binary: bool, port: Port) -> NDArray[Any]:
    """The input's numbers, in its shape, checked by the runtime."""
    if tensor.datatype != DATATYPES[port.dtype]:
        raise _wrong(f"the model reads {DATATYPES[port.dtype]}, and `{port.name}` is {tensor.datatype[:40]}")
    size = tensor.parameters.binary_data_size
    numbers = _listed_numbers(tensor, data) if size is None else _raw_numbers(tensor, size, data, binary, port)
    try:
        return checked(port, numbers.reshape(tensor.shape))
    except BundleError as error:
        raise _wrong(error.message) from None
    except (ValueError, OverflowError):  # lengths past what an array can have
        raise _wrong(f"`{tensor.name}` cannot have the shape {_by(tensor.shape)}") from None


def _listed_numbers(tensor: Tensor, data: memoryview) -> NDArray[Any]:
    if tensor.data is None:
        raise _wrong(f"`{tensor.name}` has neither `data` nor a `binary_data_size`")
    if len(data):
        raise _wrong(f"{len(data)} bytes follow the JSON, and no input has a `binary_data_size`")
    try:
        numbers = np.asarray(tensor.data)
    except (ValueError, OverflowError):
        raise _wrong(f"the data of `{tensor.name}` are not numbers in rows of equal length") from None
    if numbers.dtype.kind not in "fiu":
        raise _wrong(f"the data of `{tensor.name}` are not numbers")
    _require_count(tensor, numbers.size)
    return numbers


def _raw_numbers(tensor: Tensor, size: int, data: memoryview, binary: bool, port: Port) -> NDArray[Any]:
    if not binary:
        raise _wrong("an input has a `binary_data_size`, and the header Inference-Header-Content-Length is missing")
    if tensor.data is not None:
        raise _wrong(f"`{tensor.name}` has both `data` and a `binary_data_size`")
    dtype = np.dtype(port.dtype).newbyteorder("<")
    if size != len(data) or size % dtype.itemsize:
        raise _wrong(f"`{tensor.name}` has a `binary_data_size` of {size}, and {len(data)} bytes of {tensor.datatype} follow the JSON")
    _require_count(tensor, size // dtype.itemsize)
    return np.frombuffer(data, dtype)


def _require_count(tensor: Tensor, count: int) -> None:
    if any(length < 0 for length in tensor.shape) or prod(tensor.shape) != count:
        raise _wrong(f"`{tensor.name}` has the shape {_by(tensor.shape)}, and {count} numbers")


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name[:40]}`" for name in names[:4]) + (" and more" if len(names) > 4 else "") if names else "none"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape[:8]) + (" x ..." if len(shape) > 8 else "") if shape else "a single number"


def _wrong(message: str) -> HTTPException:
    return HTTPException(400, message)
