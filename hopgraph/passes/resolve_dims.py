"""resolve-dims: a validated spec to a HAM graph in which every size is an integer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hopgraph.energy.options import Dim, Learned, OptionModel, Real
from hopgraph.errors import At, Findings, Path, listing, rename_help
from hopgraph.frontend import spec as language
from hopgraph.frontend.choice import Chosen
from hopgraph.frontend.dims import DimError, evaluate, names_in
from hopgraph.frontend.names import check_name
from hopgraph.graph.ham import Block, ChainMap, EndOp, Factor, Group, Ham, Layer, Symmetry, Synapse
from hopgraph.graph.order import among, arrange
from hopgraph.passes.base import Pass

UNKNOWN = -1
"""The size of an axis whose expression could not be evaluated: reported once, then passed over."""

IMAGE_AXES = ("channels", "height", "width")


class Resolver:
    """Evaluates the dims of a spec, and what is written in terms of them."""

    def __init__(self, declared: Mapping[str, Dim], findings: Findings) -> None:
        self.findings = findings
        self.declared = tuple(declared)
        self.dims: dict[str, int] = {}
        self.declare(declared)

    def declare(self, declared: Mapping[str, Dim]) -> None:
        """Evaluate the dims in the order of their dependence; a circle is an error."""
        for name in declared:
            check_name(name, "dim", At(("dims", name), key=True), self.findings)
        arranged = arrange(among(declared, {name: _names(dim.text) for name, dim in declared.items()}))
        for members in arranged.circles:
            self.report_circle(members, declared)
            self.dims.update(dict.fromkeys(members, UNKNOWN))
        for name in arranged.order:
            self.dims[name] = self.size(declared[name], ("dims", name))
        self.dims = {name: self.dims[name] for name in declared}

    def report_circle(self, members: frozenset[str], declared: Mapping[str, Dim]) -> None:
        """Report one way around, from the member that is declared first."""
        way = [next(name for name in declared if name in members)]
        while way[-1] not in way[:-1]:
            way.append(next(name for name in _names(declared[way[-1]].text) if name in members))
        way = way[way.index(way[-1]) :]
        shown = " -> ".join(way if len(way) <= 8 else [*way[:4], "...", *way[-3:]])
        self.findings.add("dim-cycle", f"the dims refer to each other in a circle: {shown}", At(("dims", way[0])))

    def size(self, dim: Dim, path: Path) -> int:
        """The value of an expression, or UNKNOWN after a diagnostic."""
        try:
            used = _names(dim.text)
            if any(self.dims.get(name) == UNKNOWN for name in used):
                return UNKNOWN
            return evaluate(dim.text, self.dims)
        except DimError as error:
            notes = [f"declared dims: {listing(self.declared)}"] if error.name else []
            helps = rename_help(error.name, self.declared) if error.name else []
            at = At(path, offset=error.offset, length=error.length)
            self.findings.add(error.code, error.message, at, notes=notes, helps=helps)
            return UNKNOWN

    def options(self, model: OptionModel, path: Path) -> dict[str, Any]:
        """A record's options with every dim in them evaluated."""
        return {name: self._option(getattr(model, name), (*path, name)) for name in type(model).model_fields}

    def _option(self, value: Any, path: Path) -> Any:
        if isinstance(value, Dim):
            return self.size(value, path)
        if isinstance(value, Real):
            return self.real(value, path)
        if isinstance(value, Learned):
            return {"learned": self.real(value.start, (*path, "learned"))}
        return value

    def real(self, value: Real, path: Path) -> float:
        """The value of an expression that need not be whole, or 1 after a diagnostic."""
        return float(value.text)


def _names(text: str) -> tuple[str, ...]:
    try:
        return names_in(text)
    except DimError:
        return ()


def run(spec: language.Spec, findings: Findings) -> Ham:
    """The graph of a spec. Names that cannot be used and dims that cannot be evaluated are reported."""
    check_name(spec.name, "spec", At(("name",)), findings)
    resolver = Resolver(spec.dims, findings)
    sizes = [resolver.size(dim, ("input", "image", index)) for index, dim in enumerate(spec.input.image)]
    return Ham(
        name=spec.name,
        dims=dict(resolver.dims),
        input=dict(zip(IMAGE_AXES, sizes, strict=True)),
        encoder=_ends(spec.encoder, "encoder", resolver),
        block=_block(spec.block, resolver, findings),
        readout=_ends(spec.readout, "readout", resolver),
    )


def _ends(chosen: tuple[Chosen, ...], part: str, resolver: Resolver) -> tuple[EndOp, ...]:
    seen: dict[str, int] = {}
    found: list[EndOp] = []
    for index, item in enumerate(chosen):
        seen[item.kind] = seen.get(item.kind, 0) + 1
        name = item.kind if seen[item.kind] == 1 else f"{item.kind}_{seen[item.kind]}"
        path: Path = (part, index, item.kind)
        found.append(EndOp(item.kind, name, resolver.options(item.options, path), path, {}, {}))
    return tuple(found)


def _block(block: language.Block, resolver: Resolver, findings: Findings) -> Block:
    at: Path = ("block",)
    for kind, names in (("axis", block.axes), ("layer", block.layers), ("synapse", block.synapses)):
        for name in names:
            field = {"axis": "axes", "layer": "layers", "synapse": "synapses"}[kind]
            check_name(name, kind, At((*at, field, name), key=True), findings)
    default = (block.symmetry.kind, block.symmetry.penalty)
    update = block.update
    groups = None
    if update.groups is not None:
        groups = tuple(_group(group, update, (*at, "update", "groups", index)) for index, group in enumerate(update.groups))
    return Block(
        depth=resolver.size(block.depth, (*at, "depth")),
        steps=resolver.size(block.steps, (*at, "steps")),
        axes={name: resolver.size(dim, (*at, "axes", name)) for name, dim in block.axes.items()},
        layers=tuple(_layer(name, layer, resolver) for name, layer in block.layers.items()),
        synapses=tuple(_synapse(name, synapse, default, resolver, findings) for name, synapse in block.synapses.items()),
        groups=groups,
        form=update.form,
        step=update.step,
    )


def _layer(name: str, layer: language.Layer, resolver: Resolver) -> Layer:
    at: Path = ("block", "layers", name)
    chosen: Chosen = layer.lagrangian
    options = resolver.options(chosen.options, (*at, "lagrangian", chosen.kind))
    return Layer(name, layer.axes, chosen.kind, options, layer.fast, at)


def _synapse(name: str, synapse: language.Synapse, default: tuple[str, float | None], resolver: Resolver, findings: Findings) -> Synapse:
    at: Path = ("block", "synapses", name)
    factors: list[Factor] = []
    for factor_name, factor in synapse.factors.items():
        place: Path = (*at, "factors", factor_name)
        check_name(factor_name, "factor", At(place, key=True), findings)
        chain = tuple(_map(chosen, (*place, "through", index), resolver) for index, chosen in enumerate(factor.through))
        factors.append(Factor(factor_name, factor.layer, dict(factor.rename), chain, place))
    return Synapse(name, tuple(factors), _symmetry(synapse.symmetry, default, at), at)


def _map(chosen: Chosen, path: Path, resolver: Resolver) -> ChainMap:
    return ChainMap(chosen.kind, resolver.options(chosen.options, (*path, chosen.kind)), (), (), (*path, chosen.kind))


def _symmetry(symmetry: language.Symmetry | None, default: tuple[str, float | None], at: Path) -> Symmetry:
    if symmetry is None:
        return Symmetry(default, {}, ("block", "symmetry"))
    whole = (symmetry.whole.kind, symmetry.whole.penalty) if symmetry.whole else ("tied", None)
    return Symmetry(whole, {name: (kind.kind, kind.penalty) for name, kind in symmetry.pulls.items()}, (*at, "symmetry"))


def _group(group: language.Group, update: language.Update, at: Path) -> Group:
    own = tuple(layer for layer, kind in group.norm.items() if kind == "own")
    return Group(group.synapses, group.form or update.form, group.step or update.step, own, at)


def ensures(ham: Ham) -> list[str]:
    """Every size is a positive integer."""
    sizes = {**ham.dims, **ham.input, **ham.block.axes, "depth": ham.block.depth, "steps": ham.block.steps}
    return [f"{name} has no size" for name, size in sizes.items() if size <= 0]


PASS = Pass("resolve-dims", run, ensures)
