"""Random valid specs, as YAML text, and models of them with random weights.

`random_spec(seed, recipe)` draws from the whole language that a recipe allows: a slow layer on one to three axes, fast
layers behind two- and three-factor synapses, symmetries, groups, forms, steps and depth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from hopgraph.energy.lagrangians import LAGRANGIANS
from hopgraph.errors import Source
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec, load

CONVEX = tuple(name for name, record in LAGRANGIANS.items() if (record.slopes({}) or (0,))[0] >= 0)
NORMS = tuple(name for name, record in LAGRANGIANS.items() if "gain" in record.options.model_fields)
ALL = tuple(LAGRANGIANS)

_AXES = ("k", "m", "h", "y", "q", "e", "A", "B1", "tokens", "heads", "p_q", "r", "t", "v", "w", "z")
_LAYERS = ("s", "h", "u", "g", "g_x", "torch", "self", "F", "x_0", "hidden", "image", "pull", "a2", "b2", "d2", "f2")


@dataclass(frozen=True)
class Recipe:
    """What a random spec may hold.

    `symmetry`: "tied"; "block" draws one for the whole block; "any" draws one for each synapse and pull too. `breaking`
    allows gains along normalized axes. `kinds` are those of :data:`KINDS`.
    """

    symmetry: str = "any"
    slow: tuple[str, ...] = ALL
    fast: tuple[str, ...] = ALL
    kinds: tuple[str, ...] = ("ordinary", "ordinary", "gate", "attention", "self", "relay", "product")
    breaking: bool = True
    groups: bool = True
    synapses: int = 3


EVERYTHING = Recipe()
TIED = Recipe(symmetry="tied", breaking=False)
ONE_GROUP = Recipe(symmetry="tied", breaking=False, groups=False)
GUARANTEED = Recipe("tied", CONVEX, CONVEX, ("ordinary",), breaking=False, groups=False)


def numbers(seed: int) -> Random:
    """Random numbers that are the same at every run."""
    return Random(seed)  # noqa: S311 (nothing here is a secret)


def lagrangian(rng: Random, kind: str, axes: list[str], *, breaking: bool) -> dict[str, Any]:
    """A Lagrangian of that kind with random options for a layer on `axes`, as the language writes it."""
    fields = LAGRANGIANS[kind].options.model_fields
    options: dict[str, Any] = {}
    over: list[str] = []
    if "over" in fields:
        over = options["over"] = rng.sample(axes, rng.randint(1, len(axes)))
    for field, values in (("beta", (1.0, 0.5, 2.0)), ("eps", (1e-6, 1e-3, 0.1)), ("n", (2, 3, 2.5))):
        if field in fields:
            options[field] = rng.choice(values)
    apart = [axis for axis in axes if axis not in over]
    if "gain" in fields:
        gains: list[Any] = ["none", "scalar", *([rng.sample(apart, rng.randint(1, len(apart)))] if apart else [])]
        gains += ["vector", rng.sample(axes, len(axes)), [rng.choice(over)]] if breaking else []
        options["gain"] = rng.choice(gains)
    if "bias" in fields:
        options["bias"] = rng.choice(["none", "scalar", "vector", rng.sample(axes, rng.randint(1, len(axes)))])
    return {kind: options}


class _Drawing:
    """One spec while it is drawn."""

    def __init__(self, seed: int, recipe: Recipe) -> None:
        self.rng = numbers(seed)
        self.recipe = recipe
        self.sizes: dict[str, int] = {}
        self.layers: dict[str, Any] = {}
        self.synapses: dict[str, Any] = {}
        self.still: set[str] = set()
        """Synapses that do not pull on the slow layer."""
        self.axis_names = self.rng.sample(_AXES, len(_AXES))
        self.layer_names = self.rng.sample(_LAYERS, len(_LAYERS))
        self.head, self.slow = self._entry()
        kind = self.rng.choice(recipe.slow)
        self.layers["x"] = {"axes": self.slow, "lagrangian": lagrangian(self.rng, kind, self.slow, breaking=recipe.breaking)}

    def text(self) -> str:
        """The whole spec."""
        for _ in range(self.rng.randint(1, self.recipe.synapses)):
            KINDS[self.rng.choice(self.recipe.kinds)](self)
        if self.still == set(self.synapses):
            KINDS["ordinary"](self)
        block: dict[str, Any] = {
            "depth": self.rng.randint(1, 2),
            "steps": self.rng.randint(1, 3),
            "axes": self.sizes,
            "layers": self.layers,
            "synapses": self.synapses,
            "symmetry": "tied" if self.recipe.symmetry == "tied" else self.rng.choice(["tied", "own", {"penalized": 1e-3}]),
            "update": self._update(),
        }
        readout: list[Any] = []
        if self.rng.random() < 0.5:
            *over, last = self.slow
            readout = [
                {"layernorm": {"over": [last], "gain": "vector", "bias": "vector"}},
                *([{"mean": over}] if over else []),
                {"linear": 3},
            ]
        spec = {"hopgraph": 1, "name": "random", **self.head, "block": block, "readout": readout}
        return yaml.safe_dump(spec, sort_keys=False, default_flow_style=None, width=120)

    def _entry(self) -> tuple[dict[str, Any], list[str]]:
        """The input and encoder that give a slow layer on one, two or three axes, and these axes."""
        dims = self.rng.randint(1, 3)
        sizes = [self.rng.randint(2, 4) for _ in range(3)]
        if dims == 3:
            axes = ["channels", "height", "width"]
            self.sizes.update(zip(axes, sizes, strict=True))
            return {"input": {"image": sizes}}, axes
        patch, channels = self.rng.randint(1, 2), self.rng.randint(2, 5)
        tokens, features = self.rng.choice([("n", "c"), ("c", "n"), ("T", "in_features")])
        grid = [self.rng.randint(1, 2), self.rng.randint(2, 3)]
        encoder: list[Any] = [{"patch_embed": {"size": patch, "channels": channels, "axes": [tokens, features]}}]
        head = {"input": {"image": [sizes[0], grid[0] * patch, grid[1] * patch]}, "encoder": encoder}
        self.sizes[features] = channels
        if dims == 1:
            encoder.append({"mean": [tokens]})
            return head, [features]
        self.sizes = {tokens: math.prod(grid), features: channels}
        return head, [tokens, features]

    def _update(self) -> dict[str, Any]:
        form = self.rng.choice(["residual", "decay"])
        update: dict[str, Any] = {"form": form, "step": self.rng.choice([0.1, 0.5, 1.0, 1.5])}
        moving = [name for name in self.synapses if name not in self.still]
        if not self.recipe.groups or self.rng.random() < 0.4:
            return update
        self.rng.shuffle(moving)
        cut = self.rng.randint(0, len(moving) - 1)
        update["groups"] = [self._group(part) for part in (moving[:cut], moving[cut:]) if part]
        return update

    def _group(self, names: list[str]) -> Any:
        if self.rng.random() < 0.5:
            return names
        group: dict[str, Any] = {"synapses": names, "step": self.rng.choice([0.3, 1.0]), "form": self.rng.choice(["residual", "decay"])}
        if self.recipe.breaking and self.rng.random() < 0.5:
            group["norm"] = {"x": "own"}
        return group

    # --- parts ---

    def axis(self, size: int | None = None) -> str:
        """A new axis."""
        name = self.axis_names.pop()
        self.sizes[name] = size or self.rng.choice([1, 2, 3, 3, 4])
        return name

    def dense(self, axes: list[str]) -> tuple[dict[str, Any], list[str]]:
        """A dense map of one axis: to a new one, to itself, to two new ones, or to itself and a new one."""
        old = self.rng.choice(axes)
        kinds = ["new", "new", "square"] + (["two", "mixed"] if len(axes) < 3 else [])
        kind = self.rng.choice(kinds)
        new = {"new": 1, "square": 0, "two": 2, "mixed": 1}[kind]
        target = [self.axis() for _ in range(new)]
        if kind in ("square", "mixed"):
            target.insert(self.rng.randint(0, len(target)), old)
        options: dict[str, Any] = {old: target[0] if len(target) == 1 else target}
        if self.rng.random() < 0.5:
            options["bias"] = True
        index = axes.index(old)
        return {"dense": options}, [*axes[:index], *target, *axes[index + 1 :]]

    def chain(self, axes: list[str], length: int) -> tuple[list[Any], list[str]]:
        """A chain of dense maps and the axes that it ends in."""
        steps: list[Any] = []
        for _ in range(length):
            step, axes = self.dense(axes)
            steps.append(step)
        return steps, axes

    def slow_factor(self, length: int) -> tuple[dict[str, Any], list[str]]:
        """The slow layer through a chain, sometimes with an axis renamed."""
        seen = list(self.slow)
        factor: dict[str, Any] = {"layer": "x"}
        if self.rng.random() < 0.3:
            old = self.rng.choice(seen)
            new = self.axis(self.sizes[old])
            factor["rename"] = {old: new}
            seen[seen.index(old)] = new
        steps, axes = self.chain(seen, length)
        return {**factor, **({"through": steps} if steps else {})}, axes

    def fast_layer(self, axes: list[str], kind: str | None = None) -> str:
        """A new fast layer."""
        name = self.layer_names.pop()
        kind = kind or self.rng.choice(self.recipe.fast)
        self.layers[name] = {"axes": axes, "lagrangian": lagrangian(self.rng, kind, axes, breaking=self.recipe.breaking), "fast": True}
        return name

    def fast_factor(self, axes: list[str]) -> tuple[str, dict[str, Any]]:
        """A new fast layer that meets `axes`: in another order, under other names or through a chain of its own."""
        axes = self.rng.sample(axes, len(axes))
        how = self.rng.random()
        if how > 0.5:
            name = self.fast_layer(axes)
            return name, {"layer": name}
        if how > 0.3:
            old = self.rng.choice(axes)
            new = self.axis(self.sizes[old])
            name = self.fast_layer([new if axis == old else axis for axis in axes])
            return name, {"layer": name, "rename": {new: old}}
        count = self.rng.randint(1, min(2, len(axes)))
        new = self.axis()
        name = self.fast_layer([*axes[count:], new])
        bias = {"bias": True} if self.rng.random() < 0.5 else {}
        return name, {"layer": name, "through": [{"dense": {new: axes[:count] if count > 1 else axes[0], **bias}}]}

    def synapse(self, factors: dict[str, Any], off: tuple[str, ...] = (), fixed: tuple[str, ...] = ()) -> None:
        """Add a synapse. The pulls on factors `off` are left out; those on `fixed` must stay."""
        name = f"syn{len(self.synapses)}"
        order = self.rng.sample(list(factors), len(factors))
        synapse: dict[str, Any] = {"factors": {factor: factors[factor] for factor in order}}
        kinds = dict.fromkeys(off, "off")
        if self.recipe.symmetry == "any" and self.rng.random() < 0.7:
            if off or self.rng.random() < 0.5:
                kinds = {**self._pulls([factor for factor in order if factor not in off], fixed), **kinds}
            else:
                synapse["symmetry"] = self.rng.choice(["tied", "own", {"penalized": 0.5}])
        if kinds:
            synapse["symmetry"] = kinds
        self.synapses[name] = synapse
        if all(kinds.get(factor) == "off" for factor in order if factors[factor]["layer"] == "x"):
            self.still.add(name)

    def _pulls(self, factors: list[str], fixed: tuple[str, ...]) -> dict[str, Any]:
        """A symmetry for each pull: one of them tied."""
        base = self.rng.choice(factors)
        choices: list[Any] = ["tied", "own", {"penalized": 0.0}, {"penalized": 0.2}]
        kinds = {factor: self.rng.choice(choices if factor in fixed else [*choices, "off"]) for factor in factors}
        return {**kinds, base: "tied"}

    # --- kinds of synapses ---

    def ordinary(self) -> None:
        """A fast layer and the slow one, chains on either or both sides."""
        x, axes = self.slow_factor(self.rng.choice([1, 1, 1, 2, 0]))
        name, fast = self.fast_factor(axes)
        self.synapse({name: fast, "x": x}, fixed=(name,))

    def gate(self) -> None:
        """A fast layer gates the product of two maps of the slow layer."""
        step, axes = self.dense(self.slow)
        (old,) = (axis for axis in step["dense"] if axis != "bias")
        other = {"dense": {old: step["dense"][old]}}
        name, fast = self.fast_factor(axes)
        self.synapse({name: fast, "v1": {"layer": "x", "through": [step]}, "v2": {"layer": "x", "through": [other]}}, fixed=(name,))

    def attention(self) -> None:
        """Weights over two roles of the slow layer, its axes renamed."""
        q, k, y = self.axis(self.sizes[self.slow[0]]), self.axis(self.sizes[self.slow[0]]), self.axis()
        if len(self.slow) == 1:
            return self.ordinary()
        last, middle = self.slow[-1], self.slow[1:-1]
        heads = [self.axis(2)] if self.rng.random() < 0.5 else []
        axes = [*heads, q, k, *middle]
        name = self.fast_layer(axes)
        target = [*heads, y] if heads else y
        factors = {
            role: {"layer": "x", "rename": {self.slow[0]: axis}, "through": [{"dense": {last: target}}]}
            for role, axis in (("query", q), ("key", k))
        }
        return self.synapse({"weights": {"layer": name}, **factors}, fixed=("weights",))

    def self_coupling(self) -> None:
        """The slow layer with itself: -<g, A g>."""
        axis = self.rng.choice(self.slow)
        self.synapse({"left": {"layer": "x"}, "right": {"layer": "x", "through": [{"dense": {axis: axis}}]}})

    def relay(self) -> None:
        """A fast layer feeds a second one, which pulls on the slow layer. Directed, so no energy."""
        if self.recipe.symmetry != "any":
            return self.ordinary()
        first = self._mixed_copy()
        second = self.fast_layer(self.slow)
        square = {"dense": {self.slow[-1]: self.slow[-1], "bias": True}}
        self.synapse({second: {"layer": second}, first: {"layer": first, "through": [square]}}, off=(first,), fixed=(second,))
        return self.synapse({second: {"layer": second}, "x": {"layer": "x", "through": [square]}}, off=(second,), fixed=("x",))

    def product(self) -> None:
        """Two fast layers multiply into the slow one: a directed gate."""
        if self.recipe.symmetry != "any":
            return self.gate()
        left, right = self._mixed_copy(), self._mixed_copy()
        factors = {"x": {"layer": "x"}, left: {"layer": left}, right: {"layer": right}}
        return self.synapse(factors, off=(left, right), fixed=("x",))

    def _mixed_copy(self) -> str:
        """A fast layer with the slow one's axes, fed by it through a square map."""
        name = self.fast_layer(self.slow)
        square = {"dense": {self.slow[0]: self.slow[0], "bias": self.rng.random() < 0.5}}
        self.synapse({name: {"layer": name}, "x": {"layer": "x", "through": [square]}}, off=(), fixed=(name,))
        return name


KINDS = {
    "ordinary": _Drawing.ordinary,
    "gate": _Drawing.gate,
    "attention": _Drawing.attention,
    "self": _Drawing.self_coupling,
    "relay": _Drawing.relay,
    "product": _Drawing.product,
}
"""How each kind of synapse is added to a spec."""


def random_spec(seed: int, recipe: Recipe = EVERYTHING) -> str:
    """A spec as YAML text; the same for the same seed and recipe."""
    return _Drawing(seed, recipe).text()


def seeds(fast: int, slow: int) -> list[Any]:
    """Parameters for a test: the first seeds at every run, the others where slow tests run."""
    return [*range(fast), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(fast, slow))]


def check(text: str, overrides: dict[str, Any] | None = None) -> CheckedSpec:
    """The checked spec of a text."""
    return load(Source("law.yaml", text), overrides=overrides)


def build(text: str | CheckedSpec, seed: int = 0, overrides: dict[str, Any] | None = None, dtype: torch.dtype = torch.float64) -> Model:
    """A model with random weights, no parameter left at its initial value."""
    spec = check(text, overrides) if isinstance(text, str) else text
    model = compile_model(spec, dtype=dtype)
    randomise(model, seed)
    return model


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Normal weights of deviation 1 / sqrt(fan in), biases 0.5, gains about 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            leaf = name.rpartition(".")[2]
            fan_in = math.prod(parameter.shape[1:])
            scaled = {"log_gain": 0.3 * noise, "gain": 1 + 0.5 * noise, "bias": 0.5 * noise}.get(leaf, noise / math.sqrt(fan_in))
            parameter.copy_(scaled)


def states(model: Model, batch: int = 3, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Random states of the slow layer, [batch, *axes]."""
    generator = torch.Generator().manual_seed(seed)
    layer = model.ham.block.slow[0]
    shape = [model.ham.block.axes[axis] for axis in layer.axes]
    return scale * torch.randn(batch, *shape, generator=generator, dtype=torch.float64)


def images(model: Model, batch: int = 3, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Random inputs."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *model.ham.input.values(), generator=generator, dtype=torch.float64).to(dtype)


def relative(got: Tensor, wanted: Tensor) -> float:
    """The largest difference over the largest value wanted."""
    assert got.shape == wanted.shape, f"{tuple(got.shape)} is not {tuple(wanted.shape)}"
    scale = wanted.abs().max().item()
    return (got - wanted).abs().max().item() / (scale if scale > 0 else 1.0)
