"""A text as the tokens of a byte-level BPE tokenizer, which is trained on the training part. It loses nothing: any text has tokens."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.train.data.records import BYTES, Text

FILE = "tokenizer.json"
"""Under this name a run keeps its tokenizer. `tokenizers.Tokenizer.from_file` reads it."""
PIECE = 2**16
"""A text is encoded in pieces of at least so many characters, each to the end of its line."""


def tokenized(text: Text, vocabulary: int) -> Text:
    """A text of bytes as tokens of a tokenizer with a vocabulary of more than the bytes. Raises HopgraphError where it is not UTF-8."""
    trained, train, test, lengths = _tokenized(_decoded(text.train, text.name), _decoded(text.test, text.name, later=True), vocabulary)
    return Text(name=text.name, variants=text.variants, train=train, test=test, lengths=lengths, files={FILE: trained})


@lru_cache(maxsize=4)
def _tokenized(train: str, test: str, vocabulary: int) -> tuple[str, Tensor, Tensor, Tensor]:
    tokenizer = train_tokenizer(train, vocabulary)
    return tokenizer.to_str(), encode(tokenizer, train), encode(tokenizer, test), _lengths(tokenizer, vocabulary)


def train_tokenizer(text: str, vocabulary: int) -> Any:
    """A tokenizer of bytes and of the pairs that are most frequent in a text: the same each time."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    assert vocabulary > BYTES
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer: Any = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, special_tokens=[], show_progress=False)
    tokenizer.train_from_iterator(_pieces(text), trainer)
    return tokenizer


def encode(tokenizer: Any, text: str) -> Tensor:
    """The tokens of a text."""
    found = tokenizer.encode_batch(_pieces(text))
    return torch.tensor([token for piece in found for token in piece.ids], dtype=torch.int32)


def _pieces(text: str) -> list[str]:
    """A text cut at the ends of lines."""
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE) + 1 or len(text)
        pieces.append(text[start:end])
        start = end
    return pieces


def _lengths(tokenizer: Any, vocabulary: int) -> Tensor:
    """The bytes of each token: one for each character of its name. Tokens that the text did not give have none."""
    lengths = torch.zeros(vocabulary, dtype=torch.int64)
    for name, number in tokenizer.get_vocab().items():
        lengths[number] = len(name)
    return lengths


def _decoded(tokens: Tensor, name: str, later: bool = False) -> str:
    """Bytes as a text. A character that the cut between the two parts divides belongs to neither."""
    content = bytes(tokens.numpy())
    try:
        return (_whole_end(content) if not later else _whole_start(content)).decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"`{name}` is not UTF-8, which a tokenizer reads: {error.reason} at byte {error.start}"
        helps = (f"write it in UTF-8, or read its bytes with a vocabulary of {BYTES}",)
        raise HopgraphError(Diagnostic("data-invalid", message, helps=helps)) from None


def _whole_start(content: bytes) -> bytes:
    """Bytes less the at most 3 continuing ones at their start."""
    skipped = next((index for index, byte in enumerate(content[:4]) if byte & 0xC0 != 0x80), 0)
    return content[skipped:]


def _whole_end(content: bytes) -> bytes:
    """Bytes less the character that is not whole at their end."""
    for back in range(1, min(4, len(content)) + 1):
        byte = content[-back]
        if byte & 0xC0 != 0x80:
            needed = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return content[:-back] if needed > back else content
    return content
