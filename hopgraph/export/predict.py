"""Classify image files with a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from hopgraph.errors import Diagnostic, HopgraphError, by
from hopgraph.export.bundle import Bundle, Manifest
from hopgraph.export.exporter import Array

MODES = {1: "L", 3: "RGB"}
"""How Pillow reads an image with so many channels."""


@dataclass(frozen=True)
class Answer:
    """A file's most probable class, and the probabilities of all by label."""

    file: str
    label: str
    probability: float
    probabilities: dict[str, float]


def predict_files(bundle: Bundle, files: Sequence[Path], runtime: str) -> list[Answer]:
    """The answer for each file, in order. Raises HopgraphError; then there is none."""
    _require_classifier(bundle)
    images = np.stack([read_image(file, bundle.manifest) for file in files])
    logits = bundle.open(runtime)(images)
    powers = np.exp(logits - logits.max(1, keepdims=True))
    shares = powers / powers.sum(1, keepdims=True)
    return [_answer(str(file), row, bundle.manifest.labels) for file, row in zip(files, shares, strict=True)]


def _require_classifier(bundle: Bundle) -> None:
    """Raise HopgraphError where the model does not read an image and give a number for each label."""
    manifest, given = bundle.manifest, bundle.spec.ham.input
    outputs = list(manifest.outputs.values())
    if given.kind == "image" and manifest.labels and outputs == [len(manifest.labels)]:
        return
    does = f"`{manifest.name}` reads {given.kind} {by(given.shape)} and gives {by(tuple(outputs))}"
    notes = (f"{does}; its task is {manifest.task or 'not known'}",)
    helps = ("in Python, `open_bundle(path).open(runtime)` runs any bundle on arrays",)
    raise HopgraphError(Diagnostic("no-classifier", f"`{bundle.path}` does not classify images", notes=notes, helps=helps))


def _answer(file: str, shares: Array, labels: tuple[str, ...]) -> Answer:
    best = int(shares.argmax())
    return Answer(file, labels[best], float(shares[best]), {label: float(share) for label, share in zip(labels, shares, strict=True)})


def read_image(file: Path, manifest: Manifest) -> Array:
    """An image as the model reads it: [channels, height, width], normalized as the training data were.

    An image file's pixels are divided by 255; a .npy array holds pixels from 0 to 1 as [channels, height, width], or
    [height, width] for one channel. Raises HopgraphError where the file is no image or has another shape.
    """
    wanted = tuple(manifest.inputs.values())
    pixels = _read_array(file) if file.suffix == ".npy" else _read_picture(file, wanted[0])
    if pixels.ndim == 2:
        pixels = pixels[None]
    if pixels.shape != wanted:
        message = f"`{file}` is {by(pixels.shape)}, and the model reads {by(wanted)} (channels x height x width)"
        raise HopgraphError(Diagnostic("image-shape", message, helps=("resize it first: how is a choice that changes the answer",)))
    if not np.isfinite(pixels).all():
        raise _unreadable(file, "it holds numbers that are not finite")
    mean, std = (np.asarray(values, dtype=np.float32).reshape(-1, 1, 1) for values in (manifest.mean, manifest.std))
    return (pixels.astype(np.float32) - mean) / std


def _read_picture(file: Path, channels: int) -> np.ndarray:
    try:
        with Image.open(file) as picture:
            array = np.asarray(picture.convert(MODES.get(channels, "RGB")), dtype=np.float32) / 255
    except FileNotFoundError:
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{file}`")) from None
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError, ValueError) as error:
        raise _unreadable(file, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _read_array(file: Path) -> np.ndarray:
    try:
        array: Any = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{file}`")) from None
    except (OSError, ValueError, EOFError) as error:
        raise _unreadable(file, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":  # pyright: ignore[reportUnknownMemberType]
        raise _unreadable(file, "it is no array of numbers")
    return np.asarray(array, dtype=np.float32)


def _unreadable(file: Path, reason: str) -> HopgraphError:
    return HopgraphError(Diagnostic("image-unreadable", f"`{file}` cannot be read as an image: {reason}"))
