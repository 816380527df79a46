"""A text as the tokens of a byte-level BPE tokenizer, which is trained on the training part. It loses nothing: any text has tokens.

The text is read piece by piece, so that it may be larger than memory; the tokens of one that large go into a temporary file.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.train.data.memory import allowed
from hopgraph.train.data.records import BYTES, Text
from hopgraph.train.data.texts import map_file

FILE = "tokenizer.json"
"""Under this name a run keeps its tokenizer. `tokenizers.Tokenizer.from_file` reads it."""
PIECE = 2**16
"""A text is encoded in pieces of at least so many characters, each to the end of its line."""
BLOCK = 2**20
"""So many bytes of it are read at once."""
TOGETHER = 64
"""So many pieces are encoded at once, by all cores."""


@dataclass(frozen=True)
class Content:
    """A text that is known by its bytes."""

    digest: str
    text: Text = field(compare=False)


def tokenized(text: Text, vocabulary: int) -> Text:
    """A text of bytes as tokens of a tokenizer with a vocabulary of more than the bytes. Raises HopgraphError where it is not UTF-8."""
    digests = (hashlib.sha256(part.numpy().data).hexdigest() for part in (text.train, text.test))
    trained, train, test, lengths = tokens_of(Content(" ".join(digests), text), vocabulary)
    return Text(name=text.name, variants=text.variants, train=train, test=test, lengths=lengths, files={FILE: trained})


@lru_cache(maxsize=4)
def tokens_of(content: Content, vocabulary: int) -> tuple[str, Tensor, Tensor, Tensor]:
    """The tokenizer of a text, the tokens of its two parts, and the bytes of each token; once for the same text."""
    text = content.text
    tokenizer = train_tokenizer(pieces(text.train, text.name), vocabulary)
    train = encode(tokenizer, pieces(text.train, text.name), most=4 * len(text.train))
    test = encode(tokenizer, pieces(text.test, text.name, later=True), most=4 * len(text.test))
    return tokenizer.to_str(), train, test, _lengths(tokenizer, vocabulary)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A tokenizer of bytes and of the pairs that are most frequent in the pieces of a text: the same each time."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    assert vocabulary > BYTES
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer: Any = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, special_tokens=[], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Any, texts: Iterable[str], most: int = 0) -> Tensor:
    """The tokens of the pieces of a text. Where they may take more bytes than memory may hold (`most`), they are in a file."""
    found = _encoded(tokenizer, texts)
    if most > allowed():
        return _filed(found)
    return torch.from_numpy(np.concatenate([np.empty(0, dtype=np.int32), *found]))


def _filed(found: Iterable[np.ndarray]) -> Tensor:
    """Tokens in a file without a name: the system removes it with the last that has it open, however that ends. Raises HopgraphError."""
    try:
        with tempfile.TemporaryFile() as file:
            for tokens in found:
                file.write(tokens.tobytes())
            file.flush()
            return map_file(file, np.int32)
    except OSError as error:
        message = f"the tokens of the text cannot be written into `{tempfile.gettempdir()}`: {error.strerror or error}"
        raise HopgraphError(Diagnostic("file-unreadable", message, helps=("let `TMPDIR` name a folder with more room",))) from None


def _encoded(tokenizer: Any, texts: Iterable[str]) -> Iterator[np.ndarray]:
    waiting = iter(texts)
    while batch := list(islice(waiting, TOGETHER)):
        yield from (np.array(piece.ids, dtype=np.int32) for piece in tokenizer.encode_batch(batch))


# --- bytes as characters ----------------------------------------------------------------------------------------------


def pieces(content: Tensor, name: str, later: bool = False) -> Iterator[str]:
    """Bytes as pieces of a text, cut at the ends of lines. A character that the cut between the two parts divides belongs to neither."""
    held = ""
    for text in _decoded(content, name, later):
        held += text
        while end := held.find("\n", PIECE) + 1:
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def _decoded(content: Tensor, name: str, later: bool) -> Iterator[str]:
    """Bytes as characters, block by block. Raises HopgraphError."""
    start, end = _first(content) if later else 0, len(content)
    while start < end:
        block = bytes(content[start : start + BLOCK].numpy())
        whole = block if later and start + len(block) == end else _whole_end(block)
        try:
            yield whole.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"`{name}` is not UTF-8, which a tokenizer reads: {error.reason} at byte {start + error.start}"
            helps = (f"write it in UTF-8, or read its bytes with a vocabulary of {BYTES}",)
            raise HopgraphError(Diagnostic("data-invalid", message, helps=helps)) from None
        start += len(whole) if start + len(block) < end else len(block)


def _first(content: Tensor) -> int:
    """Where the first whole character begins, after at most 3 bytes of another."""
    return next((index for index, byte in enumerate(bytes(content[:4].numpy())) if byte & 0xC0 != 0x80), 0)


def _whole_end(content: bytes) -> bytes:
    """Bytes less the character that is not whole at their end."""
    for back in range(1, min(4, len(content)) + 1):
        byte = content[-back]
        if byte & 0xC0 != 0x80:
            needed = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return content[:-back] if needed > back else content
    return content


def _lengths(tokenizer: Any, vocabulary: int) -> Tensor:
    """The bytes of each token: one for each character of its name. Tokens that the text did not give have none."""
    lengths = torch.zeros(vocabulary, dtype=torch.int64)
    for name, number in tokenizer.get_vocab().items():
        lengths[number] = len(name)
    return lengths
