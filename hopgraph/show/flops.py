"""Where the floating point operations of a model go: its ends, and in each block every pull, every activation, and the rest.

Counted statement by statement as the pass `unroll` writes them, before any is fused, each to the one that has it written first: a
factor that two pulls read is computed once. The parts sum to the count of that program.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from hopgraph.energy.records import Value
from hopgraph.graph.ham import EndOp, Ham, Layer, Stage
from hopgraph.passes.emit import BlockEmitter
from hopgraph.passes.parts import end_value, model_input
from hopgraph.program.builder import Builder
from hopgraph.program.operations import OPERATIONS
from hopgraph.program.program import Statement

Owner = tuple[str, ...]
"""What statements are written for: `("synapse", name, factor)`, `("layer", name)`, or what else there is, as `("encoder",)`."""
START: Owner = ("start",)
REST: Owner = ("rest",)
DOWN: Owner = ("down",)


@dataclass(frozen=True)
class StageFlops:
    """Of one stage: the operations before it, the start of one block, and one update of one block by what it is for."""

    down: int
    start: int
    update: Mapping[Owner, int]
    depth: int
    steps: int

    def of_pull(self, synapse: str, factor: str) -> int:
        """Of a pull in one update."""
        return self.update.get(("synapse", synapse, factor), 0)

    def of_synapse(self, synapse: str) -> int:
        """Of all pulls of a synapse in one update."""
        return sum(count for owner, count in self.update.items() if owner[:2] == ("synapse", synapse))

    def of_layer(self, layer: str) -> int:
        """Of a layer's activations in one update."""
        return self.update.get(("layer", layer), 0)

    @property
    def rest(self) -> int:
        """Of what adds the pulls up and moves the states, in one update."""
        return self.update.get(REST, 0)

    @property
    def times(self) -> int:
        """How often the update is computed."""
        return self.depth * self.steps

    @property
    def total(self) -> int:
        """Of the whole stage, what is before it too."""
        return self.down + self.depth * self.start + self.times * sum(self.update.values())


@dataclass(frozen=True)
class ModelFlops:
    """Of one example."""

    encoder: int
    stages: tuple[StageFlops, ...]
    readout: int

    @property
    def total(self) -> int:
        """Of the whole model."""
        return self.encoder + sum(stage.total for stage in self.stages) + self.readout


def model_flops(ham: Ham) -> ModelFlops:
    """The floating point operations of a model by what they are for. Depth and steps are multiplied, not written out."""
    once = replace(ham, stages=tuple(_once(stage) for stage in ham.stages))
    account = _Account(once)
    value = account.ends(once.encoder, "encoder", ("encoder",), model_input(account.builder, once))
    for number, stage in enumerate(once.stages):
        value = account.ends(stage.down, f"down_{number}", (f"{number}", *DOWN), value)
        value = account.block(number, value)
    account.ends(once.readout, "readout", ("readout",), value)
    counts = account.counts()
    stages = (_stage_flops(counts, number, stage) for number, stage in enumerate(ham.stages))
    return ModelFlops(counts[("encoder",)], tuple(stages), counts[("readout",)])


def _once(stage: Stage) -> Stage:
    """The stage with one block of one step."""
    return replace(stage, block=replace(stage.block, depth=1, steps=1))


def _stage_flops(counts: Counter[Owner], number: int, stage: Stage) -> StageFlops:
    mine = {owner[1:]: count for owner, count in counts.items() if owner[0] == f"{number}"}
    down, start = mine.pop(DOWN, 0), mine.pop(START, 0)
    return StageFlops(down, start, mine, stage.block.depth, stage.block.steps)


@dataclass
class _Account:
    """Writes a model and notes what each statement is for."""

    ham: Ham
    builder: Builder = field(default_factory=Builder)
    owners: dict[str, Owner] = field(default_factory=dict[str, Owner])

    @contextmanager
    def owned(self, owner: Owner) -> Generator[None]:
        """What is written inside is for that, unless it is noted for something inside already."""
        first = len(self.builder.statements)
        yield
        for statement in self.builder.statements[first:]:
            assert isinstance(statement, Statement)  # a block of one step has no repeat
            self.owners.setdefault(statement.output.name, owner)

    def ends(self, ends: Iterable[EndOp], part: str, owner: Owner, value: Value) -> Value:
        """Operations outside the energy."""
        with self.owned(owner):
            for end in ends:
                value = end_value(self.builder, self.ham, end, part, value)
        return value

    def block(self, number: int, entry: Value) -> Value:
        """The start of a block and one update."""
        writer = _Writer(self, number)
        writer.noting = False
        with self.owned((f"{number}", *START)):
            states = writer.started(entry)
        writer.noting = True
        with self.owned((f"{number}", *REST)):
            for group in range(len(writer.block.schedule)):
                states = writer.update(group, states)
        return states[writer.block.exit]

    def counts(self) -> Counter[Owner]:
        """How many operations are for what."""
        found: Counter[Owner] = Counter()
        program = self.builder.program(self.ham.name, [])
        for statement, site in program.sites():
            if statement.output.batched:
                found[self.owners[statement.output.name]] += OPERATIONS[statement.op].flops(site)
        return found


class _Writer(BlockEmitter):
    """Writes a block's updates and notes, where `noting`, which pull or activation each statement is for."""

    def __init__(self, account: _Account, number: int) -> None:
        super().__init__(account.builder, account.ham, number)
        self.account, self.stage, self.noting = account, f"{number}", True

    def pull(self, synapse_name: str, factor_name: str, activations: Mapping[str, Value]) -> Value:
        """As its parent does."""
        if not self.noting:
            return super().pull(synapse_name, factor_name, activations)
        with self.account.owned((self.stage, "synapse", synapse_name, factor_name)):
            return super().pull(synapse_name, factor_name, activations)

    def activation(self, layer: Layer, state: Value, number: int | None = None) -> Value:
        """As its parent does."""
        if not self.noting:
            return super().activation(layer, state, number)
        with self.account.owned((self.stage, "layer", layer.name)):
            return super().activation(layer, state, number)
