"""How the kernel of a two-layer synapse divides its work: by the kind of numbers, the features C and the shared memory of the device.

A program holds all C features of its rows, so that W g is whole before f: g and the sums of u, rows x C. The sums are float32 in registers,
of which a thread has 255: rows x C / threads of them are at most 128, which ends at C = 512 with 64 rows and 8 warps. float32 operands take
twice the room in shared memory and end at 256. That no tile spills badly on sm_80 and sm_90 is tested by compiling each for both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

Numbers = Literal["half", "tf32", "ieee"]
"""float16 and bfloat16; float32 whose products are rounded to TF32; float32 without tensor cores."""
LEAST = 16
"""The least size of an operand of a product of blocks."""


@dataclass(frozen=True)
class Tile:
    """A program of `warps` warps has so many rows; W is loaded in blocks of so many hidden units, `stages` of them under way at once."""

    rows: int
    units: int
    warps: int
    stages: int

    def shared(self, numbers: Numbers, features: int) -> int:
        """The bytes of shared memory at most: g and the blocks of W, two at least since one product reads W the other way round; and f."""
        blocks = max(2, self.stages) * self.units * padded(features)
        return (2 if numbers == "half" else 4) * (self.rows * padded(features) + blocks + self.rows * self.units)


_WIDE = Tile(128, 32, 8, 2)
_IEEE = Tile(64, 32, 8, 2)
TILES: Mapping[Numbers, Mapping[int, Sequence[Tile]]] = {
    "half": {
        16: (Tile(128, 64, 4, 3),),
        32: (Tile(128, 64, 8, 3),),
        64: (Tile(128, 64, 8, 3), Tile(64, 64, 4, 3)),
        128: (Tile(64, 64, 4, 3), Tile(128, 32, 8, 3), Tile(64, 32, 4, 3)),
        256: (Tile(64, 32, 4, 3), Tile(128, 32, 8, 2), Tile(64, 32, 8, 3)),
        512: (Tile(64, 32, 8, 2), Tile(64, 16, 8, 2), Tile(32, 32, 8, 2)),
    },
    "tf32": {16: (_WIDE,), 32: (_WIDE,), 64: (_WIDE,), 128: (Tile(64, 32, 8, 2),), 256: (Tile(64, 16, 8, 2), Tile(32, 16, 8, 2))},
    "ieee": {16: (_IEEE,), 32: (_IEEE,), 64: (_IEEE,), 128: (Tile(64, 16, 8, 2),), 256: (Tile(32, 16, 8, 2),)},
}
"""By the kind of numbers and the features, filled up to a power of two: those to choose from, the best guess first; none was measured."""


def padded(features: int) -> int:
    """The features of a block: the power of two from them on."""
    return max(LEAST, 1 << (features - 1).bit_length())


def tiles_of(numbers: Numbers, features: int, shared: int) -> list[Tile]:
    """Those that need no more than so many bytes of shared memory."""
    return [tile for tile in TILES[numbers].get(padded(features), ()) if tile.shared(numbers, features) <= shared]


def numbers_of(dtype: torch.dtype, *, tf32: bool) -> Numbers | None:
    """The kind of a dtype; none of one that the kernel does not take."""
    if dtype == torch.float32:
        return "tf32" if tf32 else "ieee"
    return "half" if dtype in (torch.float16, torch.bfloat16) else None
