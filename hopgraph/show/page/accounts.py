"""The parameters of a model by what they are for, beside its floating point operations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from hopgraph.graph.ham import Block, Ham
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.program.program import Parameter
from hopgraph.show.flops import ModelFlops, StageFlops, model_flops

_BLOCK = re.compile(r"blocks\.(\d+)\.(?:norm_\d+_)?([^.]+)\.")
_STEP = re.compile(r"step_\d+")


@dataclass(frozen=True)
class Tensor:
    """A parameter of one block or of an end, and how often the model has it."""

    name: str
    shape: str
    size: int
    times: int
    trainable: bool


@dataclass(frozen=True)
class Part:
    """A row of the table of sizes. `anchor` is the panel that tells more, if there is one; `share` that of the FLOPs, from 0 to 1."""

    name: str
    kind: str
    parameters: int
    flops: int
    share: float
    anchor: str = ""


def identifier(kind: str, stage: int, name: str) -> str:
    """The id of the panel of a layer or synapse."""
    return f"{kind}-{stage + 1}-{name}"


@dataclass(frozen=True)
class Sizes:
    """The sizes of one spec."""

    spec: CheckedSpec

    @cached_property
    def flops(self) -> ModelFlops:
        """Its floating point operations."""
        return model_flops(self.spec.ham)

    @cached_property
    def _first(self) -> tuple[int, ...]:
        """The number of the first block of each stage, and how many there are."""
        return tuple(accumulate((stage.block.depth for stage in self.spec.ham.stages), initial=0))

    def _owner(self, parameter: Parameter) -> tuple[int, str]:
        """The stage and the layer or synapse that have a parameter; a stage of -1 is outside."""
        found = _BLOCK.match(parameter.name)
        if found is None:
            return -1, parameter.name.split(".")[0]
        number = int(found[1])
        return next(stage for stage, first in enumerate(self._first[1:]) if number < first), found[2]

    @cached_property
    def _counts(self) -> Counter[tuple[int, str]]:
        """How many numbers are learned, by stage and owner, all blocks of a stage together."""
        found: Counter[tuple[int, str]] = Counter()
        for parameter in self.spec.program.parameters:
            if parameter.trainable:
                found[self._owner(parameter)] += parameter.size
        return found

    def tensors(self) -> Iterator[tuple[int, str, Tensor]]:
        """The tensors of the ends and of the first block of each stage, with their stage and owner."""
        for parameter in self.spec.program.parameters:
            stage, owner = self._owner(parameter)
            first = f"blocks.{self._first[stage]}." if stage >= 0 else ""
            if parameter.name.startswith(first):
                times = self.spec.ham.stages[stage].block.depth if stage >= 0 else 1
                shape = ", ".join(f"{axis}={size}" for axis, size in zip(parameter.axes, parameter.shape, strict=True))
                yield stage, owner, Tensor(parameter.name, f"[{shape}]", parameter.size, times, parameter.trainable)

    # --- the table ---

    def parts(self) -> list[Part]:
        """Every part that has parameters or takes operations."""
        found = [self._part("encoder", "end", (-1, "encoder"), self.flops.encoder)]
        for number, (stage, flops) in enumerate(zip(self.spec.ham.stages, self.flops.stages, strict=True)):
            found += self._stage(number, stage.block, flops)
        found.append(self._part("readout", "end", (-1, "readout"), self.flops.readout))
        return [part for part in found if part.parameters or part.flops]

    def _stage(self, number: int, block: Block, flops: StageFlops) -> Iterator[Part]:
        prefix = f"stage {number + 1}: " if len(self.spec.ham.stages) > 1 else ""
        yield self._part(f"{prefix}before the blocks", "end", (-1, f"down_{number}"), flops.down)
        for synapse in block.synapses:
            anchor = identifier("synapse", number, synapse.name)
            count = flops.times * flops.of_synapse(synapse.name)
            yield self._part(f"{prefix}{synapse.name}", "synapse", (number, synapse.name), count, anchor)
        for layer in block.layers:
            anchor = identifier("layer", number, layer.name)
            yield self._part(f"{prefix}{layer.name}", "layer", (number, layer.name), flops.times * flops.of_layer(layer.name), anchor)
        yield self._part(f"{prefix}first states", "block", (number, ""), flops.depth * flops.start)
        steps = sum(count for (stage, owner), count in self._counts.items() if stage == number and _STEP.fullmatch(owner))
        yield self._part(f"{prefix}sums and steps", "block", (number, ""), flops.times * flops.rest, more=steps)

    def _part(self, name: str, kind: str, owner: tuple[int, str], flops: int, anchor: str = "", more: int = 0) -> Part:
        return Part(name, kind, self._counts[owner] + more, flops, flops / max(1, self.flops.total), anchor)


def repetition(ham: Ham, stage: int) -> str:
    """`8 blocks, 12 steps each`; nothing where there is one of each."""
    block = ham.stages[stage].block
    blocks = [f"{block.depth} blocks"] if block.depth > 1 else []
    return ", ".join([*blocks, *([f"{block.steps} steps{' each' if blocks else ''}"] if block.steps > 1 else [])])
