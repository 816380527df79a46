"""The request for an inference as the protocol writes it, in JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException

MAX_JSON = 2**24
MAX_LISTS = 2**18
"""The bytes of JSON, and the lists and objects in it, that a request may have: while it is read, nothing else is answered."""


class _Object(BaseModel):
    """An object of the protocol: what it does not have is an error, but for its parameters, of which a server reads those that it knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class TensorParameters(_Object):
    """What is told of an input beside its data."""

    model_config = ConfigDict(extra="ignore")

    binary_data_size: int | None = None


class OutputParameters(_Object):
    """How an output is to be given: in binary, or as the labels of its so many greatest numbers."""

    model_config = ConfigDict(extra="ignore")

    binary_data: bool | None = None
    classification: int = 0


class Parameters(_Object):
    """What is told of the request: whether outputs are given in binary, and the microseconds that the model has to answer."""

    model_config = ConfigDict(extra="ignore")

    binary_data_output: bool = False
    timeout: int = 0


class Tensor(_Object):
    """An input. Its data are here, as numbers or nested lists of them, or after the JSON."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    parameters: TensorParameters = TensorParameters()
    data: Any = None


class Output(_Object):
    """An output that is asked for."""

    name: str
    parameters: OutputParameters = OutputParameters()


class Inference(_Object):
    """A request for an inference."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Output, ...] = ()
    id: str = ""
    parameters: Parameters = Parameters()
    model_name: str = ""
    model_version: str = ""


def parse(text: bytes) -> Inference:
    """The request of a JSON text. Raises HTTPException (400, 413) with the first thing that is wrong."""
    if len(text) > MAX_JSON:
        raise HTTPException(413, f"the JSON of a request may have {MAX_JSON:,} bytes: give the data in binary")
    if text.count(b"[") + text.count(b"{") > MAX_LISTS:
        raise HTTPException(400, f"the request has more than {MAX_LISTS:,} lists: give the data as one, or in binary")
    try:
        return Inference.model_validate_json(text)
    except ValidationError as error:
        raise HTTPException(400, _told(error)) from None


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return f"the request is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}"
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    told = {"missing": "it is missing", "extra_forbidden": "the protocol has no such field"}.get(first["type"], first["msg"])
    return f"`{place[:80]}`: {told}" if place else "the request is not a JSON object"
