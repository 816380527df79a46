"""Images as models read them: every form that they may be given in, and what is told of those that cannot be read."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from hopgraph.runtime import BundleError, Manifest
from hopgraph.runtime.answers import inputs_of
from hopgraph.runtime.manifest import Resize
from hopgraph.runtime.sources import items, reader_of
from tests.runtime.toys import manifest_of, port

MEAN, STD = (0.5, 0.25, 0.125), (0.25, 0.5, 1.0)
COLOUR = manifest_of(port("image", 3, 2, 4), (5,), mean=MEAN, std=STD)
GREY = manifest_of(port("image", 1, 2, 4), (5,), mean=(0.5,), std=(0.25,))
FLAT = manifest_of(port("tensor", 8), (5,), mean=(0.5,), std=(0.25,), task="classification")
HERE = Path()


@pytest.fixture
def colours() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (3, 2, 4), dtype=np.uint8)


def normalized(pixels: NDArray[Any], manifest: Manifest) -> NDArray[Any]:
    """The formula, in float64."""
    mean, std = (np.asarray(values).reshape(-1, 1, 1) for values in (manifest.mean, manifest.std))
    return (pixels / 255 - mean) / std


def read(manifest: Manifest, given: object) -> NDArray[Any]:
    found = inputs_of(HERE, manifest, given)
    assert found.dtype == np.float32
    return found


def refused(manifest: Manifest, given: object, *, resize: bool = False) -> BundleError:
    with pytest.raises(BundleError) as caught:
        [item.read() for item in items(reader_of(HERE, manifest, resize), given)]
    return caught.value


def test_bytes_and_floats_in_every_layout_are_the_same_image(colours: NDArray[np.uint8]) -> None:
    wanted = normalized(colours, COLOUR)[None]
    last = np.moveaxis(colours, 0, -1)
    for form in (colours, last, colours[None], last[None], colours / 255, np.float32(colours) / np.float32(255), Image.fromarray(last)):
        assert np.allclose(read(COLOUR, form), wanted, atol=1e-6)
    assert read(COLOUR, np.stack([last, last])).shape == (2, 3, 2, 4)
    assert read(COLOUR, [colours, last[None], Image.fromarray(last)]).shape == (3, 3, 2, 4)


def test_grey_images_need_no_axis_of_channels(colours: NDArray[np.uint8]) -> None:
    grey = colours[0]
    for form in (grey, grey[None], grey[..., None], Image.fromarray(grey)):
        assert np.allclose(read(GREY, form), normalized(grey[None], GREY)[None], atol=1e-6)
    assert np.allclose(read(GREY, colours), normalized(colours[:, None], GREY), atol=1e-6)


def test_a_model_of_elements_reads_images_of_as_many(colours: NDArray[np.uint8]) -> None:
    grey = colours[0]
    wanted = normalized(grey[None], FLAT).reshape(1, 8)
    for form in (grey, grey[None], grey.reshape(8), grey.reshape(1, 8), Image.fromarray(grey)):
        assert np.allclose(read(FLAT, form), wanted, atol=1e-6)
    assert np.allclose(read(FLAT, colours), normalized(colours[:, None], FLAT).reshape(3, 8), atol=1e-6)
    assert "as many elements as 8" in refused(FLAT, np.zeros((2, 5), np.uint8)).message


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff", "ppm", "gif", "webp", "npy"])
def test_files_of_every_format(tmp_path: Path, colours: NDArray[np.uint8], ending: str) -> None:
    colours = colours.copy()
    colours[:] = colours[:1]  # a GIF has few colours
    last = np.moveaxis(colours, 0, -1)
    path = tmp_path / f"image.{ending}"
    if ending == "npy":
        np.save(path, last)
    else:
        Image.fromarray(np.ascontiguousarray(last)).save(path, lossless=True)
    wanted = normalized(colours, COLOUR)[None]
    assert np.allclose(read(COLOUR, path), wanted, atol=1e-6)
    assert np.allclose(read(COLOUR, str(path)), wanted, atol=1e-6)


def test_an_image_gets_the_channels_that_the_model_reads(colours: NDArray[np.uint8]) -> None:
    grey, last = colours[0], np.moveaxis(colours, 0, -1)
    assert np.allclose(read(COLOUR, Image.fromarray(grey)), normalized(np.stack([grey] * 3), COLOUR)[None], atol=1e-6)
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R 601
    luma = normalized((last @ weights)[None], GREY)[None]
    assert np.allclose(read(GREY, Image.fromarray(last)), luma, atol=1.5 / 255 / 0.25)
    alpha = np.concatenate([last, last[..., :1]], -1)
    assert np.allclose(read(COLOUR, Image.fromarray(alpha)), normalized(colours, COLOUR)[None], atol=1e-6)


def test_a_large_image_is_resized_where_that_is_asked_for() -> None:
    pixels = np.zeros((20, 120, 3), np.uint8)
    pixels[:, 20:100] = 200  # the 40 columns that are left, twice the height, and 20 on both sides, so far as the filter reaches
    item = next(items(reader_of(HERE, COLOUR, resize=True), Image.fromarray(pixels)))
    inner = normalized(np.full((3, 2, 4), 200), COLOUR)
    assert np.allclose(item.read(), inner, atol=0.02)
    assert refused(COLOUR, Image.fromarray(pixels)).code == "image-shape"


def test_an_image_is_resized_as_the_run_did_it() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 120, 3), dtype=np.uint8)
    trained = replace(COLOUR, resize=Resize(0.5, "box"))
    inner = pixels[5:15, 50:70].reshape(2, 5, 4, 5, 3).mean((1, 3))  # half of the 20 x 40 around the centre, in pieces of 5 x 5
    for asked in (False, True):
        item = next(items(reader_of(HERE, trained, asked), Image.fromarray(pixels)))
        assert np.allclose(item.read(), normalized(np.moveaxis(inner.round(), -1, 0), COLOUR), atol=0.02)


def test_resizing_needs_a_size() -> None:
    for manifest in (FLAT, manifest_of(port("tokens", 4, vocabulary=256), (4, 256))):
        with pytest.raises(BundleError, match="resize") as caught:
            reader_of(HERE, manifest, resize=True)
        assert caught.value.code == "bad-value"


def huge_png(path: Path, width: int, height: int) -> None:
    """A PNG of a few bytes whose header tells of so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    parts = [struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize("size", [(20_000, 10_000), (20_000, 4_000), (200_000, 200_000)])
def test_an_image_that_is_too_large_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], resize: bool
) -> None:
    huge_png(tmp_path / "huge.png", *size)

    def decode(picture: Image.Image) -> None:
        pytest.fail("it was decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    error = refused(COLOUR, tmp_path / "huge.png", resize=resize)
    assert error.code == "image-shape"
    assert "huge.png" in error.message
    assert error.helps


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "no image": ("image.png", b"hello", "image-unreadable"),
    "an empty image": ("image.png", b"", "image-unreadable"),
    "no array": ("image.npy", b"hello", "image-unreadable"),
    "an empty array file": ("image.npy", b"", "image-unreadable"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_hold_no_image(tmp_path: Path, name: str) -> None:
    file, content, code = BAD_FILES[name]
    (tmp_path / file).write_bytes(content)
    error = refused(COLOUR, tmp_path / file)
    assert error.code == code
    assert str(tmp_path / file) in error.message
    assert error.helps


@pytest.mark.parametrize("ending", ["png", "npy", "jpg"])
def test_files_that_are_cut_short(tmp_path: Path, colours: NDArray[np.uint8], ending: str) -> None:
    path, noise = tmp_path / f"image.{ending}", np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    if ending == "npy":
        np.save(path, noise)
    else:
        Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    large = manifest_of(port("image", 3, 64, 64), (5,), mean=MEAN, std=STD)
    assert refused(large, path).code == "image-unreadable"


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert refused(COLOUR, tmp_path / "objects.npy").code == "image-unreadable"
    np.savez(tmp_path / "several.npz", a=np.zeros(3))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    assert refused(COLOUR, tmp_path / "several.npy").code == "image-unreadable"


def test_what_is_missing(tmp_path: Path) -> None:
    for name in ("image.png", "image.npy"):
        assert refused(COLOUR, tmp_path / name).code == "file-missing"


BAD_ARRAYS: dict[str, tuple[NDArray[Any], str, str]] = {
    "another height": (np.zeros((3, 3, 4), np.uint8), "image-shape", "is 3 x 3 x 4, and the model reads 3 x 2 x 4"),
    "other channels": (np.zeros((1, 2, 4), np.uint8), "image-shape", "is 1 x 2 x 4"),
    "none": (np.zeros((0, 3, 2, 4), np.uint8), "input-invalid", "holds no input: it is 0 x 3 x 2 x 4"),
    "no channels": (np.zeros((2, 4), np.uint8), "image-shape", "is 2 x 4"),
    "too many axes": (np.zeros((1, 1, 3, 2, 4), np.uint8), "image-shape", "is 1 x 1 x 3 x 2 x 4"),
    "NaN": (np.full((3, 2, 4), np.nan), "input-invalid", "24 numbers that are not finite"),
    "infinite": (np.full((3, 2, 4), np.inf, np.float32), "input-invalid", "not finite"),
    "too large for float32": (np.full((3, 2, 4), 1e300), "input-invalid", "not finite"),
    "floats up to 255": (np.full((3, 2, 4), 255.0), "input-invalid", "floats are pixels from 0 to 1"),
    "normalized already": (np.full((3, 2, 4), -1.0), "input-invalid", "from -1 to -1"),
    "integers": (np.zeros((3, 2, 4), np.int64), "input-invalid", "holds int64"),
    "words": (np.full((3, 2, 4), "a"), "input-invalid", "holds <U1"),
    "a number": (np.ones(()), "image-shape", "is a single number"),
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
@pytest.mark.parametrize("stored", [False, True], ids=["array", "file"])
def test_arrays_that_are_no_image(tmp_path: Path, name: str, stored: bool) -> None:
    array, code, words = BAD_ARRAYS[name]
    if stored:
        np.save(tmp_path / "array.npy", array)
    error = refused(COLOUR, tmp_path / "array.npy" if stored else array)
    assert error.code == code
    assert words in error.message


def test_channels_that_no_image_has_and_pixels_that_are_no_bytes() -> None:
    many = manifest_of(port("image", 5, 2, 4), (5,), mean=(0.0,) * 5, std=(1.0,) * 5)
    assert "the model reads 5" in refused(many, Image.new("RGB", (4, 2))).message
    assert read(many, np.zeros((2, 4, 5), np.uint8)).shape == (1, 5, 2, 4)
    deep = refused(GREY, Image.fromarray(np.zeros((2, 4), np.uint16)))
    assert deep.code == "image-unreadable"
    assert "I;16" in deep.message


def test_other_things_are_refused_with_their_type() -> None:
    for given in (3, None, b"bytes", {"a": 1}):
        assert f"is of type {type(given).__name__}" in refused(COLOUR, given).message
    with pytest.raises(BundleError, match="no input was given"):
        inputs_of(HERE, COLOUR, [])
