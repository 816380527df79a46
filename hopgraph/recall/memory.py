"""Where a spec stores its patterns: the dense weight from the entry layer to a hidden layer, one pattern a row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from hopgraph.energy.records import Axes
from hopgraph.errors import At, Diagnostic, HopgraphError, Path, listing, rename_help
from hopgraph.frontend import spec as language
from hopgraph.graph.ham import ChainMap, Factor, Synapse, labelled
from hopgraph.lower.model import Model, stage_of
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.recall.arrays import Array

OF_ANOTHER_FORM = ("per", "mask", "toeplitz", "rank", "spectral")
"""Options of dense by which its rows are not, or not all, its stored weight's."""


@dataclass(frozen=True)
class Memory:
    """The weight of a factor's one dense map: a pattern over the axes `columns` in each position on the axes `rows`.

    `name` is SYNAPSE.FACTOR, `weight` the stored name. `whole` says whether a pattern is a state of the entry layer.
    """

    block: int
    name: str
    weight: str
    rows: Axes
    columns: Axes
    shape: tuple[int, int]
    whole: bool


def find_memory(spec: CheckedSpec, block: int = 0, into: str | None = None) -> Memory:
    """The memory named `into`, or the only one that reads the entry layer. Raises HopgraphError where there is none or more."""
    every = list(_memories(spec, block))
    entry = spec.ham.blocks[block].entry
    fitting = [memory for memory, layer in every if (layer == entry if into is None else memory.name == into)]
    if len(fitting) == 1:
        return fitting[0]
    names = [memory.name for memory, _ in every]
    notes = (f"weights that hold patterns: {listing(names)}",)
    if into is not None:
        message = f"`{into}` of `{spec.name}` is no weight that patterns can be put into: a factor with one dense map, whole and unmasked"
        raise HopgraphError(Diagnostic("patterns", message, notes=notes, helps=tuple(rename_help(into, names))))
    many = f"{len(fitting)} weights read" if fitting else "no whole dense weight reads"
    helps = ("name one with `--into SYNAPSE.FACTOR`",) if names else ()
    raise HopgraphError(Diagnostic("patterns", f"{many} the entry layer `{entry}` of `{spec.name}`", notes=notes, helps=helps))


def only_memory(spec: CheckedSpec, block: int = 0) -> Memory | None:
    """The only memory whose patterns are states of the entry layer, or None."""
    found = [memory for memory, _ in _memories(spec, block) if memory.whole]
    return found[0] if len(found) == 1 else None


def _memories(spec: CheckedSpec, block: int) -> Iterator[tuple[Memory, str]]:
    """Every memory of a block, with the layer that it reads."""
    here, stored = spec.ham.blocks[block], {parameter.name for parameter in spec.program.parameters}
    for synapse in here.synapses:
        for factor in synapse.factors:
            label = _dense(factor, synapse)
            if label is None:
                continue
            step = dict(labelled(factor.chain))[label]
            weight = f"blocks.{block}.{synapse.name}.{factor.name}.{label}.weight"
            rows, columns = _sides(step)
            if weight in stored:
                shape = tuple(math.prod(here.axes[axis] for axis in axes) for axes in (rows, columns))
                whole = factor.layer == here.entry and columns == here.layer(factor.layer).axes
                yield Memory(block, f"{synapse.name}.{factor.name}", weight, rows, columns, (shape[0], shape[1]), whole), factor.layer


def _dense(factor: Factor, synapse: Synapse) -> str | None:
    """The label of a factor's only dense map, where its weight is the whole matrix."""
    found = [(label, step) for label, step in labelled(factor.chain) if step.kind == "dense"]
    if len(found) != 1 or len(synapse.factors) < 2 or any(found[0][1].options.get(option) for option in OF_ANOTHER_FORM):
        return None
    return found[0][0]


def _sides(step: ChainMap) -> tuple[Axes, Axes]:
    """The new axes of a dense map, and the old ones."""
    old = tuple(step.options["axes"])
    return tuple(step.options["axes"][old[0]]), old


# --- sizes ------------------------------------------------------------------------------------------------------------


def fitting_settings(spec: CheckedSpec, memory: Memory, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The settings by which a memory takes so many patterns of such a width: its dims that are plain numbers and not set already."""
    wanted: dict[str, int] = {}
    for axes, size in zip((memory.rows, memory.columns), shape, strict=True):
        dim = _plain_dim(spec, memory, axes)
        if dim is not None:
            wanted.setdefault(dim, size)
    return tuple(f"dims.{dim}={size}" for dim, size in wanted.items())


def _plain_dim(spec: CheckedSpec, memory: Memory, axes: Axes) -> str | None:
    if len(axes) != 1:
        return None
    block, inner = _language_block(spec, memory.block)
    dim, declared = block.axes[axes[0]].text, spec.loaded.spec.dims
    free = dim in declared and declared[dim].text.isdecimal() and dim not in inner
    given = any(setting.partition("=")[0].strip() == f"dims.{dim}" for setting in spec.loaded.settings)
    return dim if free and not given else None


def _language_block(spec: CheckedSpec, block: int) -> tuple[language.Block, frozenset[str]]:
    """A block as the spec has it, and the dims that are its stage's own."""
    whole = spec.loaded.spec
    if whole.block is not None:
        return whole.block, frozenset()
    stage = whole.stages[stage_of(spec, block)]
    return stage.block, frozenset(stage.dims)


def require_fit(spec: CheckedSpec, memory: Memory, shape: tuple[int, ...], file: str) -> None:
    """Raise HopgraphError where a file's patterns are not as many or as wide as those of a memory."""
    if shape == memory.shape:
        return
    block, _ = _language_block(spec, memory.block)
    sides = zip((memory.rows, memory.columns), shape, memory.shape, strict=True)
    wrong = [(axes, given) for axes, given, wanted in sides if given != wanted]
    at = spec.ham.blocks[memory.block].at
    helps = [_size_help(block, at, axes, given) for axes, given in wrong]
    message = f"`{file}` holds {shape[0]} patterns of {shape[1]} numbers, and `{memory.name}` of `{spec.name}` stores "
    message += f"{memory.shape[0]} of {memory.shape[1]}"
    place = At((*at, "axes", wrong[0][0][0]))
    raise HopgraphError(Diagnostic("patterns", message, place, helps=tuple(helps)).located(spec.loaded))


def _size_help(block: language.Block, at: Path, axes: Axes, size: int) -> str:
    dim = block.axes[axes[0]].text
    if len(axes) == 1 and dim.isidentifier():
        return f"give `--set dims.{dim}={size}`"
    if len(axes) == 1 and dim.isdecimal():
        return f"give `--set {'.'.join(map(str, at))}.axes.{axes[0]}={size}`"
    sizes = ", ".join(f"`{axis}` is `{block.axes[axis].text}`" for axis in axes)
    return f"set the dims so that [{', '.join(axes)}] is {size} in all: {sizes}"


# --- weights ----------------------------------------------------------------------------------------------------------


def store(model: Model, memory: Memory, patterns: Array) -> None:
    """Put patterns [M, N] into a memory. A pull's own copies get them too, and departures V start at zero: all begins tied."""
    with torch.no_grad():
        weight = model.stored(memory.weight)
        weight.copy_(torch.from_numpy(patterns).reshape(weight.shape))
        for parameter in model.program.parameters:
            if parameter.base == memory.weight:
                copy = model.stored(parameter.stored_name)
                copy.copy_(weight if parameter.penalty is None else torch.zeros_like(copy))


def stored_patterns(model: Model, memory: Memory) -> torch.Tensor:
    """The patterns of a memory, [M, N] in float64."""
    return model.stored(memory.weight).detach().double().reshape(memory.shape)
