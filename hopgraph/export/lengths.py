"""A dim that may vary in what is exported: the same weights at every length up to the spec's, and what forbids that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from hopgraph.errors import Diagnostic, HopgraphError, Source, listing, rename_help
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.program.program import Parameter, Program, Statement
from hopgraph.runtime.manifest import Manifest

FACT = "dynamic"
"""The fact of a form that names the dim which may vary in it."""


@dataclass(frozen=True)
class Lengths:
    """A dim that may vary: the input's axis of that size, the largest length, and the spec at some of those below it.

    Every one has the same parameters, by names and shapes, and computes the same from them alone.
    """

    dim: str
    axis: int
    largest: int
    shorter: Mapping[int, CheckedSpec]

    @staticmethod
    def of(spec: CheckedSpec, dim: str) -> Lengths:
        """Of a dim of a spec. Raises HopgraphError (dim-fixed) with what has its size and cannot vary."""
        if dim not in spec.ham.dims:
            raise _no_dim(spec, dim)
        largest = spec.ham.dims[dim]
        if not tried(largest):
            raise fixed(dim, f"it is {largest}, and nothing is shorter")
        shorter: dict[int, CheckedSpec] = {}
        axes: list[int] = []
        for length in reversed(tried(largest)):
            shorter[length] = other = _read(spec, dim, length)
            axes.append(_input_axis(spec, other, dim, length))
            _require_same_weights(spec, other, dim, length)
            _require_output(spec, other, dim, length)
        return Lengths(dim, axes[0], largest, shorter)

    @property
    def least(self) -> CheckedSpec:
        """The spec at the smallest length."""
        return self.shorter[min(self.shorter)]


def tried(largest: int) -> tuple[int, ...]:
    """The lengths below the largest at which everything is compared: 1, 2, 7, half of it, and one less."""
    return tuple(sorted({length for length in (1, 2, 7, largest // 2, largest - 1) if 0 < length < largest}))


def at_length(spec: CheckedSpec, dim: str, length: int) -> CheckedSpec:
    """The same spec with another size of a dim. Raises HopgraphError where it has mistakes then."""
    loaded = spec.loaded
    return load(Source(loaded.source.name, loaded.source.text), loaded.variants, (*loaded.settings, f"dims.{dim}={length}"))


def dim_of(manifest: Manifest) -> str | None:
    """The dim that may vary in a bundle."""
    return next((str(form.facts[FACT]) for form in manifest.forms if FACT in form.facts), None)


def facts_of(dim: str | None) -> dict[str, Any]:
    """What a form tells of it."""
    return {} if dim is None else {FACT: dim}


def fixed(dim: str, reason: str, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> HopgraphError:
    """Why a dim cannot vary."""
    return HopgraphError(Diagnostic("dim-fixed", f"`{dim}` cannot vary: {reason}", notes=notes, helps=helps))


def _no_dim(spec: CheckedSpec, dim: str) -> HopgraphError:
    notes = (f"its dims are {listing(spec.ham.dims)}",)
    return fixed(dim, f"`{spec.name}` has no such dim", notes, tuple(rename_help(dim, tuple(spec.ham.dims))))


def _read(spec: CheckedSpec, dim: str, length: int) -> CheckedSpec:
    try:
        return at_length(spec, dim, length)
    except HopgraphError as error:
        reasons = tuple(found.message for found in error.diagnostics)[:2]
        raise fixed(dim, f"the spec is refused where it is {length}", reasons) from None


def _input_axis(spec: CheckedSpec, other: CheckedSpec, dim: str, length: int) -> int:
    """The one axis of the input that has the size of the dim."""
    given, sizes, smaller = f"the input `{spec.program.inputs[0].name}`", spec.ham.input.axes, other.ham.input.axes
    found = [axis for axis, size in sizes.items() if smaller[axis] != size]
    if not found:
        raise fixed(dim, f"no axis of {given} has its size")
    if len(found) > 1:
        raise fixed(dim, f"the axes {' and '.join(f'`{axis}`' for axis in found)} of {given} depend on it, and one alone may")
    if (sizes[found[0]], smaller[found[0]]) != (spec.ham.dims[dim], length):
        raise fixed(dim, f"axis `{found[0]}` of {given} depends on it, and does not have its size")
    return tuple(sizes).index(found[0])


def _require_output(spec: CheckedSpec, other: CheckedSpec, dim: str, length: int) -> None:
    """Raise HopgraphError where the size of an axis of the output does not follow the dim: as it is, or with as many more."""
    sizes, smaller = spec.ham.output, other.ham.output
    for axis, size in sizes.items():
        if size - smaller[axis] not in (0, spec.ham.dims[dim] - length):
            raise fixed(dim, f"axis `{axis}` of the output is {size}, and {smaller[axis]} where it is {length}")


def _require_same_weights(spec: CheckedSpec, other: CheckedSpec, dim: str, length: int) -> None:
    """Raise HopgraphError where the parameters, or what is computed of them alone, are not the same."""
    for one, two in zip_longest(spec.program.parameters, other.program.parameters):
        _require_same_parameter(one, two, dim, (spec.ham.dims[dim], length))
    for one, two in zip_longest(_of_weights(spec.program), _of_weights(other.program)):
        if one != two:
            raise fixed(dim, f"`{(one or two).output.name}`, which is computed of weights alone, depends on it")


def _require_same_parameter(one: Parameter | None, two: Parameter | None, dim: str, lengths: tuple[int, int]) -> None:
    if one is None or two is None or (one.stored_name, one.axes) != (two.stored_name, two.axes):
        name = next(item.stored_name for item in (one, two) if item is not None)
        raise fixed(dim, f"it decides which parameters there are, such as `{name}`")
    for axis, size, less in zip(one.axes, one.shape, two.shape, strict=True):
        if size != less:
            relation = "is" if (size, less) == lengths else "decides"
            raise fixed(dim, f"it {relation} the size of axis `{axis}` of the parameter `{one.stored_name}`")


def _of_weights(program: Program) -> list[Statement]:
    return [statement for statement in program.flat() if not statement.output.batched]
