"""A folder of images with a subfolder for each class, in `train` and `test`, or in one part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from hopgraph.errors import listing
from hopgraph.train.data.assembly import assemble
from hopgraph.train.data.pictures import Picture
from hopgraph.train.data.records import ImageData
from hopgraph.train.data.refusals import invalid
from hopgraph.train.data.stream import Stream

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
"""What the names of image files end in."""
TRAIN = ("train", "training")
TEST = ("test", "val", "valid", "validation")
"""The names of the folders of the parts. Of several for the test, the first is taken."""


@dataclass(frozen=True)
class Files:
    """Image files, by their paths inside a folder."""

    folder: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def picture(self, number: int) -> Picture:
        """The file of that number."""
        path = self.folder / self.names[number]
        return Picture(path, f"`{path}`")


def read_folder(name: str, folder: Path) -> ImageData:
    """The images of a folder, its subfolders being the classes in the order of their names. Raises HopgraphError."""
    train, test = _part(folder, TRAIN), _part(folder, TEST)
    root = train or folder
    labels = _classes(root)
    if train is None or test is None:
        return assemble(name, _read(root, labels), None, labels)
    surplus = [label for label in _classes(test) if label not in labels]
    if surplus:
        notes = (f"the classes of `{train.name}` are {listing(labels)}",)
        raise invalid(f"the class `{surplus[0]}` is in `{test}` and not in `{train}`", notes=notes)
    return assemble(name, _read(train, labels), _read(test, labels), labels)


def _part(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _classes(folder: Path) -> tuple[str, ...]:
    """The subfolders with images in them."""
    found = tuple(sorted(item.name for item in folder.iterdir() if item.is_dir() and _images(item)))
    if found:
        return found
    beside = "its images are in no subfolder" if _images(folder) else "it has no subfolders with images"
    helps = ("make a subfolder for each class, in `train` and `test` or in one folder",)
    raise invalid(f"`{folder}` is no data set: {beside}", *helps, notes=(f"image files end in {listing(sorted(ENDINGS))}",))


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())


def _read(folder: Path, labels: tuple[str, ...]) -> Stream:
    found = [(path, number) for number, label in enumerate(labels) if (folder / label).is_dir() for path in _images(folder / label)]
    names = tuple(f"{path.parent.name}/{path.name}" for path, _ in found)
    return Stream.of(Files(folder, names), torch.tensor([number for _, number in found]))
