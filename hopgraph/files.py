"""Files that are whole or absent: outputs are written under a temporary name beside their place and then moved."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, replacing one that is there. Raises HopgraphError where the place cannot be written."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, replacing one that is there. Raises HopgraphError where the place cannot be written."""
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def require_free(path: Path, force: bool) -> None:
    """Raise HopgraphError where an output exists already and may not be replaced."""
    if path.exists() and not force:
        helps = ("choose another name, or give `--force` to replace it",)
        raise HopgraphError(Diagnostic("file-exists", f"`{path}` exists already", helps=helps))


@contextmanager
def new_folder(path: Path, force: bool = False) -> Generator[Path]:
    """A folder to fill, which takes its name at the end, or vanishes where an exception ends the work.

    Raises HopgraphError where `path` exists (unless `force` says to replace it) or cannot be written.
    """
    require_free(path, force)
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        temporary.chmod(0o777 & ~_umask())
        try:
            yield temporary
            _replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
        path.replace(old / path.name)
        temporary.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
        temporary.replace(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _reported(path: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise HopgraphError(Diagnostic("file-unreadable", f"`{path}` cannot be written: {error.strerror or error}")) from None
