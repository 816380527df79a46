"""Data sets: images with class numbers, texts as bytes or tokens, and lists to search. Two are embedded; all else is a user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError, listing, rename_help
from hopgraph.train.data import digits, parquet, texts
from hopgraph.train.data.feed import Feed
from hopgraph.train.data.folder import read_folder
from hopgraph.train.data.hub import PREFIX, read_hub
from hopgraph.train.data.idx import has_idx, read_idx
from hopgraph.train.data.records import BYTES, SPLIT_SEED, Data, Examples, ImageData, Images, Lists, Text
from hopgraph.train.data.stream import Stream
from hopgraph.train.data.streamed import Streamed

__all__ = [
    "BYTES",
    "DATA",
    "FORMS",
    "SPLIT_SEED",
    "Data",
    "Examples",
    "Feed",
    "ImageData",
    "Images",
    "Lists",
    "Stream",
    "Streamed",
    "Text",
    "load_data",
]

DATA: dict[str, Callable[[], Data]] = {"digits": digits.digits, "digits-retrieval": digits.digits_retrieval}
"""Every embedded data set by name. One more is one more function."""
FORMS = (
    "a text that ends in .txt or .md",
    "a parquet file",
    "a folder of parquet files, of IDX files, or of images with a subfolder for each class",
    "two files as TRAIN,TEST",
    "hf:NAME for a data set of the Hugging Face hub",
)
"""What else `--data` may be."""


def load_data(name: str) -> Data:
    """The data set of that name, or in that file or folder. Raises HopgraphError for an unknown or unreadable one."""
    if name in DATA:
        return DATA[name]()
    if name.startswith(PREFIX):
        return read_hub(name)
    paths = [Path(part) for part in name.split(",")]
    for endings, read in _BY_ENDING:
        if len(paths) <= 2 and all(path.suffix.lower() in endings for path in paths):
            return read(name, paths)
    if len(paths) == 1 and paths[0].is_dir():
        return _of_folder(name, paths[0])
    raise _unknown(name)


def _of_parquet(name: str, paths: Sequence[Path]) -> Data:
    if paths[0].is_dir():
        return _of_folder(name, paths[0])
    return parquet.read_parquet(name, paths[:1], paths[1:])


def _of_folder(name: str, folder: Path) -> Data:
    if has_idx(folder):
        return read_idx(name, folder)
    files = parquet.find_parquet(folder)
    return parquet.read_parts(name, folder, files) if files else read_folder(name, folder)


def _unknown(name: str) -> HopgraphError:
    """What is said of what is neither a name nor a path that is there."""
    notes = (f"data sets: {listing(DATA)}", f"or {'; '.join(FORMS)}")
    if "/" in name or "," in name:
        return HopgraphError([Diagnostic("file-missing", f"there is no data set at `{name}`", notes=notes)])
    return HopgraphError(Diagnostic("data-unknown", f"no data set is named `{name}`", notes=notes, helps=tuple(rename_help(name, DATA))))


_BY_ENDING: tuple[tuple[Sequence[str], Callable[[str, Sequence[Path]], Data]], ...] = (
    (texts.ENDINGS, texts.read_text),
    ((parquet.ENDING,), _of_parquet),
)
"""How files are read, by what their names end in."""
