"""Files of patterns and states: every format is read alike, and every file that does not fit is told why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]

import hopgraph.recall.arrays as arrays
from hopgraph.errors import HopgraphError
from hopgraph.recall.arrays import Array, load_patterns
from hopgraph.recall.command import Request, run_recall

from .hopfields import SLOW_PAIR, signs

FOLDER = Path(__file__).parent / "golden" / "recall"


@pytest.mark.parametrize("file", ["p.npy", "p.csv", "p.txt", "p.safetensors"])
def test_every_format_gives_the_same_numbers(file: str, tmp_path: Path) -> None:
    patterns = np.random.default_rng(5).standard_normal((3, 2, 4))
    flat, path = patterns.reshape(3, 8), tmp_path / file
    writers: dict[str, Callable[[], None]] = {
        ".npy": lambda: np.save(path, patterns),
        ".csv": lambda: np.savetxt(path, flat, delimiter=",", fmt="%.17g"),
        ".txt": lambda: np.savetxt(path, flat, fmt="%.17g"),
        ".safetensors": lambda: save_file({"patterns": patterns}, path),
    }
    writers[path.suffix]()
    assert np.array_equal(load_patterns(path), flat)


def test_images_are_grey_levels_from_minus_one_to_one(tmp_path: Path) -> None:
    for name, level in (("b.png", 255), ("a.png", 0)):
        Image.fromarray(np.full((2, 3), level, dtype=np.uint8)).save(tmp_path / name)
    assert load_patterns(tmp_path).tolist() == [[-1.0] * 6, [1.0] * 6]
    assert load_patterns(tmp_path / "b.png").tolist() == [[1.0] * 6]


def test_a_tensor_is_chosen_by_its_name(tmp_path: Path) -> None:
    save_file({"a": signs(2, 3, 0), "b": signs(2, 3, 1)}, tmp_path / "p.safetensors")
    assert np.array_equal(load_patterns(tmp_path / "p.safetensors", "b"), signs(2, 3, 1))


def text(name: str, content: str | bytes) -> Callable[[], object]:
    """A file of some text, to be loaded."""

    def case() -> object:
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_patterns(Path(name))

    return case


def array(content: np.ndarray) -> Callable[[], object]:
    """An array saved by NumPy, to be loaded."""

    def case() -> object:
        np.save("p.npy", content)
        return load_patterns(Path("p.npy"))

    return case


def with_infinities() -> np.ndarray:
    patterns = np.zeros((3, 2, 2))
    patterns[1, 0, 1], patterns[2, 1, 1] = np.nan, np.inf
    return patterns


def pickled() -> None:
    np.save("p.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    load_patterns(Path("p.npy"))


def archive() -> None:
    np.savez("p.npz", patterns=np.zeros((2, 2)))
    Path("p.npz").rename("p.npy")
    load_patterns(Path("p.npy"))


def several_tensors(name: str | None) -> Callable[[], object]:
    def case() -> object:
        save_file({"weight": np.zeros((2, 2)), "bias": np.zeros((2, 2))}, "p.safetensors")
        return load_patterns(Path("p.safetensors"), name)

    return case


def images_of_two_sizes() -> None:
    for name, size in (("a.png", (2, 2)), ("b.png", (2, 3))):
        Image.fromarray(np.zeros(size, dtype=np.uint8)).save(name)
    load_patterns(Path())


def deep_image() -> None:
    Image.fromarray(np.full((2, 2), 1000, dtype=np.uint16)).save("a.png")
    load_patterns(Path("a.png"))


def empty_folder() -> None:
    Path("empty").mkdir()
    load_patterns(Path("empty"))


def recalled(patterns: Array, *settings: str, spec: str = "hopfield", state: Array | None = None, **fields: object) -> Callable[[], object]:
    """Patterns, and states, saved and recalled."""

    def case() -> object:
        np.save("p.npy", patterns)
        request = {"patterns": Path("p.npy"), **fields}
        if state is not None:
            np.save("s.npy", state)
            request["state"] = Path("s.npy")
        return run_recall(spec, None, list(settings), Request(**request))  # pyright: ignore[reportArgumentType] (the fields differ in type)

    return case


CASES: dict[str, Callable[[], object]] = {
    "axis-too-few": array(np.zeros(4)),
    "cell-empty": text("p.csv", "1,2\n3,,4\n"),
    "cell-heading": text("p.csv", "a,b\n1,2\n"),
    "cell-infinite": text("p.csv", "1,2\n3, inf\n"),
    "cell-no-number": text("p.txt", "1 2 3\n\n4 5x 6\n"),
    "cells-many": text("p.csv", "a\n" * 50),
    "complex": array(np.zeros((2, 2), dtype=complex)),
    "empty-array": array(np.zeros((0, 4))),
    "empty-npy": text("p.npy", b""),
    "empty-text": text("p.csv", ""),
    "ending": text("p.pkl", b""),
    "folder-empty": empty_folder,
    "image-broken": text("p.png", b"no image"),
    "image-deep": deep_image,
    "image-sizes": images_of_two_sizes,
    "into-unknown": recalled(signs(2, 5), into="memory.h"),
    "into-near": recalled(signs(2, 5), into="memori.x"),
    "into-open": recalled(signs(3, 5), spec=SLOW_PAIR),
    "npz": archive,
    "missing": lambda: load_patterns(Path("p.npy")),
    "no-block": recalled(signs(2, 5), block=1),
    "no-start": recalled(signs(3, 5), spec=SLOW_PAIR, into="hidden.x"),
    "not-finite": array(with_infinities()),
    "not-safetensors": text("p.safetensors", b"no tensors"),
    "not-utf-8": text("p.csv", b"\xff\xfe1,2"),
    "pickle": pickled,
    "ragged": text("p.csv", "1,2,3\n4,5,6\n7,8\n"),
    "size-given": recalled(signs(2, 5), "dims.M=3"),
    "size-of-a-number": recalled(signs(2, 5), spec=SLOW_PAIR, into="hidden.x"),
    "size-of-an-expression": recalled(signs(2, 5), "block.axes.m=2 * N"),
    "size-of-states": recalled(signs(2, 5), state=np.zeros((1, 6))),
    "tensor-of-several": several_tensors(None),
    "tensor-unknown": several_tensors("weigth"),
    "too-large": array(np.zeros((3, 400))),
    "header": text("p.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': ".ljust(127) + b"\n"),
    "truncated": text("p.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (9, 9), }".ljust(127) + b"\n"),
}


@pytest.mark.parametrize("case", CASES)
def test_message(case: str, update_goldens: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(arrays, "LARGEST", 1000)
    with pytest.raises(HopgraphError) as raised:
        CASES[case]()
    given = f"{raised.value}\n".replace(str(Path(SLOW_PAIR).parent), "constructs")
    assert {diagnostic.code for diagnostic in raised.value.diagnostics} <= {"patterns", "file-missing", "file-unreadable"}
    path = FOLDER / f"{case}.txt"
    if update_goldens:
        path.write_text(given, encoding="utf-8")
    assert given == path.read_text(encoding="utf-8")


def test_each_golden_has_its_case() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CASES)
