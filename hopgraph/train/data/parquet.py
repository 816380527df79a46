"""Parquet files in the layout of Hugging Face: a column of images, each a struct of bytes and a path, and one of class numbers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch

from hopgraph.errors import listing
from hopgraph.train.data.assembly import assemble
from hopgraph.train.data.memory import allowed
from hopgraph.train.data.pictures import Picture
from hopgraph.train.data.records import ImageData
from hopgraph.train.data.refusals import invalid, missing, unreadable
from hopgraph.train.data.stream import Stream

ENDING = ".parquet"
LABELS = ("label", "labels", "fine_label")
"""Columns that are class numbers where several could be. The first that there is."""
TEST = ("test", "validation", "valid", "val")
"""What is in the names of files that are not for training. Of several kinds, the first is the test split."""


@dataclass(frozen=True)
class Table:
    """A table of images: where it is from, how it is called, the folder of its paths, and names of classes by column.

    The content is a table of pyarrow, or one of `datasets`, which may be mapped into memory and is sent to other processes by its path.
    """

    content: Any
    place: str
    folder: Path
    names: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Cells:
    """The images of several tables, by the number of the row: in each table a column, from some number on."""

    tables: tuple[Table, ...]
    columns: tuple[str, ...]
    starts: tuple[int, ...]

    @staticmethod
    def of(tables: Sequence[Table]) -> Cells:
        """Those of all rows."""
        starts = accumulate((table.content.num_rows for table in tables), initial=0)
        return Cells(tuple(tables), tuple(map(_image_column, tables)), tuple(starts))

    def __len__(self) -> int:
        return self.starts[-1]

    def picture(self, number: int) -> Picture:
        """The image of that row. Raises HopgraphError where it has none."""
        index = bisect_right(self.starts, number) - 1
        table, column, row = self.tables[index], self.columns[index], number - self.starts[index]
        place = f"row {row} of `{table.place}`"
        content = _content(table.content.column(column)[row].as_py(), table.folder)
        if content is None:
            raise invalid(f"{place} has neither bytes nor a path in the column `{column}`")
        return Picture(content, place)


def find_parquet(folder: Path) -> list[Path]:
    """The parquet files of a folder and its subfolders, in the order of their names."""
    return sorted(path for path in folder.rglob(f"*{ENDING}") if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def read_parquet(name: str, train: Sequence[Path], test: Sequence[Path] = ()) -> ImageData:
    """The images of files for training and, where there are some, for the test. Raises HopgraphError."""
    mapped = sum(path.stat().st_size for path in (*train, *test) if path.is_file()) > allowed() // 2
    return from_tables(name, [_table(path, mapped) for path in train], [_table(path, mapped) for path in test])


def read_parts(name: str, folder: Path, files: Sequence[Path]) -> ImageData:
    """The images of a folder's files: those whose names, or folders', say so are the test split, and those of training the others."""
    kinds: dict[str, list[Path]] = {}
    for path in files:
        words = re.split("[^a-z]+", str(path.relative_to(folder)).lower())
        kinds.setdefault(next((word for word in TEST if word in words), "train"), []).append(path)
    test = next((kinds[word] for word in TEST if word in kinds), list[Path]())
    if "train" not in kinds:
        raise invalid(f"`{name}` has no files for training, only {listing(path.name for path in test)}")
    return read_parquet(name, kinds["train"], test)


def from_tables(name: str, train: Sequence[Table], test: Sequence[Table]) -> ImageData:
    """The images of tables for training and, where there are some, for the test. Raises HopgraphError."""
    labels: tuple[str, ...] = train[0].names.get(_label_column(train[0]), ())
    return assemble(name, _stream(name, train), _stream(name, test) if test else None, labels)


def _table(path: Path, mapped: bool) -> Table:
    """A file's table, read or mapped into memory. Raises HopgraphError."""
    try:
        content = _mapped(path) if mapped else _read(path)
    except FileNotFoundError:
        raise missing(path) from None
    except Exception as error:  # the libraries raise their own, which are of several classes
        raise unreadable(path, str(error.__cause__ or error)) from None
    return Table(content, str(path), path.parent, _class_names(content.schema))


def _read(path: Path) -> Any:
    import pyarrow.parquet

    reader: Any = pyarrow.parquet
    return reader.read_table(path)


def _mapped(path: Path) -> Any:
    """A file's table, which `datasets` writes once into its cache in a form that gives any row at once, as parquet does not."""
    import datasets

    library: Any = datasets
    return library.Dataset.from_parquet(str(path)).data


def _class_names(schema: Any) -> dict[str, tuple[str, ...]]:
    """The names of classes that Hugging Face keeps beside a file's columns."""
    if b"huggingface" not in (schema.metadata or {}):
        return {}
    from datasets import Features

    return class_names(Features.from_arrow_schema(schema))


def class_names(features: Any) -> dict[str, tuple[str, ...]]:
    """The names of classes, by column."""
    return {column: tuple(feature.names) for column, feature in features.items() if hasattr(feature, "names")}


def _stream(name: str, tables: Sequence[Table]) -> Stream:
    labels = [label for table in tables for label in _labels(table)]
    cells = Cells.of(tables)
    if not labels:
        raise invalid(f"`{name}` has a part without rows", notes=(f"it is read from {listing(table.place for table in tables)}",))
    return Stream.of(cells, torch.tensor(labels, dtype=torch.int64))


def _content(item: Any, folder: Path) -> bytes | Path | None:
    """The bytes of an image, or the file of a path, which is relative to the folder."""
    content, path = (item, None) if isinstance(item, bytes | None) else (item.get("bytes"), item.get("path"))
    return content if content is not None else folder / path if path else None


def _labels(table: Table) -> list[int]:
    column = _label_column(table)
    found: list[int | None] = table.content.column(column).to_pylist()
    if None in found:
        raise invalid(f"row {found.index(None)} of `{table.place}` has no value in the column `{column}`")
    return [label for label in found if label is not None]


def _image_column(table: Table) -> str:
    import pyarrow as pa

    types: Any = pa.types

    def holds_images(kind: Any) -> bool:
        inner = kind.field("bytes").type if types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
        return types.is_binary(inner) or types.is_large_binary(inner) or (inner is not kind and types.is_null(inner))

    found = [column.name for column in table.content.schema if holds_images(column.type)]
    return _only(table, found, "images", "a struct of `bytes` and `path`")


def _label_column(table: Table) -> str:
    import pyarrow as pa

    types: Any = pa.types
    found = [column.name for column in table.content.schema if types.is_integer(column.type)]
    return next((column for column in LABELS if column in found), "") or _only(
        table, found, "labels", "integers, the numbers of the classes"
    )


def _only(table: Table, found: list[str], what: str, form: str) -> str:
    if len(found) == 1:
        return found[0]
    columns = (f"its columns are {listing(f'{column.name} ({column.type})' for column in table.content.schema)}",)
    amount = "no column" if not found else "several columns"
    raise invalid(f"`{table.place}` has {amount} of {what}", f"there should be one: {form}", notes=columns)
