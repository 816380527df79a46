"""The roofline of the device: the best rate of a large product in float32 and in bfloat16, and that of a large copy."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch

from benchmarks.gpu.setting import Rows, Setting
from hopgraph.bench.roofline import Probe, measure_limits

TOY = Probe(64, 2**12, 0.01)


def rows(setting: Setting) -> Rows:
    """A row for each kind of numbers. The copy moves bytes, of whichever kind: it is measured once."""
    probe = TOY if setting.dry else None
    found = measure_limits(torch.get_num_threads(), setting.device, probe)
    yield {"numbers": "float32", "flops_per_second": found.flops_per_second, "bytes_per_second": found.bytes_per_second}
    with numbers(torch.bfloat16):
        yield {"numbers": "bfloat16", "flops_per_second": measure_limits(torch.get_num_threads(), setting.device, probe).flops_per_second}


@contextmanager
def numbers(dtype: torch.dtype) -> Generator[None]:
    """New tensors are of this kind for a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
