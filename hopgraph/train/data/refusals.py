"""What is said of data that cannot be used."""

from __future__ import annotations

from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError


def invalid(message: str, *helps: str, notes: tuple[str, ...] = ()) -> HopgraphError:
    """The data were read, and are not what they should be."""
    return HopgraphError(Diagnostic("data-invalid", message, notes=notes, helps=helps))


def missing(path: Path | str, kind: str = "file") -> HopgraphError:
    """There is no such file."""
    return HopgraphError(Diagnostic("file-missing", f"there is no {kind} `{path}`"))


def unreadable(path: Path | str, error: Exception | str) -> HopgraphError:
    """A file is there and cannot be read."""
    reason = getattr(error, "strerror", None) or str(error).strip().partition("\n")[0] or type(error).__name__
    return HopgraphError(Diagnostic("file-unreadable", f"`{path}` cannot be read: {reason}"))


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises HopgraphError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
