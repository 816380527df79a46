"""The kinds of synapses that a random spec is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.laws.drawing.canvas import Canvas, Factor
from tests.laws.drawing.chains import chain, meeting, seen_through, square, way_back

Factors = dict[str, Factor]

PENALTIES: tuple[Any, ...] = (
    0.0,
    0.2,
    {"from": 0.1, "to": 0},
    {"from": 0.1, "to": 0.001, "schedule": "geometric"},
    {"from": 0, "to": 1, "schedule": "cosine"},
    {"learned": 0.01},
    {"learned": 0.5, "prior": 1e-3},
)
_CALM = ("tanh", "sigmoid", "gelu", "relu", "softmax", "layernorm", "identity")
"""Lagrangians under which the iterations of a circle stay in range."""


def add(canvas: Canvas, factors: Factors, off: tuple[str, ...] = (), fixed: tuple[str, ...] = ()) -> str:
    """Add a synapse with a random symmetry. The pulls on factors `off` are left out; those on `fixed` must stay."""
    kinds: dict[str, Any] = dict.fromkeys(off, "off")
    whole = None
    if canvas.recipe.symmetry == "any" and canvas.rng.random() < 0.7:
        if off or canvas.rng.random() < 0.5:
            kinds |= _pulls(canvas, {name: factor for name, factor in factors.items() if name not in off}, fixed)
        else:
            whole = canvas.rng.choice(["tied", "own", {"penalized": canvas.rng.choice(PENALTIES)}])
    return canvas.add(factors, kinds, whole)


def _pulls(canvas: Canvas, factors: Factors, fixed: tuple[str, ...]) -> dict[str, Any]:
    """A symmetry for each pull: one of them tied."""
    base = canvas.rng.choice(list(factors))
    choices: list[Any] = ["tied", "own", {"penalized": canvas.rng.choice(PENALTIES)}]
    kinds = {name: canvas.rng.choice(choices if name in fixed else [*choices, "off"]) for name in factors}
    return {**kinds, base: "tied"}


def _slow(canvas: Canvas) -> str:
    """A slow layer, one that moves."""
    return canvas.rng.choice(canvas.moving)


# --- synapses that may be tied ---


def ordinary(canvas: Canvas) -> None:
    """A fast layer and a slow one, chains on either or both sides."""
    x = seen_through(canvas, canvas.rng.choice(canvas.slow), canvas.rng.choice([1, 1, 1, 2, 0, 3]))
    name, fast = meeting(canvas, x.ends, canvas.fast_layer)
    add(canvas, {name: fast, "x": x}, fixed=(name,))


def gate(canvas: Canvas) -> None:
    """A fast layer gates the product of two maps of a slow layer."""
    layer = _slow(canvas)
    axes = canvas.axes(layer)
    new = canvas.axis()
    last = axes[-1]
    left, right = ([{"dense": {last: new, **extra}}] for extra in ({"bias": True}, {}))
    ends = [*axes[:-1], new]
    name, fast = meeting(canvas, ends, canvas.fast_layer)
    add(canvas, {name: fast, "v1": Factor(layer, axes, ends, {}, left), "v2": Factor(layer, axes, ends, {}, right)}, fixed=(name,))


def attention(canvas: Canvas) -> None:
    """Weights over two roles of a slow layer, its axes renamed."""
    layer = _slow(canvas)
    first, *rest = axes = canvas.axes(layer)
    if not rest:
        return ordinary(canvas)
    q, k, y = canvas.axis(canvas.sizes[first]), canvas.axis(canvas.sizes[first]), canvas.axis()
    heads = [canvas.axis(2)] if canvas.rng.random() < 0.5 else []
    name = canvas.fast_layer([*heads, q, k, *rest[:-1]])
    factors: Factors = {"weights": Factor(name, canvas.axes(name), canvas.axes(name))}
    for role, axis in (("query", q), ("key", k)):
        through = [{"dense": {rest[-1]: [*heads, y] if heads else y}}]
        seen = [axis, *axes[1:]]
        factors[role] = Factor(layer, seen, [axis, *rest[:-1], *heads, y], {first: axis}, through)
    add(canvas, factors, fixed=("weights",))
    return None


def self_coupling(canvas: Canvas) -> None:
    """A slow layer with itself: -<g, A g>."""
    layer = _slow(canvas)
    axes = canvas.axes(layer)
    axis = canvas.rng.choice(axes)
    through: list[Any] = [{"dense": {axis: axis}}] if canvas.rng.random() < 0.8 else []
    add(canvas, {"left": Factor(layer, axes, axes), "right": Factor(layer, axes, axes, {}, through)})


def pair(canvas: Canvas) -> None:
    """A new slow layer, coupled with one that is there."""
    if len(canvas.slow) >= canvas.recipe.slow_layers:
        return ordinary(canvas)
    x = seen_through(canvas, canvas.rng.choice(canvas.slow), canvas.rng.choice([1, 1, 2, 0]))
    name, other = meeting(canvas, x.ends, canvas.new_slow)
    add(canvas, {name: other, "x": x}, fixed=(name,))
    return None


def shared(canvas: Canvas) -> None:
    """A fast layer that a slow layer and another one feed."""
    first = _slow(canvas)
    second = canvas.rng.choice(canvas.slow)
    if canvas.rng.random() < 0.4:
        first, second = second, first
    one = seen_through(canvas, first, 1)
    name, fast = meeting(canvas, one.ends, canvas.fast_layer)
    axes = canvas.axes(second)
    through = [{"dense": {"from": axes, "to": one.ends}}] if set(axes) != set(one.ends) else [{"dense": {axes[0]: axes[0]}}]
    add(canvas, {name: fast, "x": one}, fixed=(name,))
    axes_of_fast = Factor(name, fast.seen, fast.ends, fast.rename, fast.through)
    add(canvas, {name: axes_of_fast, "y": Factor(second, axes, one.ends, {}, through)}, fixed=(name,))


def triple(canvas: Canvas) -> None:
    """A fast layer times a slow layer times another."""
    layer = _slow(canvas)
    one = seen_through(canvas, layer, 1)
    other = canvas.rng.choice(canvas.slow)
    axes = canvas.axes(other)
    if set(axes) & set(one.ends):
        return gate(canvas)
    name, fast = meeting(canvas, one.ends, canvas.fast_layer)
    through = [{"dense": {"from": axes, "to": one.ends}}]
    add(canvas, {name: fast, "v1": one, "v2": Factor(other, axes, one.ends, {}, through)}, fixed=(name,))
    return None


def circle(canvas: Canvas) -> None:
    """Two fast layers that feed each other, or three in a row or all with all, solved in order."""
    rng = canvas.rng
    kinds = tuple(kind for kind in canvas.recipe.fast if kind in _CALM)
    x = seen_through(canvas, _slow(canvas), 1)
    first = canvas.fast_layer(x.ends, kinds)
    names = [first]
    add(canvas, {first: Factor(first, x.ends, x.ends), "x": x}, fixed=(first,))
    ring = rng.random() < 0.3
    for _ in range(2 if ring or rng.random() < 0.3 else 1):
        before, axes = names[-1], canvas.axes(names[-1])
        old = rng.choice(axes)
        new = old if ring else canvas.axis()
        target = [new if axis == old else axis for axis in axes]
        names.append(canvas.fast_layer(target, kinds))
        _link(canvas, names[-1], before, [_limited(canvas, old, new)], target)
    if ring:
        old = rng.choice(x.ends)
        _link(canvas, names[0], names[2], [_limited(canvas, old, old)], x.ends)
    canvas.solve.append({"order": names, "iterations": rng.randint(1, 3)})


def _limited(canvas: Canvas, old: str, new: str) -> Any:
    """A dense map that cannot be large."""
    return {"dense": {old: new, "spectral": canvas.rng.choice([0.5, 0.8]), **({"bias": True} if canvas.rng.random() < 0.5 else {})}}


def _link(canvas: Canvas, first: str, second: str, through: list[Any], ends: list[str]) -> None:
    """A synapse of two fast layers that feed each other."""
    factors = {first: Factor(first, ends, ends), second: Factor(second, canvas.axes(second), ends, {}, through)}
    add(canvas, factors, fixed=(first, second))


# --- synapses that no energy has ---


def relay(canvas: Canvas) -> None:
    """A fast layer feeds a second one, which pulls on a slow layer."""
    layer = _slow(canvas)
    axes = canvas.axes(layer)
    first = _copy(canvas, layer)
    second = canvas.fast_layer(axes)
    for source, target in ((first, second), (second, layer)):
        _directed(canvas, {source: Factor(source, axes, axes, {}, [square(canvas, axes, bias=True)[0]])}, Factor(target, axes, axes))


def product(canvas: Canvas) -> None:
    """Two fast layers multiply into a slow one: a directed gate."""
    layer = _slow(canvas)
    axes = canvas.axes(layer)
    left, right = _copy(canvas, layer), _copy(canvas, layer)
    _directed(canvas, {name: Factor(name, axes, axes) for name in (left, right)}, Factor(layer, axes, axes))


def _copy(canvas: Canvas, layer: str) -> str:
    """A fast layer with a slow one's axes, fed by it through a map."""
    axes = canvas.axes(layer)
    name = canvas.fast_layer(axes)
    step = {"dense": {axes[0]: axes[0]}}
    add(canvas, {name: Factor(name, axes, axes), "x": Factor(layer, axes, axes, {}, [step])}, fixed=(name,))
    return name


def _directed(canvas: Canvas, sources: Factors, target: Factor) -> None:
    """A synapse `from` some factors `to` one, its chains squared away onto the axes of the target."""
    rng = canvas.rng
    name = f"syn{len(canvas.synapses)}"
    for factor in sources.values():
        factor.through = _onto(canvas, factor, target.seen)
    written: dict[str, Any] = {key: factor.written(rng) for key, factor in sources.items()}
    if len(written) == 1 and rng.random() < 0.6:
        ((_, written),) = written.items()
    synapse = {"from": written, "to": target.written(rng)}
    axes = canvas.axes(target.layer)
    if rng.random() < 0.3:
        synapse["bias"] = {target.layer: rng.sample(axes, 1)}
    canvas.keep(name, synapse, [(target.layer, target.layer)])


def _onto(canvas: Canvas, factor: Factor, axes: list[str]) -> list[Any]:
    """A chain that keeps the axes, in place of one that renames some."""
    kept = [step for step in factor.through if "dense" in step and all(old == new for old, new in step["dense"].items() if old in axes)]
    return kept or [{"dense": {axes[0]: axes[0]}}]


def directed(canvas: Canvas) -> None:
    """A slow layer to itself or to another, one way."""
    layer = _slow(canvas)
    other = canvas.rng.choice(canvas.slow)
    axes, given = canvas.axes(layer), canvas.axes(other)
    step = {"dense": {"from": given, "to": axes}} if not set(axes) & set(given) else None
    if layer != other and step is None:
        return relay(canvas)
    steps, ends = ([step], axes) if step else chain(canvas, given, 0)
    factor = Factor(other, given, ends, {}, steps)
    name = f"syn{len(canvas.synapses)}"
    canvas.keep(name, {"from": {"layer": other, "through": factor.through}, "to": layer}, [(layer, layer)])
    return None


def returned(canvas: Canvas) -> None:
    """A fast layer and a slow one, whose pull has a return chain of its own."""
    x = seen_through(canvas, _slow(canvas), canvas.rng.choice([1, 1, 2]))
    name, fast = meeting(canvas, x.ends, canvas.fast_layer)
    canvas.add({name: fast, "x": x}, {"x": {"own": {"return": way_back(canvas, x)}}})


def causal(canvas: Canvas) -> None:
    """A mask over positions, directed: nothing may couple them besides."""
    layer = _slow(canvas)
    axes = canvas.axes(layer)
    coupled = {axis for other in canvas.layers.values() for axis in next(iter(_options(other).values())).get("over", ())}
    free = [axis for axis in axes if axis not in coupled]
    if not free or canvas.solve:
        return directed(canvas)
    axis = canvas.rng.choice(free)
    past = canvas.axis(canvas.sizes[axis])
    canvas.hidden |= {axis, past}
    options = canvas.rng.choice([{"mask": "causal"}, {"mask": "strict"}, {"mask": "causal", "toeplitz": True}])
    through = [{"dense": {past: axis, **options, "bias": True}}]
    seen = [past if name == axis else name for name in axes]
    factors = {"now": Factor(layer, axes, axes), "past": Factor(layer, seen, axes, {axis: past}, through)}
    canvas.add(factors, {"past": "off"})
    return None


def _options(layer: dict[str, Any]) -> dict[str, Any]:
    return layer["lagrangian"]


KINDS: dict[str, Callable[[Canvas], None]] = {
    "ordinary": ordinary,
    "gate": gate,
    "attention": attention,
    "self": self_coupling,
    "pair": pair,
    "shared": shared,
    "triple": triple,
    "circle": circle,
    "relay": relay,
    "product": product,
    "returned": returned,
    "directed": directed,
    "causal": causal,
}
"""How each kind of synapse is added to a block."""


def feed(canvas: Canvas, layer: str) -> None:
    """A fast layer that pulls on a layer, tied."""
    x = seen_through(canvas, layer, 1)
    name, fast = meeting(canvas, x.ends, canvas.fast_layer)
    canvas.add({name: fast, "x": x}, {"x": "tied"})


def field(canvas: Canvas) -> None:
    """An external field of a slow layer: a synapse of one factor."""
    layer = _slow(canvas)
    axes = canvas.axes(layer)
    bias: Any = canvas.rng.choice(["scalar", canvas.rng.sample(axes, canvas.rng.randint(1, len(axes)))])
    name = f"syn{len(canvas.synapses)}"
    if canvas.rng.random() < 0.5:
        bias = {"x": bias}
    canvas.keep(name, {"factors": {"x": layer}, "bias": bias}, [("x", layer)])
