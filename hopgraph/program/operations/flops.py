"""How floating point operations are counted: the column `flops` of the table, for one example, in evaluation.

- A multiply-add is 2, so a product summed over n numbers is 2 n for each element of its result. A bias is what the sum starts from.
- A function of an element is 1, be it an addition, a division, an exponential or a gelu. What has several steps is as many for each
  element: a softmax 5 (the greatest, less it, exp, the sum, the division), a layernorm 5 (the mean, less it, the square, its mean, the
  scale) and 1 each for a gain and a bias, a batch norm 2 (a scale and a shift).
- A sum, a mean or a greatest is 1 for each element that it reads. What is done once to its result (a root, a division) is left out.
- Zeros around the input of a window count as the input does. A mask counts as the product that it is.
- What moves or names numbers and computes none (a permutation, a slice, a row of a table) is 0.

These are the counts of fvcore and its like but for the 2, and but for the functions, most of which they leave out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hopgraph.program.operations.record import Site

Flops = Callable[[Site], int]


def none(site: Site) -> int:
    """The count of an operation that computes nothing."""
    return 0


def each(steps: int = 1) -> Flops:
    """The count of so many functions of each element of the result."""
    return lambda site: steps * math.prod(site.output.shape)


def read(site: Site) -> int:
    """The count of a reduction: 1 for each element of the first input."""
    return math.prod(site.inputs[0].shape)


def norm(steps: int) -> Flops:
    """The count of a norm of so many steps, whose other inputs are a gain and a bias."""
    return lambda site: (steps + len(site.inputs) - 1) * math.prod(site.output.shape)
