"""Requests that are wrong, each with what a server must answer. Shared with `benchmarks/serving.py`, which prints them as a table."""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from math import prod
from typing import Any

import numpy as np

GIB = 2**30


@dataclass(frozen=True)
class Target:
    """The model that is asked: its name, its input of float32, its output, and the largest body that its server reads."""

    name: str
    input: str
    shape: tuple[int, ...]
    output: str
    max_body_bytes: int

    @property
    def path(self) -> str:
        """Where inferences are asked for."""
        return f"/v2/models/{self.name}/infer"

    def tensor(self, **changes: Any) -> dict[str, Any]:
        """A right input of one row of zeros, but for the changes."""
        right = {"name": self.input, "shape": [1, *self.shape], "datatype": "FP32", "data": [0.0] * prod(self.shape)}
        return {name: value for name, value in {**right, **changes}.items() if value is not None}

    def body(self, **changes: Any) -> dict[str, Any]:
        """A right request with one input, but for the changes of this input."""
        return {"inputs": [self.tensor(**changes)]}

    def binary(self, data: bytes, rows: int = 1, size: int | None = None, **changes: Any) -> tuple[bytes, dict[str, str]]:
        """A request with binary data, and its header."""
        parameters = {"binary_data_size": len(data) if size is None else size}
        text = json.dumps(self.body(data=None, shape=[rows, *self.shape], parameters=parameters, **changes)).encode()
        return text + data, {"Inference-Header-Content-Length": str(len(text))}

    def numbers(self, first: float, rows: int = 1) -> bytes:
        """Rows of zeros but for the first number, in binary."""
        array = np.zeros((rows, prod(self.shape)), "<f4")
        array[:, 0] = first
        return array.tobytes()


Send = Callable[[HTTPConnection, Target], None]


@dataclass(frozen=True)
class Fault:
    """A wrong request, and the status and the text (a regular expression) that it must get."""

    name: str
    status: int
    answer: str
    send: Send


Pair = tuple[bytes, dict[str, str]]
"""A body, and headers that belong to it."""


def _post(make: Callable[[Target], Pair | bytes | str | list[Any] | dict[str, Any]], headers: dict[str, str] | None = None) -> Send:
    """A request whose body is JSON data, a text, bytes, or bytes with headers."""

    def send(connection: HTTPConnection, target: Target) -> None:
        made = make(target)
        body, more = made if isinstance(made, tuple) else (made, dict[str, str]())
        text = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        connection.request("POST", target.path, text, {**(headers or {}), **more})

    return send


def _path(method: str, path: Callable[[Target], str]) -> Send:
    return lambda connection, target: connection.request(method, path(target))


def _declared(connection: HTTPConnection, target: Target) -> None:
    """A body of 1 GiB that is only declared: it must be refused before it is sent."""
    connection.putrequest("POST", target.path)
    connection.putheader("Content-Length", str(GIB))
    connection.endheaders()


def _chunked(connection: HTTPConnection, target: Target) -> None:
    """A body of unknown length that grows past the limit."""
    connection.putrequest("POST", target.path)
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    for _ in range(target.max_body_bytes // 0x10000 + 1):
        connection.send(piece)


def _bomb(encoding: str) -> Send:
    """A small body that expands past the limit."""

    def made(target: Target) -> Pair:
        squeeze = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding]
        return squeeze(b" " * (target.max_body_bytes + 1)), {"Content-Encoding": encoding}

    return _post(made)


def _squeezed(change: Callable[[bytes], bytes]) -> Send:
    return _post(lambda target: (change(gzip.compress(json.dumps(target.body()).encode())), {"Content-Encoding": "gzip"}))


def _length(told: str) -> Send:
    return _post(Target.body, {"Inference-Header-Content-Length": told})


def _nested(depth: int) -> Send:
    return _post(lambda target: json.dumps(target.body()).replace("[0.0", "[" * depth + "0.0" + "]" * (depth - 1), 1))


READS = r"the model reads batch x .*, and was given "
LENGTH = r"Inference-Header-Content-Length is `.*`, which is no length within the body of \d+ bytes"
TOO_LARGE = r"the body is larger than the [\d,]+ bytes that this server reads \(decompressed\)"

FAULTS = (
    Fault("1 GiB, declared", 413, TOO_LARGE, _declared),
    Fault("chunks without end", 413, TOO_LARGE, _chunked),
    Fault("a gzip bomb", 413, TOO_LARGE, _bomb("gzip")),
    Fault("a deflate bomb", 413, TOO_LARGE, _bomb("deflate")),
    Fault("gzip that is none", 400, "the body is not gzip, as its Content-Encoding says", _squeezed(lambda body: b"x" + body)),
    Fault("gzip cut short", 400, "the body is not one whole gzip stream, .*", _squeezed(lambda body: body[:-9])),
    Fault("gzip and more", 400, "the body is not one whole gzip stream, .*", _squeezed(lambda body: body + b"x")),
    Fault(
        "an unknown encoding", 415, "the content encoding `br` is not known here; .*", _post(lambda t: t.body(), {"Content-Encoding": "br"})
    ),
    Fault("an empty body", 400, "the request is not JSON: EOF while parsing .*", _post(lambda t: b"")),
    Fault("no JSON", 400, "the request is not JSON: .* at line 1 column 1", _post(lambda t: b"\xff\xfe\x00")),
    Fault("JSON cut short", 400, "the request is not JSON: EOF while parsing .*", _post(lambda t: json.dumps(t.body())[:-9])),
    Fault("JSON of another kind", 400, "the request is not a JSON object", _post(lambda t: [1, 2])),
    Fault("deeply nested JSON", 400, "the request is not JSON: recursion limit exceeded .*", _post(lambda t: b"[" * 100_000)),
    Fault("deeply nested data", 400, "the request is not JSON: recursion limit exceeded .*", _nested(1000)),
    Fault("lists without end", 400, "the request has more than 262,144 lists: .*", _post(lambda t: b"[" + b"[]," * 2**18)),
    Fault("data nested past an array", 400, "the data of `.*` are not numbers in rows of equal length", _nested(80)),
    Fault("an unknown field", 400, "`inputs.0.`?.*: the protocol has no such field", _post(lambda t: t.body(dtype="FP32"))),
    Fault("a missing field", 400, r"`inputs\[0\].shape`: it is missing", _post(lambda t: t.body(shape=None))),
    Fault(
        "a field of another kind",
        400,
        r"`inputs\[0\].shape\[1\]`: Input should be a valid integer",
        _post(lambda t: t.body(shape=[1, "2"])),
    ),
    Fault("no input", 400, "the model reads one input, `.*`, and was given none", _post(lambda t: {"inputs": []})),
    Fault("an unknown input", 400, "the model reads one input, `.*`, and was given `pixels`", _post(lambda t: t.body(name="pixels"))),
    Fault("an input twice", 400, "the model reads one input, .*, and was given `.*`, `.*`", _post(lambda t: {"inputs": [t.tensor()] * 2})),
    Fault("an unknown output", 400, "the model gives .*, and was asked for `x`", _post(lambda t: {**t.body(), "outputs": [{"name": "x"}]})),
    Fault("an unknown model", 404, "no model is named `none`; this server has `.*`", _path("POST", lambda t: "/v2/models/none/infer")),
    Fault("an unknown version", 404, "`.*` has no version `2`; it has 1", _path("GET", lambda t: f"/v2/models/{t.name}/versions/2")),
    Fault("an unknown path", 404, "there is nothing at /v3", _path("GET", lambda t: "/v3")),
    Fault("the wrong method", 405, "/v2/models/.*/infer does not take GET", _path("GET", lambda t: t.path)),
    Fault("the wrong dtype", 400, "the model reads FP32, and `.*` is FP64", _post(lambda t: t.body(datatype="FP64"))),
    Fault("texts for numbers", 400, "the data of `.*` are not numbers", _post(lambda t: t.body(data=["0"] * prod(t.shape)))),
    Fault("nulls for numbers", 400, "the data of `.*` are not numbers", _post(lambda t: t.body(data=[None] * prod(t.shape)))),
    Fault(
        "ragged data", 400, "the data of `.*` are not numbers in rows of equal length", _post(lambda t: t.body(data=[[0.0], [0.0, 0.0]]))
    ),
    Fault("the wrong shape", 400, READS + "1 x 7", _post(lambda t: t.body(shape=[1, 7], data=[0.0] * 7))),
    Fault("no batch", 400, READS + ".*", _post(lambda t: t.body(shape=t.shape))),
    Fault("a batch of 0", 400, "the batch is empty", _post(lambda t: t.body(shape=[0, *t.shape], data=[]))),
    Fault("a negative batch", 400, "`.*` has the shape -1 x .*, and [0-9]+ numbers", _post(lambda t: t.body(shape=[-1, *t.shape]))),
    Fault("an absurd shape", 400, "`.*` cannot have the shape 0 x 1000.*", _post(lambda t: t.body(shape=[0, 10**30], data=[]))),
    Fault("a shape that the data lack", 400, "`.*` has the shape 9 x .*, and [0-9]+ numbers", _post(lambda t: t.body(shape=[9, *t.shape]))),
    Fault("NaN in JSON", 400, "the inputs hold numbers that are not finite", _post(lambda t: t.body(data=[float("nan")] * prod(t.shape)))),
    Fault("1e39 in JSON", 400, "the inputs hold numbers that are not finite", _post(lambda t: t.body(data=[1e39] * prod(t.shape)))),
    Fault("NaN in binary", 400, "the inputs hold numbers that are not finite", _post(lambda t: t.binary(t.numbers(float("nan"))))),
    Fault("infinity in binary", 400, "the inputs hold numbers that are not finite", _post(lambda t: t.binary(t.numbers(float("inf"))))),
    Fault("a header longer than the body", 400, LENGTH, _length("999999")),
    Fault("a negative header", 400, LENGTH, _length("-1")),
    Fault("a header that is no number", 400, LENGTH, _length("many")),
    Fault("a header of 5000 digits", 400, LENGTH, _length("1" * 5000)),
    Fault("a header into the JSON", 400, "the request is not JSON: EOF while parsing .*", _length("10")),
    Fault("binary data, no header", 400, ".* the header Inference-Header-Content-Length is missing", _post(lambda t: t.binary(b"")[0])),
    Fault("less binary data than told", 400, ".* of 999, and [0-9]+ bytes of FP32 .*", _post(lambda t: t.binary(t.numbers(0), size=999))),
    Fault("more binary data than told", 400, ".* of 4, and [0-9]+ bytes of FP32 .*", _post(lambda t: t.binary(t.numbers(0), size=4))),
    Fault("half a number", 400, ".* a `binary_data_size` of 3, and 3 bytes of FP32 .*", _post(lambda t: t.binary(b"\0\0\0"))),
    Fault("fewer rows than told", 400, "`.*` has the shape 2 x .*, and [0-9]+ numbers", _post(lambda t: t.binary(t.numbers(0), rows=2))),
    Fault("no data", 400, "`.*` has neither `data` nor a `binary_data_size`", _post(lambda t: t.body(data=None))),
    Fault("bytes that nothing names", 400, "4 bytes follow the JSON, .*", _post(lambda t: _followed(t, struct.pack("<f", 0)))),
    Fault("no such classes", 400, "`classification` is 9999, .*", _post(lambda t: _classified(t, 9999))),
    Fault("a count of classes of -1", 400, "`classification` is -1, .*", _post(lambda t: _classified(t, -1))),
)


def _followed(target: Target, data: bytes) -> Pair:
    text = json.dumps(target.body()).encode()
    return text + data, {"Inference-Header-Content-Length": str(len(text))}


def _classified(target: Target, count: int) -> dict[str, Any]:
    return {**target.body(), "outputs": [{"name": target.output, "parameters": {"classification": count}}]}
