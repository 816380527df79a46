"""Texts as a model reads them: tokens, which are the bytes of the text, or those of the bundle's byte-level BPE tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import ARRAY, missing, reason_of
from .manifest import Port, damaged
from .problems import BundleError

BYTES = 256
"""The vocabulary of a model whose tokens are bytes."""
ENDINGS = (".md", ARRAY, ".txt")
"""What the names of the files end in that are read of a folder."""
LARGEST = 2**24
"""So many bytes of a text are read at most: a model reads no more than its last window of it."""


@dataclass(frozen=True)
class Tokens:
    """Reads texts in UTF-8 for a model that takes tokens; or the tokens themselves, as integers.

    `tokenizer` is the file of the bundle's tokenizer, none where tokens are bytes. An input is as long as its text: see :func:`window`.
    """

    port: Port
    tokenizer: Path | None
    endings: tuple[str, ...] = ENDINGS

    def arrange(self, array: NDArray[Any], name: str) -> NDArray[Any]:
        """Tokens [length], or [count, length]."""
        if array.dtype.kind not in "iu" or array.ndim not in (1, 2):
            message = f"`{name}` holds {array.dtype} of {array.ndim} dimensions, and the model reads tokens: integers [length]"
            raise BundleError("input-invalid", message, helps=("give a text, or the numbers of its tokens",))
        return np.atleast_2d(array)

    def finish(self, row: NDArray[Any], name: str) -> NDArray[Any]:
        """The tokens in int64. Raises BundleError where there are none, or one is not in the vocabulary."""
        if not row.size:
            raise BundleError("input-invalid", f"`{name}` has no tokens", helps=("give a text of at least one character",))
        most = self.port.vocabulary or BYTES
        stranger = next((int(token) for token in (row.min(), row.max()) if not 0 <= int(token) < most), None)
        if stranger is not None:
            message = f"`{name}` holds the token {stranger}, and the model's are 0 to {most - 1}"
            raise BundleError("input-invalid", message)
        return row.astype(np.int64)

    def load(self, path: Path) -> NDArray[Any]:
        """The tokens of a text file."""
        try:
            with path.open("rb") as stream:
                content = stream.read(LARGEST + 1)
        except FileNotFoundError:
            raise missing(path) from None
        except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
            raise _unreadable(str(path), reason_of(error)) from None
        return self.encode(content, str(path))

    def encode(self, text: str | bytes, name: str) -> NDArray[Any]:
        """The tokens of a text, or of its bytes in UTF-8. Raises BundleError where it is not, or is longer than LARGEST."""
        content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        whole = _decoded(content, name)
        if self.tokenizer is not None:
            return self.finish(np.asarray(self._tokenizer.encode(whole).ids, dtype=np.int64), name)
        if self.port.vocabulary != BYTES:
            message = f"the model reads {self.port.vocabulary} different tokens, and its bundle has no tokenizer that makes them of a text"
            raise BundleError("input-invalid", message, helps=(f"give the numbers of the tokens, as a {ARRAY} file of integers",))
        return self.finish(np.frombuffer(content, dtype=np.uint8), name)

    def text(self, token: int) -> str:
        """What a token stands for; a character that it is only a part of is shown as a replacement character."""
        if self.tokenizer is not None:
            return self._tokenizer.decode([token], skip_special_tokens=False)
        return bytes([token]).decode("utf-8", "replace") if token < BYTES else ""

    @cached_property
    def _tokenizer(self) -> Any:
        assert self.tokenizer is not None
        try:
            from tokenizers import Tokenizer
        except ModuleNotFoundError:
            message = "the bundle has a tokenizer, and the package tokenizers, which reads it, is not installed"
            helps = ("pip install tokenizers, or give the numbers of the tokens",)
            raise BundleError("runtime-unavailable", message, helps=helps) from None
        try:
            return Tokenizer.from_file(str(self.tokenizer))
        except Exception as error:  # it raises plain Exceptions
            raise damaged(self.tokenizer.parent, f"{self.tokenizer.name} is no tokenizer ({error})") from None


def _decoded(content: bytes, name: str) -> str:
    """A text of bytes. Raises BundleError where it is not UTF-8 or too long."""
    if len(content) > LARGEST:
        raise _unreadable(name, f"it has more than {LARGEST:,} bytes", "give the end of it: the model reads the last of its tokens")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        help_ = f"save it as UTF-8, or give its tokens as a {ARRAY} file of integers"
        raise _unreadable(name, f"it is not UTF-8: {error.reason} at byte {error.start}", help_) from None


def _unreadable(name: str, reason: str, *helps: str) -> BundleError:
    return BundleError("file-unreadable", f"`{name}` cannot be read as a text: {reason}", helps=helps)


def window(tokens: NDArray[np.int64], length: int, filler: int = 0) -> NDArray[np.int64]:
    """The last `length` tokens; of fewer, all, and then fillers, which a causal model does not see from where the tokens are."""
    last = tokens[-length:]
    return np.concatenate([last, np.full(length - len(last), filler, dtype=np.int64)])
