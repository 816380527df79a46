"""Maps that act position by position as index expressions: scale, mask, rename, batch_norm."""

from __future__ import annotations

from hopgraph.graph.ham import ChainMap
from hopgraph.show.expression import Expression, Kept, Negative, Number, Quotient, Root, product, total
from hopgraph.show.indices import Array, At, Scope, Weight


def scale(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """W x, w a number or learned; its own adjoint."""

    def value(at: At) -> Expression:
        if step.options.get("gain") is None:
            return _scaled(step.options["factor"], read(at))
        return product(weight("gain", tuple(at[axis] for axis in step.source if axis in step.options["gain"])), read(at))

    return value


def _scaled(factor: float, value: Expression) -> Expression:
    return Negative(_scaled(-factor, value)) if factor < 0 else product(Number(factor), value)


def mask(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """X where the mask keeps the place, else 0; its own adjoint."""

    def value(at: At) -> Expression:
        row, column = (at[axis] for axis in step.options["axes"])
        return product(Kept(step.options["pattern"], step.options.get("width") or 0, row, column), read(at))

    return value


def rename(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """X, its axes under new names."""
    return lambda at: read({old: at[new] for old, new in zip(step.source, step.target, strict=True)})


def rename_back(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """Y, its axes under the old names."""
    return lambda at: read({new: at[old] for old, new in zip(step.source, step.target, strict=True)})


def norm_forward(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """W (x - mean) / sqrt(var + eps) + bias, with the running mean and variance."""

    def value(at: At) -> Expression:
        here = (at[step.options["per"]],)
        centred = total(read(at), Negative(weight("running_mean", here)))
        return total(product(_gain(step, weight, at), centred), weight("bias", here))

    return value


def norm_adjoint(scope: Scope, step: ChainMap, weight: Weight, read: Array) -> Array:
    """W y / sqrt(var + eps)."""
    return lambda at: product(_gain(step, weight, at), read(at))


def _gain(step: ChainMap, weight: Weight, at: At) -> Expression:
    here = (at[step.options["per"]],)
    return Quotient(weight("weight", here), Root(total(weight("running_var", here), Number(step.options["eps"]))))
