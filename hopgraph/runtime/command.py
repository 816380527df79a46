"""The command `predict`: a line of JSON for each input on standard output, diagnostics on standard error."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from .answers import Answer, Failed, answer_all, batch_of
from .arrays import by
from .bundle import Bundle
from .manifest import Manifest
from .problems import BundleError
from .record import Array, Runtime
from .sources import Named, lines

STDIN = "-"
"""The input that stands for the standard input: a text in each line where the model reads texts, else a path."""


@dataclass(frozen=True)
class Request:
    """What the command was asked: the bundle, its inputs by path, texts, how to run the model, and what to tell.

    `output` is a .npy file for all outputs [count, ...]. A line then tells the row of its output, and not the output itself.
    """

    bundle: Path
    inputs: tuple[str, ...]
    texts: tuple[str, ...] = ()
    runtime: str | Runtime | None = None
    dtype: str | None = None
    device: str = "auto"
    threads: int | None = None
    weights: str | None = None
    top: int | None = None
    resize: bool = False
    batch: int | None = None
    output: Path | None = None
    force: bool = False


def predict(request: Request, stdin: BinaryIO, out: TextIO, err: TextIO) -> int:
    """Answer every input as it comes. Gives the exit status, 1 where one had no answer. Raises BundleError where none can have one."""
    bundle = Bundle.open(request.bundle)
    if request.output and bundle.manifest.output.varies:
        message = f"`-o` writes one array, and `{bundle.manifest.name}` gives {by(bundle.manifest.output.sizes)} numbers"
        raise BundleError("bad-value", message, helps=("leave it out, and call `Bundle.predict` with inputs of one length",))
    given = list(_given(request, bundle.manifest, stdin))
    with rows(request.output, bundle.manifest.output.shape, request.force) if request.output else nullcontext() as outputs:
        session = bundle.session(request.runtime, request.dtype, request.device, request.threads, request.weights)
        found = answer_all(session, bundle.path, given, top=request.top, resize=request.resize, batch=request.batch)
        return int(_tell(found, request.batch or batch_of(bundle.manifest), outputs, out, err))


def _given(request: Request, manifest: Manifest, stdin: BinaryIO) -> Iterator[object]:
    texts = manifest.input.kind == "tokens"
    if request.texts and not texts:
        raise BundleError("bad-value", f"`--text` gives a text, and `{manifest.name}` reads {manifest.input.kind}", helps=("give files",))
    for name in request.inputs:
        yield lines(stdin, texts) if name == STDIN else Path(name)
    yield from (Named(f"--text:{number}", text) for number, text in enumerate(request.texts, 1))


def _tell(found: Iterator[Answer], batch: int, outputs: Rows | None, out: TextIO, err: TextIO) -> bool:
    """Print the answers, those of a batch together: writing line by line takes longer than the answers. Whether one failed."""
    failed = False
    for count, answer in enumerate(found, 1):
        line = answer.as_json()
        if isinstance(answer, Failed):
            failed = True
            print(told(answer.error), file=err)
        elif outputs is not None:
            line.pop("output", None)
            line["row"] = outputs.append(answer.output)
        print(json.dumps(line), file=out, flush=count % batch == 0)
    out.flush()
    return failed


def told(error: BundleError) -> str:
    """An error as `hopgraph` tells it: code, message, notes, helps."""
    lines = [f"error[{error.code}]: {error.message}", *(f"   = note: {note}" for note in error.notes)]
    return "\n".join(map(_printable, (*lines, *(f"   = help: {text}" for text in error.helps))))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)


# --- outputs as an array ----------------------------------------------------------------------------------------------


class Rows:
    """A .npy file [count, ...] in float32 that grows: its header, which numpy pads for that, is written anew at the end.

    Its methods raise BundleError where `path`, for which the stream is written, has no place for what they write.
    """

    def __init__(self, path: Path, stream: FileIO, shape: tuple[int, ...]) -> None:
        self.path, self.stream, self.shape, self.count = path, stream, shape, 0
        self.write_header()

    def append(self, output: Array) -> int:
        """Write a row. Its number."""
        content = output.astype("<f4").tobytes()
        with _writing(self.path):
            if self.stream.write(content) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.count += 1
        return self.count - 1

    def write_header(self) -> None:
        """Say how many rows there are."""
        header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": (self.count, *self.shape)}
        with _writing(self.path):
            self.stream.seek(0)
            np.lib.format.write_array_header_1_0(self.stream, header)


@contextmanager
def rows(path: Path, shape: tuple[int, ...], force: bool) -> Generator[Rows]:
    """A file of outputs, whole or not there: it takes its name at the end. Raises BundleError where it cannot be written."""
    if path.exists() and not force:
        raise BundleError("file-exists", f"`{path}` exists already", helps=("choose another name, or give `--force` to replace it",))
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with _writing(path):
            stream = partial.open("wb", buffering=0)
        with stream:
            made = Rows(path, stream, shape)
            yield made
            made.write_header()
        with _writing(path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError("file-unreadable", f"`{path}` cannot be written: {error.strerror}") from None
