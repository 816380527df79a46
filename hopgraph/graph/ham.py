"""The HAM graph: layers, synapses with their factors and pulls, and the groups in which the pulls act.

Frozen data. The passes fill it in stages and each returns a new one: factors get their axes, synapses their pulls, the
block its order of fast layers and its schedule. `at` is the place in the spec that an item came from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BeforeValidator

from hopgraph.energy.lagrangians import LAGRANGIANS, Lagrangian
from hopgraph.energy.maps import MAPS, LinearMap, Signature
from hopgraph.energy.records import Axes, ParameterSpec, Sizes
from hopgraph.errors import At, Path


def _frozen(value: Any) -> Any:
    """Lists as tuples, at any depth: what a dump reads back to is equal to what was dumped."""
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return tuple(_frozen(item) for item in items)
    if isinstance(value, dict):
        return {name: _frozen(item) for name, item in cast("dict[str, Any]", value).items()}
    return value


Options = Annotated[dict[str, Any], BeforeValidator(_frozen)]
"""A record's options with their dims evaluated: numbers, names, tuples and mappings of these."""


@dataclass(frozen=True)
class Layer:
    """Neurons on named axes. Slow layers are integrated; fast ones equal their input at once."""

    name: str
    axes: Axes
    lagrangian: str
    options: Options
    fast: bool
    at: Path

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


@dataclass(frozen=True)
class ChainMap:
    """One linear map of a factor's chain, from axes `source` to axes `target`."""

    kind: str
    options: Options
    source: Axes
    target: Axes
    at: Path

    @property
    def record(self) -> LinearMap:
        """The row of the table of maps."""
        return MAPS[self.kind]

    def signature(self, sizes: Sizes) -> Signature:
        """Where the map stands, given the sizes of the axes."""
        return Signature(self.source, self.target, sizes)

    def parameters(self, sizes: Sizes) -> dict[str, ParameterSpec]:
        """The tensors that the map reads."""
        return self.record.parameters(self.options, self.signature(sizes))


@dataclass(frozen=True)
class Factor:
    """A layer's activation, axes renamed, through a chain. `seen` are the axes after renaming, `axes` those after the chain."""

    name: str
    layer: str
    rename: dict[str, str]
    chain: tuple[ChainMap, ...]
    at: Path
    seen: Axes = ()
    axes: Axes = ()


@dataclass(frozen=True)
class Pull:
    """-dE/dg on one factor. tied reads the base weights, own its copies, penalized base + V with lambda |V|^2; off is absent."""

    factor: str
    symmetry: str
    penalty: float | None
    at: Path


@dataclass(frozen=True)
class Symmetry:
    """What the spec says of a synapse's symmetry, before it is applied to the pulls."""

    whole: tuple[str, float | None]
    pulls: dict[str, tuple[str, float | None]]
    at: Path


@dataclass(frozen=True)
class Synapse:
    """E = - sum over axes of the product of its factors."""

    name: str
    factors: tuple[Factor, ...]
    symmetry: Symmetry
    at: Path
    pulls: tuple[Pull, ...] = ()

    def factor(self, name: str) -> Factor:
        """The factor of that name."""
        return next(factor for factor in self.factors if factor.name == name)


@dataclass(frozen=True)
class Group:
    """Pulls on slow layers that act together. `pulls` are (synapse, factor); `fast` the layers computed before, in order."""

    synapses: tuple[str, ...]
    form: str
    step: float
    own_norms: tuple[str, ...]
    at: Path
    pulls: tuple[tuple[str, str], ...] = ()
    fast: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """What `depth` repeats with new weights and `steps` with the same."""

    depth: int
    steps: int
    axes: dict[str, int]
    layers: tuple[Layer, ...]
    synapses: tuple[Synapse, ...]
    groups: tuple[Group, ...] | None
    form: str
    step: float
    fast_order: tuple[str, ...] = ()

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return next(layer for layer in self.layers if layer.name == name)

    def synapse(self, name: str) -> Synapse:
        """The synapse of that name."""
        return next(synapse for synapse in self.synapses if synapse.name == name)

    @property
    def slow(self) -> tuple[Layer, ...]:
        """The slow layers."""
        return tuple(layer for layer in self.layers if not layer.fast)

    @property
    def schedule(self) -> tuple[Group, ...]:
        """The groups, once the pass `schedule-groups` has run."""
        assert self.groups is not None
        return self.groups


@dataclass(frozen=True)
class EndOp:
    """One encoder or readout operation, with the axes and sizes of what it reads and gives."""

    kind: str
    name: str
    options: Options
    at: Path
    source: dict[str, int]
    target: dict[str, int]


@dataclass(frozen=True)
class Ham:
    """A whole model: encoder, block, readout."""

    name: str
    dims: dict[str, int]
    input: dict[str, int]
    encoder: tuple[EndOp, ...]
    block: Block
    readout: tuple[EndOp, ...]

    @property
    def output(self) -> dict[str, int]:
        """The axes and sizes of what the model gives."""
        if self.readout:
            return self.readout[-1].target
        slow = self.block.slow[0]
        return {axis: self.block.axes[axis] for axis in slow.axes}


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
