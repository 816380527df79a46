"""The HAM graph: layers, synapses with their factors and pulls, and the groups in which the pulls act.

Frozen data. The passes fill it in turn and each returns a new one: factors get their axes, synapses their pulls, a
block its order of fast layers and its schedule. `at` is the place in the spec that an item came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

from pydantic import BeforeValidator

from hopgraph.energy.lagrangians import LAGRANGIANS, Lagrangian
from hopgraph.energy.maps import MAPS, LinearMap, Signature
from hopgraph.energy.records import Axes, ParameterSpec, Sizes, frozen
from hopgraph.errors import At, Path

Options = Annotated[dict[str, Any], BeforeValidator(frozen)]
"""A record's options with their dims evaluated: numbers, names, tuples and mappings of these."""


@dataclass(frozen=True)
class Layer:
    """Neurons on named axes. Slow layers are integrated, by a / tau; fast ones equal their input at once; clamped ones stay."""

    name: str
    axes: Axes
    lagrangian: str
    options: Options
    fast: bool
    at: Path
    clamped: bool = False
    tau: float = 1.0

    @property
    def record(self) -> Lagrangian:
        """The row of the Lagrangian table."""
        return LAGRANGIANS[self.lagrangian]

    @property
    def convex(self) -> bool:
        """Whether its Lagrangian is convex."""
        return self.record.convex(self.options)

    def parameters(self, sizes: Sizes) -> dict[str, ParameterSpec]:
        """The tensors that its Lagrangian reads, given the sizes of the axes."""
        return self.record.parameters(self.options, self.axes, sizes)

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The sizes of its axes."""
        return tuple(sizes[axis] for axis in self.axes)


@dataclass(frozen=True)
class ChainMap:
    """One linear map of a chain, from axes `source` to axes `target`; a `sum` of `branches`, which are chains themselves."""

    kind: str
    options: Options
    source: Axes
    target: Axes
    at: Path
    branches: tuple[tuple[ChainMap, ...], ...] = ()

    @property
    def record(self) -> LinearMap:
        """The row of the table of maps. A sum has none."""
        return MAPS[self.kind]

    def signature(self, sizes: Sizes) -> Signature:
        """Where the map stands, given the sizes of the axes."""
        return Signature(self.source, self.target, sizes)


Chain = tuple[ChainMap, ...]


def labelled(chain: Chain) -> tuple[tuple[str, ChainMap], ...]:
    """The maps of a chain with the labels that their weights have: `dense`, or `dense_0`, `conv_1` where there are several."""
    return tuple((step.kind if len(chain) == 1 else f"{step.kind}_{index}", step) for index, step in enumerate(chain))


def chain_parameters(chain: Chain, sizes: Sizes) -> dict[str, ParameterSpec]:
    """The tensors that a chain reads, by their labels: `dense.weight`, `sum.1.conv.weight`."""
    found: dict[str, ParameterSpec] = {}
    for label, step in labelled(chain):
        if step.kind == "sum":
            inside = {
                f"{index}.{name}": spec
                for index, branch in enumerate(step.branches)
                for name, spec in chain_parameters(branch, sizes).items()
            }
        else:
            inside = step.record.parameters(step.options, step.signature(sizes))
        found |= {f"{label}.{name}": spec for name, spec in inside.items()}
    return found


def chain_maps(chain: Chain) -> Iterator[ChainMap]:
    """Every map of a chain, those inside sums too."""
    for step in chain:
        yield step
        for branch in step.branches:
            yield from chain_maps(branch)


@dataclass(frozen=True)
class Factor:
    """A layer's activation, axes renamed, through a chain. `seen` are the axes after renaming, `axes` those after the chain."""

    name: str
    layer: str
    rename: dict[str, str]
    chain: Chain
    at: Path
    seen: Axes = ()
    axes: Axes = ()


@dataclass(frozen=True)
class Penalty:
    """The lambda of lambda |V|^2 in the training loss.

    It goes from `start` to `end` along training by its schedule (`constant`, `linear`, `cosine`, `geometric`). A `learned`
    one starts at `start` and is a parameter of its own, with the loss lambda |V|^2 - prior n log lambda, n the size of V:
    the negative logarithm of a normal prior of V, in units of `prior`.
    """

    start: float
    end: float
    schedule: str = "constant"
    learned: bool = False
    prior: float = 0.0

    def at(self, progress: float) -> float:
        """Lambda when a share `progress` of training, from 0 to 1, is behind."""
        if self.schedule == "cosine":
            progress = (1 - math.cos(math.pi * progress)) / 2
        if self.schedule == "geometric":
            return self.start * (self.end / self.start) ** progress
        return self.start + (self.end - self.start) * progress

    def __str__(self) -> str:
        if self.learned:
            return f"learned from {self.start:g}"
        return f"{self.start:g}" if self.schedule == "constant" else f"{self.start:g} to {self.end:g}, {self.schedule}"


@dataclass(frozen=True)
class Mode:
    """What the spec says of a pull: tied, own, off or penalized; `returns` is the explicit chain of an own pull, if it has one."""

    kind: str
    penalty: Penalty | None = None
    returns: Chain | None = None


TIED = Mode("tied")
OFF = Mode("off")


@dataclass(frozen=True)
class Pull:
    """-dE/dg on one factor. tied reads the base weights, own its copies, penalized base + V with lambda |V|^2; off is absent.

    `returns` replaces the adjoint of the factor's chain by another chain, applied forwards.
    """

    factor: str
    symmetry: str
    penalty: Penalty | None
    at: Path
    returns: Chain | None = None


@dataclass(frozen=True)
class Symmetry:
    """What the spec says of a synapse's symmetry, before it is applied to the pulls."""

    whole: Mode
    pulls: dict[str, Mode]
    at: Path


@dataclass(frozen=True)
class Synapse:
    """E = - sum over axes of the product of its factors - sum <b_f, g_f>, with `biases` by factor, over axes of its layer.

    A synapse of one factor has no product: it is an external field.
    """

    name: str
    factors: tuple[Factor, ...]
    symmetry: Symmetry
    at: Path
    biases: dict[str, Axes] = field(default_factory=dict[str, Axes])
    pulls: tuple[Pull, ...] = ()

    def factor(self, name: str) -> Factor:
        """The factor of that name."""
        return next(factor for factor in self.factors if factor.name == name)

    def pull(self, factor: str) -> Pull:
        """The pull on that factor."""
        return next(pull for pull in self.pulls if pull.factor == factor)


@dataclass(frozen=True)
class Step:
    """The step a of a group: `value`, or learned from `value` over `axes` of the layer (none: a scalar), kept positive or `free`."""

    value: float
    learned: bool = False
    axes: Axes = ()
    free: bool = False

    def __str__(self) -> str:
        if not self.learned:
            return f"{self.value:g}"
        over = f" over [{', '.join(self.axes)}]" if self.axes else ""
        return f"learned{over} from {self.value:g}{', of either sign' if self.free else ''}"


@dataclass(frozen=True)
class Drop:
    """Stochastic depth: the rate at which pulls are left out in training, drawn per `group` or per `pull`."""

    rate: float
    per: str
    schedule: str

    def at(self, index: int, depth: int) -> float:
        """The rate of the block `index` of `depth`."""
        return self.rate if self.schedule == "constant" or depth == 1 else self.rate * index / (depth - 1)


@dataclass(frozen=True)
class Group:
    """Pulls on slow layers that act together. `pulls` are (synapse, factor); `fast` the layers computed before, in order."""

    synapses: tuple[str, ...]
    form: str
    step: Step
    own_norms: tuple[str, ...]
    at: Path
    step_at: Path = ()
    drop: Drop | None = None
    pulls: tuple[tuple[str, str], ...] = ()
    fast: tuple[str, ...] = ()


@dataclass(frozen=True)
class Start:
    """The first state of a slow layer that is not the entry: the sum of the pulls on it that can be computed before it is known."""

    layer: str
    pulls: tuple[tuple[str, str], ...]
    fast: tuple[str, ...]


@dataclass(frozen=True)
class Circle:
    """Fast layers that feed each other, solved in `order` by so many Picard iterations."""

    order: tuple[str, ...]
    iterations: int
    at: Path


@dataclass(frozen=True)
class Block:
    """What `depth` repeats with new weights and `steps` with the same.

    `entry` is the slow layer that takes what comes before, `exit` the one that goes on; `starts` give the other slow layers
    their first states, in turn. `fast_order` holds each circle's layers together.
    """

    at: Path
    depth: int
    steps: int
    axes: dict[str, int]
    layers: tuple[Layer, ...]
    synapses: tuple[Synapse, ...]
    groups: tuple[Group, ...] | None
    form: str
    step: Step
    drop: Drop | None = None
    circles: tuple[Circle, ...] = ()
    entry: str = ""
    exit: str = ""
    starts: tuple[Start, ...] = ()
    fast_order: tuple[str, ...] = ()

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

    def synapse(self, name: str) -> Synapse:
        """The synapse of that name."""
        return next(synapse for synapse in self.synapses if synapse.name == name)

    def circle(self, name: str) -> Circle | None:
        """The circle that a fast layer is in, if it is in one."""
        return next((circle for circle in self.circles if name in circle.order), None)

    @property
    def slow(self) -> tuple[Layer, ...]:
        """The slow layers, clamped ones too."""
        return tuple(layer for layer in self.layers if not layer.fast)

    @property
    def moving(self) -> tuple[Layer, ...]:
        """The slow layers that are not clamped: those that updates move."""
        return tuple(layer for layer in self.slow if not layer.clamped)

    @property
    def schedule(self) -> tuple[Group, ...]:
        """The groups, once the pass `schedule-groups` has run."""
        assert self.groups is not None
        return self.groups

    def pulls_on(self, layer: str) -> tuple[tuple[Synapse, Pull], ...]:
        """The pulls on a layer that are not off."""
        return tuple(
            (synapse, pull)
            for synapse in self.synapses
            for pull in synapse.pulls
            if pull.symmetry != "off" and synapse.factor(pull.factor).layer == layer
        )

    def moved(self, group: Group) -> tuple[Layer, ...]:
        """The slow layers that a group moves."""
        names = {self.synapse(synapse).factor(factor).layer for synapse, factor in group.pulls}
        return tuple(layer for layer in self.slow if layer.name in names)


@dataclass(frozen=True)
class EndOp:
    """One encoder, downsampling or readout operation, with the axes and sizes of what it reads and gives.

    A `sum` has `branches`, which are chains of operations themselves, and no record.
    """

    kind: str
    name: str
    options: Options
    at: Path
    source: dict[str, int]
    target: dict[str, int]
    branches: tuple[tuple[EndOp, ...], ...] = ()


def end_ops(chain: tuple[EndOp, ...]) -> Iterator[EndOp]:
    """Every operation of a chain, those inside sums too."""
    for end in chain:
        yield end
        for branch in end.branches:
            yield from end_ops(branch)


@dataclass(frozen=True)
class Stage:
    """A block and the operations before it."""

    down: tuple[EndOp, ...]
    block: Block


@dataclass(frozen=True)
class Input:
    """What the model reads: its kind (image, tokens, tensor), its axes with their sizes, and how many tokens there are."""

    kind: str
    axes: dict[str, int]
    vocabulary: int | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return tuple(self.axes.values())


@dataclass(frozen=True)
class Ham:
    """A whole model: encoder, stages of blocks, readout. `fold` asks for its folded form, see the pass `fold`."""

    name: str
    dims: dict[str, int]
    input: Input
    encoder: tuple[EndOp, ...]
    stages: tuple[Stage, ...]
    readout: tuple[EndOp, ...]
    fold: bool = False

    @property
    def block(self) -> Block:
        """The block of the first stage: the only one, unless the spec is a pyramid."""
        return self.stages[0].block

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Every block that is computed, its depth written out."""
        return tuple(stage.block for stage in self.stages for _ in range(stage.block.depth))

    @property
    def output(self) -> dict[str, int]:
        """The axes and sizes of what the model gives."""
        if self.readout:
            return self.readout[-1].target
        block = self.stages[-1].block
        return {axis: block.axes[axis] for axis in block.layer(block.exit).axes}


def influences(block: Block) -> dict[str, tuple[str, ...]]:
    """By layer, the layers whose activations the pulls on it read."""
    reads: dict[str, dict[str, None]] = {layer.name: {} for layer in block.layers}
    for synapse in block.synapses:
        for pull in synapse.pulls:
            target = synapse.factor(pull.factor)
            if pull.symmetry != "off" and target.layer in reads:
                reads[target.layer] |= {other.layer: None for other in synapse.factors if other is not target}
    return {name: tuple(others) for name, others in reads.items()}


def place(path: Path, *steps: str | int) -> At:
    """The place in the spec of something under a path."""
    return At((*path, *steps))
