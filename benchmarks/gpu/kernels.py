"""The kernel of a two-layer synapse, u = W^T f(W g + b): against its parts, eager and compiled, and against the peak of the device.

Both sides are the same function, which is asserted before anything is timed. Then every tile that the kernel could be given, and a whole
model, compiled, with and without the pass that calls it. On a GPU each call is a CUDA graph, so that the kernels are measured and not how
fast the host launches them. In a dry run the operator is its parts, and the rows say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.base import QUICK, Effort, Step, compared, interleaved
from benchmarks.gpu.limits import TOY as TOY_PROBE
from benchmarks.gpu.setting import Rows, Setting, told, tried
from benchmarks.gpu.training import TOY, spec
from benchmarks.pairs import example
from benchmarks.rivals.parts import Sizes
from hopgraph.bench.roofline import ITEMSIZES, measure_limits
from hopgraph.lower.kernels import parts, two_layer
from hopgraph.lower.kernels.tiles import numbers_of, tiles_of
from hopgraph.lower.model import Model, compile_model

EFFORT = Effort(8, 0.03)
ROWS = 128 * 196
"""A batch of 128 images of 14x14 patches."""
FEATURES = {torch.bfloat16: (64, 128, 256, 512), torch.float32: (64, 128, 256)}
MODEL = Sizes(image=224, patch=16, channels=256, depth=4)
BATCH = 128
TOLERANCE = {torch.bfloat16: 1e-2, torch.float32: 1e-5}
"""The largest relative difference between the kernel and its parts in float64."""
MODEL_TOLERANCE = 5e-2
"""And between two models in bfloat16, whose differences pass through every block."""


@dataclass(frozen=True)
class Case:
    """A synapse of C features and 4 C hidden units with GELU, and both biases."""

    dtype: torch.dtype
    features: int
    setting: Setting

    @property
    def rows(self) -> int:
        """Of g."""
        return 24 if self.setting.dry else ROWS

    @property
    def name(self) -> str:
        """For a row."""
        return f"{str(self.dtype).removeprefix('torch.')}, C = {self.features}, H = {4 * self.features}, {self.rows} rows"

    @property
    def flops(self) -> int:
        """Of both products."""
        return 2 * (2 * self.rows * 4 * self.features * self.features)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Drawn on the CPU, the same each time: g, W, b and c."""
        generator, hidden = torch.Generator().manual_seed(0), 4 * self.features
        sizes = ((self.rows, self.features), (hidden, self.features), (hidden,), (self.features,))
        scales = (1.0, self.features**-0.5, 1.0, 1.0)
        drawn = (torch.randn(size, generator=generator) * scale for size, scale in zip(sizes, scales, strict=True))
        g, weight, bias, offset = (tensor.to(self.setting.device, self.dtype) for tensor in drawn)
        return g, weight, bias, offset


HOW = ("gelu", False, -1)


def rows(setting: Setting) -> Rows:
    """bfloat16 first, then the model, then float32."""
    effort = QUICK if setting.dry else EFFORT
    for dtype, sizes in FEATURES.items():
        for features in (16,) if setting.dry else sizes:
            case = Case(dtype, features, setting)
            yield from tried(case.name, partial(of_case, case, effort))
            yield from tried(f"tiles: {case.name}", partial(of_tiles, case, effort))
        if dtype == torch.bfloat16:
            yield from tried("mlp_mixer symmetric", partial(of_model, setting, effort))


def of_case(case: Case, effort: Effort) -> Rows:
    """The operator against its parts."""
    given, backend = case.tensors(), "aot_eager" if case.setting.dry else "inductor"
    compiled = torch.compile(partial(parts.forward, activation="gelu", transposed=False, dim=-1), backend=backend, dynamic=False)
    sides: Mapping[str, Callable[[], Tensor]] = {
        "ours": lambda: torch.ops.hopgraph.two_layer(*given, *HOW),
        "its parts, eager": lambda: parts.forward(*given, *HOW),
        "its parts, compiled": lambda: compiled(*given),
    }
    equal = difference(case, sides["ours"]())
    found = interleaved({name: captured(side, case.setting) for name, side in sides.items()}, effort, case.setting.wait)
    results = [
        compared("two_layer", rival, found["ours"], found[rival], name=f"{case.name} ({by(case)})", equal=equal)
        for rival in ("its parts, eager", "its parts, compiled")
    ]
    yield from map(told, results)
    rate = case.flops / results[0].ours
    yield {"name": case.name, "flops_per_second": rate, "of_peak": rate / peak(case.dtype, case.setting)}


def of_tiles(case: Case, effort: Effort) -> Rows:
    """The seconds of every tile that fits, the one that is taken first: a look at whether another were better."""
    kind = numbers_of(case.dtype, tf32=False)
    if case.setting.dry or kind is None:
        return
    from hopgraph.lower.kernels.triton_two_layer import launch

    given = case.tensors()
    tiles = tiles_of(kind, case.features, two_layer.device_limits(given[0].device.index)[1])
    sides = {str(tile): partial(launch, tile, kind, *given, *HOW) for tile in tiles}
    for side in sides.values():
        difference(case, side())
    found = interleaved({name: captured(side, case.setting) for name, side in sides.items()}, effort, case.setting.wait)
    yield {"name": f"tiles: {case.name}", "seconds": {name: sorted(times)[len(times) // 2] for name, times in found.items()}}


def by(case: Case) -> str:
    """What the operator is, of these tensors."""
    g, weight, bias, offset = case.tensors()
    tile = two_layer.applicable(numbers_of(case.dtype, tf32=False), g, weight, bias, offset, -1)
    return "the plain parts: no kernel applies" if tile is None else "the kernel"


def difference(case: Case, found: Tensor) -> float:
    """The relative difference from the parts in float64; an AssertionError where it is not rounding."""
    g, weight, bias, offset = (tensor.double() for tensor in case.tensors())
    wanted = parts.forward(g, weight, bias, offset, *HOW)
    value = ((found.double() - wanted).square().sum() / wanted.square().sum()).sqrt().item()
    assert value <= TOLERANCE[case.dtype], f"the kernel computes something else: {value:.1e}"
    return value


def captured(side: Callable[[], Tensor], setting: Setting) -> Step:
    """A call without gradients; on a GPU the replay of its graph, after calls that warm up."""
    call = torch.no_grad()(side)
    if setting.dry:
        return call
    graph: Any = torch.cuda.CUDAGraph()
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(3):
            call()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


@cache
def peak(dtype: torch.dtype, setting: Setting) -> float:
    """Floating point operations a second of a large product on the device; on a CPU in float32, the one dtype that it has limits in."""
    name = str(dtype).removeprefix("torch.")
    known = name if name in ITEMSIZES[setting.device] else "float32"
    return measure_limits(torch.get_num_threads(), setting.device, known, TOY_PROBE if setting.dry else None).flops_per_second


# --- a whole model ------------------------------------------------------------------------------------------------------


def of_model(setting: Setting, effort: Effort) -> Rows:
    """A forward pass in bfloat16, compiled: with the pass against without."""
    sizes = TOY if setting.dry else MODEL
    plain = spec(sizes, "mlp_mixer", "symmetric")
    models = {"ours": drawn(compile_model(plain.with_kernels)), "theirs": drawn(compile_model(plain))}
    given = example(models["ours"], 2 if setting.dry else BATCH).to(setting.device)
    steps = {name: forward(model.to(setting.device).eval(), given, setting) for name, model in models.items()}
    outputs = [step().float() for step in steps.values()]
    equal = ((outputs[0] - outputs[1]).square().sum() / outputs[1].square().sum()).sqrt().item()
    assert equal <= MODEL_TOLERANCE, f"the two models compute something else: {equal:.1e}"
    found = interleaved({name: captured(step, setting) for name, step in steps.items()}, effort, setting.wait)
    name = f"mlp_mixer symmetric, bfloat16 ({sizes.patches} tokens, {sizes.channels} channels, depth {sizes.depth})"
    yield told(compared("forward, compiled", "without fuse-synapses", found["ours"], found["theirs"], name=name, equal=equal))


def drawn(model: Model) -> Model:
    """The model with random weights, the same for the same parameters, none at the zero that some begin with."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in model.parameters():
            scale = tensor.size(-1) ** -0.5 if tensor.ndim > 1 else 0.1
            tensor.copy_(scale * torch.randn(tensor.shape, generator=generator))
    return model


def forward(model: nn.Module, given: Tensor, setting: Setting) -> Callable[[], Tensor]:
    """A forward pass without a graph."""
    model.compile(backend="aot_eager" if setting.dry else "inductor")

    def step() -> Tensor:
        with torch.no_grad(), torch.autocast(setting.device, dtype=torch.bfloat16):
            return model(given)

    return step
