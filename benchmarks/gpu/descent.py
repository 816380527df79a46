"""One step down an energy: in closed form against autograd of the energy, on the device."""

from __future__ import annotations

from functools import partial

from benchmarks.descent import Case, cases, row
from benchmarks.gpu.setting import Rows, Setting, told, tried


def rows(setting: Setting) -> Rows:
    """Every case."""
    for case in cases(setting.dry):
        yield from tried(case.name, partial(of, case, setting))


def of(case: Case, setting: Setting) -> Rows:
    """One case."""
    yield told(row(case, setting.effort, setting.device, setting.wait))
