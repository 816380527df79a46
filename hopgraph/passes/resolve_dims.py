"""resolve-dims: a validated spec to a HAM graph in which every size is an integer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from hopgraph.energy.options import Dim, Learned, OptionModel, Real
from hopgraph.energy.records import UNKNOWN
from hopgraph.errors import At, Findings, Path, listing, rename_help
from hopgraph.frontend import spec as language
from hopgraph.frontend import symmetry as symmetries
from hopgraph.frontend import update as updates
from hopgraph.frontend.choice import Chosen
from hopgraph.frontend.choices import EndSum, Sum
from hopgraph.frontend.dims import DimError, evaluate, evaluate_real, names_in
from hopgraph.frontend.names import check_name
from hopgraph.graph.ham import (
    OFF,
    Block,
    Chain,
    ChainMap,
    Circle,
    Drop,
    EndOp,
    Factor,
    Group,
    Ham,
    Input,
    Layer,
    Mode,
    Penalty,
    Stage,
    Step,
    Symmetry,
    Synapse,
)
from hopgraph.graph.order import among, arrange
from hopgraph.passes.base import Pass

IMAGE_AXES = ("channels", "height", "width")


class Resolver:
    """Evaluates the dims of a spec, and what is written in terms of them."""

    def __init__(
        self, declared: Mapping[str, Dim], findings: Findings, at: Path = ("dims",), outer: Mapping[str, int] | None = None
    ) -> None:
        self.findings = findings
        self.at = at
        self.dims: dict[str, int] = dict(outer or {})
        self.declared = tuple({**self.dims, **declared})
        self.declare(declared)

    def declare(self, declared: Mapping[str, Dim]) -> None:
        """Evaluate the dims in the order of their dependence; a circle is an error."""
        for name in declared:
            check_name(name, "dim", At((*self.at, name), key=True), self.findings)
        arranged = arrange(among(declared, {name: _names(dim.text) for name, dim in declared.items()}))
        for members in arranged.circles:
            self.report_circle(members, declared)
            self.dims.update(dict.fromkeys(members, UNKNOWN))
        for name in arranged.order:
            self.dims[name] = self.size(declared[name], (*self.at, name))
        self.dims = {name: self.dims[name] for name in self.declared}

    def inner(self, declared: Mapping[str, Dim], at: Path) -> Resolver:
        """A resolver with more dims, or others of the same names."""
        return Resolver(declared, self.findings, at, self.dims) if declared else self

    def report_circle(self, members: frozenset[str], declared: Mapping[str, Dim]) -> None:
        """Report one way around, from the member that is declared first."""
        way = [next(name for name in declared if name in members)]
        while way[-1] not in way[:-1]:
            way.append(next(name for name in _names(declared[way[-1]].text) if name in members))
        way = way[way.index(way[-1]) :]
        shown = " -> ".join(way if len(way) <= 8 else [*way[:4], "...", *way[-3:]])
        self.findings.add("dim-cycle", f"the dims refer to each other in a circle: {shown}", At((*self.at, way[0])))

    def size(self, dim: Dim, path: Path) -> int:
        """The value of an expression, or UNKNOWN after a diagnostic."""
        try:
            used = _names(dim.text)
            if any(self.dims.get(name) == UNKNOWN for name in used):
                return UNKNOWN
            return evaluate(dim.text, self.dims)
        except DimError as error:
            self.report(error, path)
            return UNKNOWN

    def real(self, value: Real, path: Path) -> float:
        """The value of an expression that need not be whole, or 1 after a diagnostic."""
        try:
            if any(self.dims.get(name) == UNKNOWN for name in _names(value.text)):
                return 1.0
            return evaluate_real(value.text, self.dims, value.least)
        except DimError as error:
            self.report(error, path)
            return 1.0

    def report(self, error: DimError, path: Path) -> None:
        """Report an expression that cannot be read or evaluated."""
        notes = [f"declared dims: {listing(self.declared)}"] if error.name else []
        helps = rename_help(error.name, self.declared) if error.name else []
        at = At(path, offset=error.offset, length=error.length)
        self.findings.add(error.code, error.message, at, notes=notes, helps=helps)

    def options(self, model: OptionModel, path: Path) -> dict[str, Any]:
        """A record's options with every dim in them evaluated."""
        return {name: self.option(getattr(model, name), (*path, name)) for name in type(model).model_fields}

    def option(self, value: Any, path: Path) -> Any:
        """An option with every dim in it evaluated."""
        if isinstance(value, Dim):
            return self.size(value, path)
        if isinstance(value, Real):
            return self.real(value, path)
        if isinstance(value, Learned):
            return {"learned": self.real(value.start, (*path, "learned"))}
        if isinstance(value, OptionModel):
            return self.options(value, path)
        if isinstance(value, tuple):
            items = cast("tuple[Any, ...]", value)
            return tuple(self.option(item, (*path, index)) for index, item in enumerate(items))
        if isinstance(value, dict):
            entries = cast("dict[str, Any]", value)
            return {name: self.option(item, (*path, name)) for name, item in entries.items()}
        return value


def _names(text: str) -> tuple[str, ...]:
    try:
        return names_in(text)
    except DimError:
        return ()


def run(spec: language.Spec, findings: Findings) -> Ham:
    """The graph of a spec. Names that cannot be used and dims that cannot be evaluated are reported."""
    check_name(spec.name, "spec", At(("name",)), findings)
    resolver = Resolver(spec.dims, findings)
    return Ham(
        name=spec.name,
        dims=dict(resolver.dims),
        input=_input(spec.input, resolver),
        encoder=_ends(spec.encoder, ("encoder",), resolver),
        stages=_stages(spec, resolver),
        readout=_ends(spec.readout, ("readout",), resolver),
        fold=spec.fold,
    )


def _input(given: language.Input, resolver: Resolver) -> Input:
    at: Path = ("input",)
    if given.image is not None:
        sizes = [resolver.size(dim, (*at, "image", index)) for index, dim in enumerate(given.image)]
        return Input("image", dict(zip(IMAGE_AXES, sizes, strict=True)))
    if given.tokens is not None:
        length = resolver.size(given.tokens.length, (*at, "tokens", "length"))
        return Input("tokens", {"tokens": length}, resolver.size(given.tokens.vocabulary, (*at, "tokens", "vocabulary")))
    axes = given.tensor or {}
    tensor: dict[str, int] = {}
    for name, dim in axes.items():
        fits = check_name(name, "axis", At((*at, "tensor", name), key=True), resolver.findings)
        tensor[name] = resolver.size(dim, (*at, "tensor", name)) if fits else UNKNOWN
    return Input("tensor", tensor)


def _ends(chosen: tuple[Chosen, ...], at: Path, resolver: Resolver) -> tuple[EndOp, ...]:
    seen: dict[str, int] = {}
    found: list[EndOp] = []
    for index, item in enumerate(chosen):
        seen[item.kind] = seen.get(item.kind, 0) + 1
        name = item.kind if seen[item.kind] == 1 else f"{item.kind}_{seen[item.kind]}"
        path: Path = (*at, index, item.kind)
        if isinstance(item.options, EndSum):
            branches = tuple(_ends(chain, (*path, number), resolver) for number, chain in enumerate(item.options.chains))
            found.append(EndOp("sum", name, {}, path, {}, {}, branches))
        else:
            found.append(EndOp(item.kind, name, resolver.options(item.options, path), path, {}, {}))
    return tuple(found)


def _stages(spec: language.Spec, resolver: Resolver) -> tuple[Stage, ...]:
    if spec.block is not None:
        return (Stage((), _BlockResolver(spec.block, resolver, ("block",)).block()),)
    found: list[Stage] = []
    for index, stage in enumerate(spec.stages):
        at: Path = ("stages", index)
        inner = resolver.inner(stage.dims, (*at, "dims"))
        block = _BlockResolver(stage.block, inner, (*at, "block")).block()
        found.append(Stage(_ends(stage.down, (*at, "down"), inner), block))
    return tuple(found)


class _BlockResolver:
    """One block of a spec to one of the graph."""

    def __init__(self, given: language.Block, resolver: Resolver, at: Path) -> None:
        self.given, self.at, self.findings = given, at, resolver.findings
        self.axes = {name: resolver.size(dim, (*at, "axes", name)) for name, dim in given.axes.items()}
        self.outer = resolver
        extra = {name: size for name, size in self.axes.items() if name not in resolver.dims}
        self.resolver = Resolver({}, resolver.findings, at, {**resolver.dims, **extra})  # axes may stand in a temperature

    def block(self) -> Block:
        """The block."""
        given, at = self.given, self.at
        for kind, field, names in (
            ("axis", "axes", given.axes),
            ("layer", "layers", given.layers),
            ("synapse", "synapses", given.synapses),
        ):
            for name in names:
                check_name(name, kind, At((*at, field, name), key=True), self.findings)
        groups = None
        if given.update.groups is not None:
            groups = tuple(self.group(group, (*at, "update", "groups", index)) for index, group in enumerate(given.update.groups))
        return Block(
            at=at,
            depth=self.outer.size(given.depth, (*at, "depth")),
            steps=self.outer.size(given.steps, (*at, "steps")),
            axes=self.axes,
            layers=tuple(self.layer(name, layer) for name, layer in given.layers.items()),
            synapses=tuple(self.synapse(name, synapse) for name, synapse in given.synapses.items()),
            groups=groups,
            form=given.update.form,
            step=self.step(given.update.step, (*at, "update", "step")),
            drop=self.drop(given.update.drop),
            circles=tuple(self.circle(solve, index) for index, solve in enumerate(given.solve)),
            entry=given.entry or "",
            exit=given.exit or "",
        )

    def layer(self, name: str, layer: language.Layer) -> Layer:
        """A layer with its Lagrangian's options."""
        at: Path = (*self.at, "layers", name)
        chosen: Chosen = layer.lagrangian
        options = self.resolver.options(chosen.options, (*at, "lagrangian", chosen.kind))
        tau = self.resolver.real(layer.tau, (*at, "tau"))
        return Layer(name, layer.axes, chosen.kind, options, layer.fast, at, layer.clamped, tau)

    def synapse(self, name: str, synapse: language.Synapse) -> Synapse:
        """A synapse with its factors; of a directed one the target first, the pulls on the others off."""
        at: Path = (*self.at, "synapses", name)
        if synapse.factors is not None:
            factors = tuple(self.factor(key, factor, (*at, "factors", key)) for key, factor in synapse.factors.items())
            symmetry = self.symmetry(synapse.symmetry, at)
        else:
            factors = self.directed(synapse, at)
            symmetry = Symmetry(Mode("tied"), {factor.name: OFF for factor in factors[1:]}, at)
        alone = factors[0].name if len(factors) == 1 or synapse.target else ""  # where a bias needs no name: there is one pull
        biases = {key or alone: axes for key, axes in synapse.bias.items()}
        return Synapse(name, factors, symmetry, at, biases)

    def directed(self, synapse: language.Synapse, at: Path) -> tuple[Factor, ...]:
        """The factors of `from` and `to`, named after their layers where the spec gives them no name."""
        assert synapse.target is not None
        target = self.factor(synapse.target.layer, synapse.target, (*at, "to"), named=False)
        found = [target]
        for key, factor in (synapse.sources or {}).items():
            name = key or (f"{factor.layer}_in" if factor.layer == target.name else factor.layer)
            found.append(self.factor(name, factor, (*at, "from", key) if key else (*at, "from"), named=bool(key)))
        return tuple(found)

    def factor(self, name: str, factor: language.Factor, at: Path, named: bool = True) -> Factor:
        """A factor with its chain; `named` where the spec names it."""
        if named:
            check_name(name, "factor", At(at, key=True), self.findings)
        return Factor(name, factor.layer, dict(factor.rename), self.chain(factor.through, (*at, "through")), at)

    def chain(self, maps: tuple[Chosen, ...], at: Path) -> Chain:
        """A chain of maps, those inside sums too."""
        return tuple(self.map(chosen, (*at, index, chosen.kind)) for index, chosen in enumerate(maps))

    def map(self, chosen: Chosen, at: Path) -> ChainMap:
        """One map; a sum holds chains."""
        if isinstance(chosen.options, Sum):
            branches = tuple(self.chain(chain, (*at, index)) for index, chain in enumerate(chosen.options.chains))
            return ChainMap("sum", {}, (), (), at, branches)
        return ChainMap(chosen.kind, self.resolver.options(chosen.options, at), (), (), at)

    def symmetry(self, symmetry: symmetries.Symmetry | None, at: Path) -> Symmetry:
        """What is said of a synapse's symmetry, by itself or by its block."""
        if symmetry is None and "symmetry" not in self.given.model_fields_set:
            return Symmetry(Mode("tied"), {}, at)
        if symmetry is None:
            return Symmetry(self.mode(self.given.symmetry, (*self.at, "symmetry")), {}, (*self.at, "symmetry"))
        at = (*at, "symmetry")
        whole = self.mode(symmetry.whole, at) if symmetry.whole else Mode("tied")
        return Symmetry(whole, {name: self.mode(kind, (*at, name)) for name, kind in symmetry.pulls.items()}, at)

    def mode(self, kind: symmetries.SymmetryKind, at: Path) -> Mode:
        """What one pull reads."""
        returns = self.chain(kind.own.chain, (*at, "own", "return")) if kind.own else None
        return Mode(kind.kind, _penalty(kind.penalty) if kind.penalty else None, returns)

    def step(self, step: updates.Step, at: Path) -> Step:
        """A fixed step, or one that is learned."""
        if step.fixed is not None:
            return Step(self.resolver.real(step.fixed, at))
        return Step(self.resolver.real(step.start, (*at, "start")), True, step.learned or (), step.sign == "free")

    def drop(self, drop: updates.Drop | None) -> Drop | None:
        """Stochastic depth; none at a rate of 0."""
        return Drop(drop.rate, drop.per, drop.schedule) if drop and drop.rate else None

    def group(self, group: updates.Group, at: Path) -> Group:
        """A group, with the update's form, step and stochastic depth where it has none of its own."""
        update = self.given.update
        step_at = (*at, "step") if group.step else (*self.at, "update", "step")
        step = self.step(group.step or update.step, step_at)
        own = tuple(layer for layer, kind in group.norm.items() if kind == "own")
        drop = self.drop(group.drop or update.drop)
        return Group(group.synapses, group.form or update.form, step, own, at, step_at, drop)

    def circle(self, solve: updates.Solve, index: int) -> Circle:
        """How a circle of fast layers is solved."""
        at: Path = (*self.at, "solve", index) if len(self.given.solve) > 1 else (*self.at, "solve")
        return Circle(solve.order, self.resolver.size(solve.iterations, (*at, "iterations")), at)


def _penalty(penalty: symmetries.Penalty) -> Penalty:
    if penalty.learned is not None:
        return Penalty(penalty.learned, penalty.learned, learned=True, prior=penalty.prior)
    if penalty.constant is not None:
        return Penalty(penalty.constant, penalty.constant)
    assert penalty.start is not None
    assert penalty.end is not None
    return Penalty(penalty.start, penalty.end, penalty.schedule)


def ensures(ham: Ham) -> list[str]:
    """Every size is a positive integer."""
    sizes = {**ham.dims, **ham.input.axes}
    for index, stage in enumerate(ham.stages):
        sizes |= {f"{index}.{name}": size for name, size in stage.block.axes.items()}
        sizes |= {f"depth of {index}": stage.block.depth, f"steps of {index}": stage.block.steps}
    return [f"{name} has no size" for name, size in sizes.items() if size <= 0]


PASS = Pass("resolve-dims", run, ensures)
