"""From the outputs of the model to the answer of a request."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from math import prod

import numpy as np
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hopgraph.runtime.manifest import Manifest, Port
from hopgraph.runtime.record import Array
from hopgraph.serve.decode import DATATYPES, Asked

VERSION = "1"
"""The only version that a bundle has of its model."""

COMPRESSED_FROM = 1024
"""Bytes under which an answer is not compressed."""

IN_JSON = 48
"""About the bytes that a number of an answer in JSON takes: 24 as an object, 8 in a list, the rest as text."""

_COMPRESS: dict[str, Callable[[bytes, int], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


def answer_bytes(asked: Asked, port: Port) -> int:
    """About what an answer takes in memory: 4 bytes a number, and in JSON many more."""
    return len(asked.rows) * prod(port.shape) * (4 if asked.binary else 4 + IN_JSON)


def encode(outputs: Array, asked: Asked, manifest: Manifest, accepted: str) -> Response:
    """The answer to a request, compressed where the header Accept-Encoding, `accepted`, allows it.

    Raises HTTPException (400) where JSON is asked for and cannot hold the numbers.
    """
    tensor, data = _classified(outputs, asked, manifest) if asked.classes else _numbers(outputs, asked)
    answer: dict[str, object] = {"model_name": manifest.name, "model_version": VERSION}
    if asked.id:
        answer["id"] = asked.id
    answer["outputs"] = [{"name": manifest.output.name, **tensor}]
    text = to_json(answer)
    if data is None:
        return _compressed(text, {"Content-Type": "application/json"}, accepted)
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}
    return _compressed(text + data, headers, accepted)


def _numbers(outputs: Array, asked: Asked) -> tuple[dict[str, object], bytes | None]:
    tensor: dict[str, object] = {"datatype": DATATYPES["float32"], "shape": outputs.shape}
    if asked.binary:
        return _with_binary(tensor, outputs.astype("<f4", copy=False).tobytes())
    if not np.isfinite(outputs).all():
        raise HTTPException(400, "the outputs hold numbers that are not finite, which JSON cannot hold: ask for them in binary")
    return {**tensor, "data": outputs.ravel().tolist()}, None


def _classified(outputs: Array, asked: Asked, manifest: Manifest) -> tuple[dict[str, object], bytes | None]:
    """The greatest numbers of each row, as texts `value:index:label`."""
    best = np.argsort(-outputs, axis=1, kind="stable")[:, : asked.classes]
    values = np.take_along_axis(outputs, best, axis=1)
    texts = [_class(*pair, manifest.labels) for pair in zip(values.ravel().tolist(), best.ravel().tolist(), strict=True)]
    tensor: dict[str, object] = {"datatype": "BYTES", "shape": best.shape}
    if asked.binary:
        encoded = [text.encode() for text in texts]
        return _with_binary(tensor, b"".join(struct.pack("<I", len(text)) + text for text in encoded))
    return {**tensor, "data": texts}, None


def _class(value: float, index: int, labels: tuple[str, ...]) -> str:
    return f"{value:.6f}:{index}:{labels[index]}" if labels else f"{value:.6f}:{index}"


def _with_binary(tensor: dict[str, object], data: bytes) -> tuple[dict[str, object], bytes]:
    return {**tensor, "parameters": {"binary_data_size": len(data)}}, data


def _compressed(body: bytes, headers: dict[str, str], accepted: str) -> Response:
    """A response in the first encoding of those accepted that is known here."""
    offered = (word.split(";")[0].strip().lower() for word in accepted.split(",") if not word.replace(" ", "").endswith(";q=0"))
    encoding = next((word for word in offered if word in _COMPRESS), None) if len(body) >= COMPRESSED_FROM else None
    if encoding is None:
        return Response(body, headers=headers)
    return Response(_COMPRESS[encoding](body, 1), headers={**headers, "Content-Encoding": encoding, "Vary": "Accept-Encoding"})
