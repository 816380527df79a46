"""One block while it is drawn: its axes, layers and synapses."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.laws.drawing.lagrangians import lagrangian
from tests.laws.drawing.recipe import Recipe

_AXES = ("k", "m", "h", "y", "q", "e", "A", "B1", "tokens", "heads", "p_q", "r", "t", "v", "w", "z")
_LAYERS = ("s", "h", "u", "g", "g_x", "torch", "self", "F", "x_0", "hidden", "image", "pull", "a2", "b2", "d2", "f2")
NAMES = tuple(f"{name}{number or ''}" for number in range(4) for name in _LAYERS)
AXES = tuple(f"{name}{number or ''}" for number in range(5) for name in _AXES)


@dataclass
class Factor:
    """A factor as it is written, the axes that its chain reads, and those that it ends in."""

    layer: str
    seen: list[str]
    ends: list[str]
    rename: dict[str, str] = field(default_factory=dict[str, str])
    through: list[Any] = field(default_factory=list[Any])

    def written(self, rng: Random) -> Any:
        """The factor, by its layer's name alone where that is all."""
        if not self.rename and not self.through and rng.random() < 0.5:
            return self.layer
        rename = {"rename": self.rename} if self.rename else {}
        return {"layer": self.layer, **rename, **({"through": self.through} if self.through else {})}


class Canvas:
    """A block's axes with their sizes, its layers, its synapses with the factors that they have, and its circles."""

    def __init__(self, rng: Random, recipe: Recipe, entry: dict[str, int]) -> None:
        self.rng, self.recipe = rng, recipe
        self.sizes: dict[str, int] = dict(entry)
        self.layers: dict[str, Any] = {}
        self.synapses: dict[str, Any] = {}
        self.solve: list[Any] = []
        self.pulls: dict[str, list[tuple[str, str]]] = {}
        """By synapse, the factors whose pulls on slow layers act, with their layers."""
        self.hidden: set[str] = set()
        """Axes along which something is causal."""
        self.axis_names = rng.sample(AXES, len(AXES))
        self.layer_names = rng.sample(NAMES, len(NAMES))
        self.add_slow("x", list(entry))

    # --- axes and layers ---

    def axis(self, size: int | None = None) -> str:
        """A new axis."""
        name = next(name for name in self.axis_names if name not in self.sizes)
        self.sizes[name] = size or self.rng.choice([1, 2, 3, 3, 4])
        return name

    def lagrangian(self, kinds: tuple[str, ...], axes: list[str], *, breaking: bool, masks: bool = False) -> dict[str, Any]:
        """A Lagrangian of one of some kinds."""
        kind = self.rng.choice(kinds)
        free = [axis for axis in axes if axis not in self.hidden]
        if not free:
            kind = "tanh"
        hidden = frozenset(self.hidden)
        found = lagrangian(self.rng, kind, axes, breaking=breaking, masks=masks, causal=False, hidden=hidden)
        if kind == "affine" and self.recipe.steps == "largest":
            found[kind]["positive"] = True
        return found

    def add_slow(self, name: str, axes: list[str], *, clamped: bool = False) -> str:
        """A new slow layer."""
        layer: dict[str, Any] = {"axes": axes, "lagrangian": self.lagrangian(self.recipe.slow, axes, breaking=self.recipe.breaking)}
        if clamped:
            layer["clamped"] = True
        if self.recipe.slow_layers > 1 and self.rng.random() < 0.3:
            layer["tau"] = self.rng.choice([0.5, 2, 3])
        self.layers[name] = layer
        return name

    def new_slow(self, axes: list[str]) -> str:
        """A slow layer under a new name, sometimes clamped."""
        return self.add_slow(self.layer_names.pop(), axes, clamped=self.rng.random() < 0.3)

    def fast_layer(self, axes: list[str], kinds: tuple[str, ...] = ()) -> str:
        """A new fast layer."""
        name = self.layer_names.pop()
        found = self.lagrangian(kinds or self.recipe.fast, axes, breaking=self.recipe.breaking, masks=self.rng.random() < 0.5)
        self.layers[name] = {"axes": axes, "lagrangian": found, "fast": True}
        return name

    @property
    def slow(self) -> list[str]:
        """The slow layers."""
        return [name for name, layer in self.layers.items() if "fast" not in layer]

    @property
    def moving(self) -> list[str]:
        """The slow layers that are not clamped."""
        return [name for name in self.slow if not self.layers[name].get("clamped")]

    def axes(self, layer: str) -> list[str]:
        """A layer's axes."""
        return list(self.layers[layer]["axes"])

    # --- synapses ---

    def add(self, factors: dict[str, Factor], kinds: dict[str, Any], whole: Any = None) -> str:
        """Add a synapse of factors, with the symmetries `kinds` of some pulls, or one of the whole."""
        name = f"syn{len(self.synapses)}"
        order = self.rng.sample(list(factors), len(factors))
        synapse: dict[str, Any] = {"factors": {factor: factors[factor].written(self.rng) for factor in order}}
        if kinds or whole is not None:
            synapse["symmetry"] = kinds or whole
        acting = [factor for factor in order if kinds.get(factor) != "off"]
        bias = self.biases({factor: factors[factor] for factor in acting}) if self.recipe.fields else {}
        self.keep(name, {**synapse, **({"bias": bias} if bias else {})}, [(factor, factors[factor].layer) for factor in acting])
        return name

    def biases(self, factors: dict[str, Factor]) -> dict[str, Any]:
        """External fields of some factors' layers."""
        found: dict[str, Any] = {}
        for name, factor in factors.items():
            axes = self.axes(factor.layer)
            if self.rng.random() < 0.15:
                found[name] = self.rng.choice(["scalar", self.rng.sample(axes, self.rng.randint(1, len(axes)))])
        return found

    def keep(self, name: str, synapse: dict[str, Any], acting: list[tuple[str, str]]) -> None:
        """Add a synapse as it is written, with the factors whose pulls act."""
        self.synapses[name] = synapse
        moving = self.moving
        self.pulls[name] = [(factor, layer) for factor, layer in acting if layer in moving]
