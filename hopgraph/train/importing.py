"""Published weights: a file's tensors, by the spec's table `weights`, as the parameters of the compiled model.

For each parameter of ours the first entry counts whose tensor the file has. What is missing, left over or misshapen is told
all at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hopgraph.energy.records import Axes
from hopgraph.errors import At, Diagnostic, HopgraphError, by, cut_short
from hopgraph.files import require_free
from hopgraph.frontend.dims import DimError, evaluate_real, names_in
from hopgraph.frontend.library import read_text
from hopgraph.frontend.weights import PLACE, Entry, Part
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.program.program import Parameter
from hopgraph.train.run import FORMAT, Record, SpecText, write_run
from hopgraph.train.tensors import read_tensors
from hopgraph.version import __version__

PASSED_OVER = "num_batches_tracked"
"""torch's own counter beside the statistics of a batch norm: nothing that is computed reads it."""
COUNTERS = ("block", "stage", "depth")
"""The names in a table's expressions that count blocks."""


# --- the table, written out -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """An entry of the table for one block: the tensors that it reads, stacked along `axis` if there are several, and its parts."""

    names: tuple[str, ...]
    axis: str | None
    parts: tuple[tuple[Parameter, Part], ...]
    key: str


def rows(spec: CheckedSpec) -> Iterator[Row]:
    """The entries for every block, in the table's order. One that leads to what this variant does not have is passed over."""
    parameters = {parameter.stored_name: parameter for parameter in spec.program.parameters}
    for key, entry in _table(spec, parameters).items():
        for counted in _contexts(spec, key, entry):
            targets = [_filled(part.to, counted) for part in entry.parts]
            if any(target not in parameters for target in targets):
                continue
            parts = tuple(zip((parameters[target] for target in targets), entry.parts, strict=True))
            name = _filled(key, counted)
            names, axis = _stacked(spec, key, name, parts)
            yield Row(names, axis, parts, key)


def _table(spec: CheckedSpec, parameters: Mapping[str, Parameter]) -> Mapping[str, Entry]:
    """The spec's table; without one, the file has the model's own tensors, logarithms and all."""
    return spec.loaded.spec.weights or {name: Entry(parts=(Part(to=name),)) for name in parameters}


def _contexts(spec: CheckedSpec, key: str, entry: Entry) -> Iterator[dict[str, int]]:
    """The numbers of every block, or nothing where an entry counts none."""
    places = {place for name in (key, *(part.to for part in entry.parts)) for place in PLACE.findall(name)}
    if not any(set(COUNTERS) & set(names_in(place)) for place in places):
        yield {}
        return
    block = 0
    for stage, item in enumerate(spec.ham.stages):
        for depth in range(item.block.depth):
            yield {"block": block, "stage": stage, "depth": depth}
            block += 1


def _filled(name: str, counted: Mapping[str, int]) -> str:
    """A name with the expressions on counters worked out; that of an axis stays."""

    def worth(match: Any) -> str:
        text = match.group(1)
        if not set(names_in(text)) & set(COUNTERS):
            return match.group(0)
        try:
            value = evaluate_real(text, counted)
        except DimError:
            return match.group(0)
        return str(int(value)) if value == int(value) else match.group(0)

    return PLACE.sub(worth, name)


def _stacked(spec: CheckedSpec, key: str, name: str, parts: tuple[tuple[Parameter, Part], ...]) -> tuple[tuple[str, ...], str | None]:
    """The names of an entry's tensors: one for each position on an axis that the name mentions."""
    places = PLACE.findall(name)
    if not places:
        return (name,), None
    axis = places[0]
    if len(set(places)) > 1 or len(parts) != 1 or axis not in parts[0][0].axes:
        known = f"it has {', '.join(parts[0][0].axes)}" if parts else "there is none"
        raise _table_error(spec, key, f"`<{axis}>` should count blocks (`<block>`, `<stage>`, `<depth>`) or name an axis: {known}")
    parameter = parts[0][0]
    size = parameter.shape[parameter.axes.index(axis)]
    return tuple(name.replace(f"<{axis}>", str(index)) for index in range(size)), axis


def _table_error(spec: CheckedSpec, key: str, message: str) -> HopgraphError:
    found = Diagnostic("weights-table", message, At(("weights", key), key=True))
    return HopgraphError(found.located(spec.loaded))


# --- layouts ----------------------------------------------------------------------------------------------------------


def _layout(parameter: Parameter, part: Part, stacked: str | None) -> tuple[tuple[str, ...], ...]:
    """The axes of a published tensor, each as the axes of ours that it merges."""
    groups = part.axes or tuple(axis for axis in parameter.axes if axis != stacked)
    return tuple((group,) if isinstance(group, str) else group for group in groups)


def _sizes(parameter: Parameter, layout: Iterable[Axes]) -> tuple[int, ...]:
    sizes = dict(zip(parameter.axes, parameter.shape, strict=True))
    return tuple(math.prod(sizes[axis] for axis in group) for group in layout)


def _expected(row: Row, spec: CheckedSpec) -> tuple[int, ...]:
    """The shape of each of a row's tensors, axes of size one written."""
    shapes: list[tuple[int, ...]] = []
    for parameter, part in row.parts:
        layout = _layout(parameter, part, row.axis)
        named, wanted = [axis for group in layout for axis in group], [axis for axis in parameter.axes if axis != row.axis]
        sizes = dict(zip(parameter.axes, parameter.shape, strict=True))
        if [axis for axis in named if axis not in wanted] or any(sizes[axis] > 1 for axis in wanted if axis not in named):
            message = f"the layout [{', '.join(named)}] of `{row.key}` is not one of `{part.to}`, which has the axes [{', '.join(wanted)}]"
            raise _table_error(spec, row.key, message)
        shapes.append(_sizes(parameter, layout))
    if any(shape[1:] != shapes[0][1:] for shape in shapes):
        raise _table_error(spec, row.key, f"the parts of `{row.key}` differ in more than their first axis")
    return (sum(shape[0] for shape in shapes), *shapes[0][1:]) if len(shapes) > 1 else shapes[0]


def _ours(row: Row, tensors: list[Tensor], expected: tuple[int, ...]) -> dict[str, Tensor]:
    """A row's tensors as parameters of ours, each in its own order of axes."""
    found: dict[str, Tensor] = {}
    shaped = [tensor.reshape(expected) for tensor in tensors]
    first = 0
    for parameter, part in row.parts:
        layout = _layout(parameter, part, row.axis)
        size = _sizes(parameter, layout)[0] if len(row.parts) > 1 else None
        pieces = [tensor if size is None else tensor[first : first + size] for tensor in shaped]
        first += size or 0
        found[parameter.stored_name] = _ordered(parameter, layout, row.axis, pieces)
    return found


def _ordered(parameter: Parameter, layout: tuple[Axes, ...], stacked: str | None, pieces: list[Tensor]) -> Tensor:
    sizes = dict(zip(parameter.axes, parameter.shape, strict=True))
    axes = [axis for group in layout for axis in group]
    apart = [piece.reshape([sizes[axis] for axis in axes]) for piece in pieces]
    whole = apart[0] if stacked is None else torch.stack(apart)
    order = axes if stacked is None else [stacked, *axes]
    order = [axis for axis in parameter.axes if axis not in order] + order  # axes of size one that no one wrote
    whole = whole.reshape([sizes[axis] for axis in order])
    return whole.permute([order.index(axis) for axis in parameter.axes]).contiguous()


# --- the whole --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assignment:
    """What a file gives: tensors for parameters of ours, the names that were read, what is bent, and what was asked for in vain."""

    found: dict[str, Tensor]
    used: set[str]
    bent: dict[str, str]
    absent: dict[str, str]


def import_weights(spec: CheckedSpec, given: Mapping[str, Tensor], file: str = "the file") -> dict[str, Tensor]:
    """The parameters and buffers of a spec's model by stored name, from published tensors, in their own dtype.

    Raises HopgraphError with all that is missing, left over or misshapen.
    """
    assigned = assign(spec, given)
    problems = (_misshapen(spec, assigned, file), _missing(spec, assigned, file), _surplus(spec, assigned, given, file))
    told = [problem for problem in problems if problem]
    if told:
        raise HopgraphError(told)
    if not spec.loaded.spec.weights:
        return assigned.found
    return {parameter.stored_name: _stored(parameter, assigned.found[parameter.stored_name]) for parameter in spec.program.parameters}


def assign(spec: CheckedSpec, given: Mapping[str, Tensor]) -> Assignment:
    """Go through the table: for each parameter the first entry counts whose tensors are all there. Positive ones are as they are given."""
    found, used, bent, absent = dict[str, Tensor](), set[str](), dict[str, str](), dict[str, str]()
    placed: set[str] = set()
    for row in rows(spec):
        targets = [parameter.stored_name for parameter, _ in row.parts]
        lost = next((name for name in row.names if name not in given), None)
        if lost is not None:
            for target in targets:
                absent.setdefault(target, lost)
            continue
        if placed & set(targets):
            continue
        placed.update(targets)
        used.update(row.names)
        if not row.parts:
            continue
        expected = _expected(row, spec)
        faults = {name: _fault(given[name], expected) for name in row.names}
        bent |= {name: fault for name, fault in faults.items() if fault}
        if not any(faults.values()):
            found |= _ours(row, [given[name] for name in row.names], expected)
    wanted = [parameter.stored_name for parameter in spec.program.parameters if parameter.stored_name not in placed]
    return Assignment(found, used, bent, {name: absent.get(name, "") for name in wanted})


def _fault(tensor: Tensor, expected: tuple[int, ...]) -> str:
    """What is wrong with a tensor, if anything is. Axes of size one do not count."""
    if not tensor.is_floating_point():
        return f"it holds {str(tensor.dtype).removeprefix('torch.')} numbers, which are no weights"
    if [size for size in tensor.shape if size != 1] == [size for size in expected if size != 1]:
        return ""
    return f"it is {by(tuple(tensor.shape))}, and should be {by(expected)}"


def _misshapen(spec: CheckedSpec, assigned: Assignment, file: str) -> Diagnostic | None:
    if not assigned.bent:
        return None
    message = f"{len(assigned.bent)} of the tensors of `{file}` are not what `{spec.name}` reads"
    helps = ("choose the size with `--variant`, or set the dims with `--set`",)
    return Diagnostic(
        "weights-shape", message, notes=tuple(cut_short(f"{name}: {fault}" for name, fault in assigned.bent.items())), helps=helps
    )


def _missing(spec: CheckedSpec, assigned: Assignment, file: str) -> Diagnostic | None:
    if not assigned.absent:
        return None
    lines = (f"{lost} (for {name})" if lost else f"{name}: no entry of `weights` leads to it" for name, lost in assigned.absent.items())
    message = f"`{file}` lacks {len(assigned.absent)} of the tensors that `{spec.name}` reads"
    return Diagnostic("weights-missing", message, notes=tuple(cut_short(lines)))


def _surplus(spec: CheckedSpec, assigned: Assignment, given: Mapping[str, Tensor], file: str) -> Diagnostic | None:
    names = [name for name in given if name not in assigned.used and not name.endswith(PASSED_OVER)]
    if not names:
        return None
    message = f"`{file}` has {len(names)} tensors that `{spec.name}` has no place for"
    helps = ("choose the variant that has them; or write `NAME: null` into the spec's `weights`, and they are read and not used",)
    return Diagnostic("weights-surplus", message, notes=tuple(cut_short(names)), helps=helps)


def _stored(parameter: Parameter, tensor: Tensor) -> Tensor:
    """A parameter as it is stored: one that is kept positive as its logarithm. Raises HopgraphError where it is not."""
    if not parameter.positive:
        return tensor
    if not bool((tensor > 0).all()):
        message = f"`{parameter.stored_name}` is kept positive, and the tensor for it has {tensor.min().item():g}"
        helps = ("a gain of either sign is `gain: vector`, which the certificate names as breaking",)
        raise HopgraphError(Diagnostic("weights-shape", message, helps=helps))
    return tensor.log()


# --- a run ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """How a published model reads its input: `mean` and `std` of each channel, of pixels from 0 to 1, and names for its classes."""

    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    labels: Path | None = None


def import_run(spec: CheckedSpec, file: Path, reading: Reading, out: Path, *, force: bool = False, allow_large: bool = False) -> Record:
    """Write a run of published weights. Raises HopgraphError; then nothing is written."""
    require_free(out, force)
    labels, mean, std = _labels(spec, reading.labels), _channels(spec, reading.mean, 0.0), _channels(spec, reading.std, 1.0)
    model = compile_model(spec, allow_large=allow_large)
    model.load_state_dict(import_weights(spec, read_tensors(file), file.name))
    record = Record(FORMAT, SpecText.of(spec), file.name, mean, std, labels, {}, {"hopgraph": __version__, "torch": torch.__version__})
    write_run(out, record, model.state_dict(), force)
    return record


def _channels(spec: CheckedSpec, values: tuple[float, ...], default: float) -> tuple[float, ...]:
    """A statistic for each channel of the input; one number stands for all. Raises HopgraphError."""
    given = spec.ham.input
    count = given.shape[0] if given.kind == "image" else 1
    if len(values) not in (0, 1, count):
        message = f"there are {len(values)} numbers for {count} channels"
        raise HopgraphError(Diagnostic("data-shape", message, helps=("give one for all channels, or one for each",)))
    return values if len(values) == count else (values or (default,)) * count


def _labels(spec: CheckedSpec, file: Path | None) -> tuple[str, ...]:
    """The names of the classes, a line each; numbers where there is no file, none where the model is no classifier."""
    output = tuple(spec.ham.output.values())
    numbers = tuple(map(str, range(output[0]))) if len(output) == 1 else ()
    if file is None:
        return numbers
    labels = tuple(read_text(file).splitlines())
    if len(labels) != len(numbers):
        message = f"`{file.name}` has {len(labels)} labels, and the model gives {by(output)} numbers"
        raise HopgraphError(Diagnostic("data-shape", message, helps=("write one label a line",)))
    return labels
