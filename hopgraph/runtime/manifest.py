"""The manifest of a bundle: all there is to know of it, as JSON. Read here, written by `hopgraph export`."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from .problems import BundleError
from .structure import structure

FORMAT = 4
MANIFEST = "manifest.json"
INTERPOLATIONS = ("bicubic", "bilinear", "box", "lanczos")
"""How pixels in between are computed, where an image is resized."""


@dataclass(frozen=True)
class SpecSource:
    """The spec that was compiled: its text, what was laid over it, and the SHA-256 of the text."""

    name: str
    text: str
    variants: tuple[str, ...]
    settings: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class Port:
    """The input or the output of the model. Its first dimension, the batch, is not among the axes.

    `kind` is image, tokens, tensor or state; `vocabulary` the number of tokens, where there are any; `dtype` float32 or int64. `shape`
    are the largest sizes and `least` the smallest: they are equal but for the axis whose length may vary, if there is one.
    """

    name: str
    kind: str
    dtype: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    least: tuple[int, ...]
    vocabulary: int | None

    def __post_init__(self) -> None:
        if len(self.least) != len(self.shape) or any(least > most for least, most in zip(self.least, self.shape, strict=True)):
            raise ValueError(f"`{self.name}` has the sizes {list(self.shape)}, and {list(self.least)} cannot be the smallest of them")

    @property
    def varies(self) -> bool:
        """Whether a length may vary."""
        return self.least != self.shape

    @property
    def sizes(self) -> tuple[str, ...]:
        """The sizes as they are read: `64`, or `1 to 64`."""
        pairs = zip(self.least, self.shape, strict=True)
        return tuple(str(most) if least == most else f"{least} to {most}" for least, most in pairs)

    @property
    def symbolic(self) -> tuple[int, ...]:
        """The sizes with -1 in the place of the one that may vary, as protocols write it."""
        return tuple(most if least == most else -1 for least, most in zip(self.least, self.shape, strict=True))

    def holds(self, shape: tuple[int, ...]) -> bool:
        """Whether a shape, without the batch, is one of the port's."""
        ranges = zip(self.least, shape, self.shape, strict=False)
        return len(shape) == len(self.shape) and all(least <= size <= most for least, size, most in ranges)


@dataclass(frozen=True)
class Resize:
    """How images were brought to the size that the model reads: the largest piece of that shape around the centre, scaled.

    `centre` is the share of that piece's sides that is kept, more than 0 and at most 1.
    """

    centre: float = 1.0
    interpolation: str = "bicubic"


@dataclass(frozen=True)
class File:
    """A file of the bundle: its path in it, with `/`, its size, and its SHA-256."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Parity:
    """How far a form, run by a runtime, is from the model in float64: the largest relative error on random and on real inputs.

    `real` is none where no data were at hand; `test` are the values of the task on the test split, computed by that runtime.
    """

    random: float
    real: float | None
    test: dict[str, float]


@dataclass(frozen=True)
class Form:
    """The model as one exporter wrote it in one dtype: the file that is opened, and all the files that this one reads.

    `parity` is told by runtime; `not_run` says of a runtime why it could not run where the bundle was made; `facts` are the exporter's.
    """

    exporter: str
    dtype: str
    file: str
    files: tuple[str, ...]
    parity: dict[str, Parity]
    not_run: dict[str, str]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Weights:
    """A set of trained weights: its seed, what it measured on the test split, and its files.

    `files` says which file stands for which of those that the forms read. Those of the first set are the forms' own.
    """

    name: str
    seed: int
    test: dict[str, float]
    files: dict[str, str]


@dataclass(frozen=True)
class Verdict:
    """The certificate of one block: the verdict and its reasons."""

    block: str
    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds.

    `resize` is what the run did to images of another size, none where it refused them. `mean` and `std` normalize an input that runs
    from 0 to 1, by channel. `test` are the values that the task measured on the test split,
    none where the model was not trained here. `ledger` is the measured weight asymmetry by synapse.
    """

    hopgraph_bundle: int
    name: str
    variant: str
    cite: str
    spec: SpecSource
    dims: dict[str, int]
    parameters: int
    input: Port
    output: Port
    resize: Resize | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...]
    tokenizer: str | None
    task: str
    data: str
    test: dict[str, float]
    certificate: tuple[Verdict, ...]
    ledger: dict[str, float]
    versions: dict[str, str]
    weights: tuple[Weights, ...]
    forms: tuple[Form, ...]
    files: tuple[File, ...]

    def form(self, exporter: str, dtype: str | None = None) -> Form | None:
        """What an exporter wrote, in a dtype or in the first."""
        return next((form for form in self.forms if form.exporter == exporter and dtype in (None, form.dtype)), None)


def read_manifest(folder: Path) -> Manifest:
    """Read a bundle's manifest and check every file that it names. Raises BundleError."""
    manifest = _parse(folder)
    _check_references(folder, manifest)
    for file in manifest.files:
        _check_file(folder, file)
    return manifest


def _parse(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise damaged(folder, f"it has no {MANIFEST}" if folder.is_dir() else "there is no such folder")
    try:
        data: object = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        raise damaged(folder, f"{MANIFEST} is not JSON") from None
    version = cast("dict[str, object]", data).get("hopgraph_bundle") if isinstance(data, dict) else None
    if version != FORMAT:
        message = f"`{folder}` is a bundle of format {version!r}, and this version of hopgraph reads format {FORMAT}"
        raise BundleError("bundle-version", message, helps=("export it again, or use the version of hopgraph that wrote it",))
    try:
        found = structure(Manifest, cast("object", data))
    except ValueError as error:
        raise damaged(folder, f"{MANIFEST}: {error}") from None
    if found.resize and not (0 < found.resize.centre <= 1 and found.resize.interpolation in INTERPOLATIONS):
        raise damaged(folder, f"{MANIFEST}: `resize` tells of no way that images are resized")
    return found


def _check_references(folder: Path, manifest: Manifest) -> None:
    """Every file that something names is one whose hash is known, and is inside."""
    known = {file.path for file in manifest.files}
    for file in known:
        path = PurePosixPath(file)
        if path.is_absolute() or ".." in path.parts or "\\" in file or ":" in file or str(path) != file:
            raise damaged(folder, f"`{file}` leads out of the bundle")
    named = [name for form in manifest.forms for name in (form.file, *form.files)]
    named += [name for item in manifest.weights for name in item.files.values()]
    named += [manifest.tokenizer] if manifest.tokenizer else []
    stranger = next((name for name in named if name not in known), None)
    if stranger is not None:
        raise damaged(folder, f"`{stranger}` is used, but its hash is not told")


def _check_file(folder: Path, file: File) -> None:
    path = folder / file.path
    if not path.is_file():
        raise damaged(folder, f"`{file.path}` is missing")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise damaged(folder, f"`{file.path}` leads out of the bundle")
    if path.stat().st_size != file.bytes:
        raise damaged(folder, f"`{file.path}` has {path.stat().st_size:,} bytes and was exported with {file.bytes:,}")
    if hash_of(path) != file.sha256:
        raise damaged(folder, f"`{file.path}` is not the file that was exported: its SHA-256 differs")


def hash_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def damaged(folder: Path, reason: str) -> BundleError:
    """What is told of a bundle that cannot be read."""
    message = f"`{folder}` is not a bundle that can be read: {reason}"
    return BundleError("bundle-damaged", message, helps=("`hopgraph export` writes one",))
