"""Files that save work and can always be made anew: what a runtime compiled, what a builder measured. They lie outside the bundle."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def cache_folder() -> Path:
    """Where this user's caches are: `hopgraph` in XDG_CACHE_HOME, or where the system has its caches."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "hopgraph"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hopgraph"


def load_cache(name: str) -> bytes | None:
    """A file of that name, if there is one that can be read."""
    with suppress(OSError):
        return (cache_folder() / name).read_bytes()
    return None


def store_cache(name: str, content: bytes) -> None:
    """Write a file of that name, whole or not at all. A disk that is full or cannot be written is no error: it is a cache."""
    folder = cache_folder()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(content)
        Path(file.name).replace(folder / name)
