"""Forward, and forward with backward, eager, float32: the compiled model against the same network by hand, on the device."""

from __future__ import annotations

from functools import partial

from benchmarks.forward import rows as of_pair
from benchmarks.gpu.setting import Rows, Setting, told, tried
from benchmarks.pairs import Pair, pairs


def rows(setting: Setting) -> Rows:
    """Every pair, both passes."""
    for pair in pairs(setting.dry):
        yield from tried(pair.name, partial(of, pair, setting))


def of(pair: Pair, setting: Setting) -> Rows:
    """Both passes of a pair."""
    yield from map(told, of_pair(pair, setting.effort, setting.device, setting.wait))
