"""The roofline of the device: the best rate of a large product in float32 and in bfloat16, and that of a large copy."""

from __future__ import annotations

import torch

from benchmarks.gpu.setting import Rows, Setting
from hopgraph.bench.roofline import ITEMSIZES, Probe, measure_limits

TOY = Probe(64, 2**12, 0.01)


def rows(setting: Setting) -> Rows:
    """A row for each kind of numbers."""
    for dtype in ITEMSIZES[torch.device(setting.device).type]:
        found = measure_limits(torch.get_num_threads(), setting.device, dtype, TOY if setting.dry else None)
        yield {"numbers": dtype, "flops_per_second": found.flops_per_second, "bytes_per_second": found.bytes_per_second}
