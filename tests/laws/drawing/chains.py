"""Random chains of linear maps: each gives what is written, and the axes that it ends in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.laws.drawing.canvas import Canvas, Factor

Axes = list[str]
Drawn = tuple[Any, Axes]


def chain(canvas: Canvas, axes: Axes, length: int) -> tuple[list[Any], Axes]:
    """A chain of maps, and the axes that it ends in."""
    steps: list[Any] = []
    for _ in range(length):
        step, axes = any_map(canvas, axes)
        steps.append(step)
    return steps, axes


def any_map(canvas: Canvas, axes: Axes) -> Drawn:
    """A map of a random kind; dense ones half of the time."""
    kinds = [kind for kind in canvas.recipe.maps if kind in MAPS]
    kind = "dense" if canvas.rng.random() < 0.5 else canvas.rng.choice(kinds)
    return MAPS[kind](canvas, axes)


# --- dense ---


def dense(canvas: Canvas, axes: Axes) -> Drawn:
    """A dense map: of one axis or two, to a new one, to itself or to two; of low rank, per position, masked, Toeplitz, limited."""
    return square(canvas, axes) if canvas.rng.random() < 0.35 else _rectangular(canvas, axes)


def _rectangular(canvas: Canvas, axes: Axes) -> Drawn:
    rng = canvas.rng
    roles = rng.sample(axes, len(axes))
    old = roles[: rng.choice([1, 1, 1, min(2, len(roles))])]
    rest = roles[len(old) :]
    new = [canvas.axis() for _ in range(rng.choice([1, 1, 2]) if len(axes) - len(old) < 2 else 1)]
    if rng.random() < 0.2 and len(axes) < 4:
        new.insert(rng.randint(0, len(new)), rng.choice(old))
    target: Any = new[0] if len(new) == 1 else new
    options: dict[str, Any] = {old[0]: target} if len(old) == 1 and rng.random() < 0.7 else {"from": old, "to": target}
    if rest and rng.random() < 0.2:
        options["per"] = rng.sample(rest, rng.randint(1, len(rest)))
    options |= rng.choice([{}, {}, {"rank": rng.randint(1, 2)}, {"spectral": rng.choice([0.5, 0.9])}])
    options |= _bias(canvas)
    first = axes.index(old[0])
    before = [axis for axis in axes[:first] if axis not in old]
    return {"dense": options}, [*before, *new, *(axis for axis in axes[first:] if axis not in old)]


def square(canvas: Canvas, axes: Axes, *, bias: bool = True) -> Drawn:
    """A dense map of an axis onto itself, or onto one of the same size where it is masked or Toeplitz."""
    rng = canvas.rng
    old = rng.choice(axes)
    new = old if rng.random() < 0.7 else canvas.axis(canvas.sizes[old])
    options: dict[str, Any] = {old: new, **(_bias(canvas) if bias else {})}
    if rng.random() < 0.5:
        options |= rng.choice(
            [{"mask": "off_diagonal"}, {"mask": {"band": 1}}, {"toeplitz": True}, {"toeplitz": True, "mask": {"band": 1}}]
        )
    if rng.random() < 0.2:
        options["spectral"] = 0.8
    return {"dense": options}, [new if axis == old else axis for axis in axes]


def _bias(canvas: Canvas) -> dict[str, bool]:
    return {"bias": True} if canvas.rng.random() < 0.5 else {}


# --- windows ---


def conv(canvas: Canvas, axes: Axes) -> Drawn:
    """A convolution of the same size over an axis or two, or one with a stride, to a new axis; depthwise, mapped or shared."""
    rng = canvas.rng
    over, ends, options = _windows(canvas, axes)
    rest = [axis for axis in axes if axis not in over]
    if rest and rng.random() < 0.8:
        which = rng.choice(["map", "per", "per", "square"])
        axis = rng.choice(rest)
        if which == "per":
            options["per"] = axis
        else:
            new = axis if which == "square" else canvas.axis(rng.choice([None, canvas.sizes[axis]]))
            options["map"] = {axis: new}
            if canvas.sizes[new] == canvas.sizes[axis] and rng.random() < 0.5:
                options["mask"] = "off_diagonal"
            ends = [new if end == axis else end for end in ends]
    return {"conv": {**options, **_bias(canvas)}}, ends


def pool(canvas: Canvas, axes: Axes) -> Drawn:
    """The means of windows."""
    over, ends, options = _windows(canvas, axes)
    if options["kernel"] != 1 and min(canvas.sizes[axis] for axis in over) < 2:  # a window of one position has nothing beside it
        return scale(canvas, axes)
    return {"pool": {**options, "count_include_pad": canvas.rng.random() < 0.5}}, ends


def _windows(canvas: Canvas, axes: Axes) -> tuple[Axes, Axes, dict[str, Any]]:
    """The axes that windows go over, the axes of the result, and what is written of both."""
    rng = canvas.rng
    over = rng.sample(axes, rng.choice([1, 1, 1, min(2, len(axes))]))
    if len(over) == 1 and canvas.sizes[over[0]] > 1 and rng.random() < 0.3:
        (old,) = over
        kernel = rng.randint(1, 2)
        new = canvas.axis((canvas.sizes[old] - kernel) // 2 + 1)
        options = {"over": {old: new}, "kernel": kernel, "stride": 2, "padding": "valid"}
        return over, [new if axis == old else axis for axis in axes], options
    kernel = [rng.choice([1, 3, 3, 2]) for _ in over]
    return over, axes, {"over": over if len(over) > 1 else over[0], "kernel": kernel if len(over) > 1 else kernel[0]}


# --- maps that keep the axes ---


def scale(canvas: Canvas, axes: Axes) -> Drawn:
    """A number, or a learned gain."""
    rng = canvas.rng
    gain = rng.choice(["scalar", rng.sample(axes, rng.randint(1, len(axes)))])
    return {"scale": rng.choice([-1, 0.5, {"gain": gain}])}, axes


def rename(canvas: Canvas, axes: Axes) -> Drawn:
    """Another name for an axis."""
    old = canvas.rng.choice(axes)
    new = canvas.axis(canvas.sizes[old])
    return {"rename": {old: new}}, [new if axis == old else axis for axis in axes]


def mask(canvas: Canvas, axes: Axes) -> Drawn:
    """A part of two axes."""
    if len(axes) < 2:
        return scale(canvas, axes)
    pair = canvas.rng.sample(axes, 2)
    return {"mask": canvas.rng.choice([{"off_diagonal": pair}, {"band": pair, "width": 1}])}, axes


def batch_norm(canvas: Canvas, axes: Axes) -> Drawn:
    """A batch norm."""
    return {"batch_norm": {"per": canvas.rng.choice(axes)}}, axes


def _kept(canvas: Canvas, axes: Axes) -> Any:
    """A map that keeps the axes."""
    rng = canvas.rng
    axis = rng.choice(axes)
    kernel = rng.choice([1, 3 if canvas.sizes[axis] > 1 else 1])
    choices: list[Any] = [
        {"dense": {axis: axis, **_bias(canvas)}},
        {"conv": {"over": axis, "kernel": rng.choice([1, 3]), **_bias(canvas)}},
        {"pool": {"over": axis, "kernel": kernel}},
        *(scale(canvas, axes)[0], batch_norm(canvas, axes)[0]),
    ]
    return rng.choice([choice for choice in choices if next(iter(choice)) in canvas.recipe.maps])


def sums(canvas: Canvas, axes: Axes) -> Drawn:
    """The sum of two chains or three."""
    rng = canvas.rng
    return {"sum": [[_kept(canvas, axes) for _ in range(rng.randint(1, 2))] for _ in range(rng.randint(2, 3))]}, axes


MAPS: dict[str, Callable[[Canvas, Axes], Drawn]] = {
    "dense": dense,
    "conv": conv,
    "pool": pool,
    "scale": scale,
    "rename": rename,
    "mask": mask,
    "batch_norm": batch_norm,
    "sum": sums,
}


# --- factors ---


def seen_through(canvas: Canvas, layer: str, length: int) -> Factor:
    """A layer through a chain, sometimes with an axis renamed."""
    seen = canvas.axes(layer)
    renamed: dict[str, str] = {}
    if canvas.rng.random() < 0.25:
        old = canvas.rng.choice(seen)
        renamed[old] = canvas.axis(canvas.sizes[old])
        seen = [renamed.get(axis, axis) for axis in seen]
    steps, ends = chain(canvas, seen, length)
    return Factor(layer, seen, ends, renamed, steps)


def meeting(canvas: Canvas, axes: Axes, make: Callable[[Axes], str]) -> tuple[str, Factor]:
    """A new layer that meets `axes`: in another order, under other names or through a chain of its own."""
    axes = canvas.rng.sample(axes, len(axes))
    how = canvas.rng.random()
    if how > 0.5:
        name = make(axes)
        return name, Factor(name, axes, axes)
    if how > 0.3:
        old = canvas.rng.choice(axes)
        new = canvas.axis(canvas.sizes[old])
        name = make([new if axis == old else axis for axis in axes])
        return name, Factor(name, axes, axes, {new: old})
    count = canvas.rng.randint(1, min(2, len(axes)))
    new = canvas.axis()
    seen = [*axes[count:], new]
    name = make(seen)
    step = {"dense": {new: axes[:count] if count > 1 else axes[0], **_bias(canvas)}}
    return name, Factor(name, seen, axes, {}, [step])


def way_back(canvas: Canvas, factor: Factor) -> list[Any]:
    """An explicit return chain: from the axes of the product to those of the layer."""
    lost = [axis for axis in factor.seen if axis not in factor.ends]
    extra = [axis for axis in factor.ends if axis not in factor.seen]
    if lost and not extra:
        extra = [factor.ends[0]]
        lost = [*lost, factor.ends[0]]
    if extra and not lost:
        lost = [axis for axis in factor.ends if axis in factor.seen][:1]
        extra = [*extra, *lost]
    steps: list[Any] = [{"dense": {"from": extra, "to": lost, **_bias(canvas)}}] if extra else []
    if canvas.rng.random() < 0.4 or not steps:
        steps.append(_kept(canvas, factor.seen))
    return steps
