"""python -m tests.kernels.interpreted, with TRITON_INTERPRET=1: the kernel on the CPU; its error in each case, as lines of JSON.

The interpreter multiplies no bfloat16: it holds their bits as integers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import torch

from hopgraph.lower.kernels.tiles import Tile, numbers_of
from hopgraph.lower.kernels.triton_two_layer import launch
from tests.kernels.cases import Case, by_hand, doubles, every, layouts, relative

SIZES = (
    {"features": 16, "hidden": 32, "rows": (2, 8)},  # whole blocks
    {"features": 19, "hidden": 37, "rows": (3, 11)},
    {"features": 1, "hidden": 1, "rows": (1, 1)},
    {"features": 33, "hidden": 5, "rows": (2, 17)},
)
DTYPES = {"float32": torch.float32, "float16": torch.float16}


def cases() -> Iterator[Case]:
    """Every form once, and every size in every layout."""
    yield from (replace(case, features=19, hidden=37) for case in every())
    for sizes in SIZES:
        yield from layouts(replace(Case(), **sizes))


def error(case: Case, dtype: torch.dtype) -> float:
    """The relative error of u, against float64 by hand."""
    tensors: list[Any] = case.tensors(dtype)
    numbers = numbers_of(dtype, tf32=False)
    assert numbers is not None
    g, weight, bias, offset = tensors
    found = launch(Tile(16, 16, 4, 2), numbers, g, weight, bias, offset, *case.how)
    assert found.dtype == dtype
    given: list[Any] = doubles(tensors)
    return relative(found, by_hand(case, *given))


if __name__ == "__main__":
    for one in cases():
        for name, kind in DTYPES.items():
            print(json.dumps({**asdict(one), "dtype": name, "error": error(one, kind)}))
