"""`hopgraph show`: every format pinned, everything named, and the printed equations held against the oracle."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hopgraph.errors import Source
from hopgraph.graph.ham import Block, Group, Pull, Start, Synapse, chain_parameters
from hopgraph.lower.model import Model
from hopgraph.lower.oracle import Oracle
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.show import FORMATS, show
from hopgraph.show.chains import RULES
from hopgraph.show.document import Equation, Equations, Item
from hopgraph.show.equations import BlockWriter
from hopgraph.show.expression import Expression, Symbol, Variable
from hopgraph.show.facts import certificates, facts, short, summary
from hopgraph.show.latex import escape
from hopgraph.show.svg import FONT, SMALL, Box, width_of
from hopgraph.show.synapses import pull_label
from hopgraph.show.updates import group_items, start_items
from tests.evaluate import evaluate
from tests.laws.specs import build, check, random_spec, seeds

FOLDER = Path(__file__).parent / "golden" / "show"
ENDINGS = {"text": "txt", "latex": "tex", "unicode": "unicode.txt", "mermaid": "mmd", "svg": "svg", "json": "json"}
SPECS = ["paramixer", "paramixer-broken", "paramixer-asymmetric", "paramixer-vanilla", "attention", "circle", "gate", "pyramid"]


def spec_of(name: str) -> CheckedSpec:
    """A spec of the goldens: paramixer with a variant, or one of the files beside them."""
    family, _, variant = name.partition("-")
    if family == "paramixer":
        return load(family, variant or None)
    return load(Source(f"{name}.yaml", (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", SPECS)
def test_golden(name: str, form: str, update_goldens: bool) -> None:
    path = FOLDER / f"{name}.{ENDINGS[form]}"
    given = show(spec_of(name), form)
    if update_goldens:
        path.write_text(given, encoding="utf-8")
    assert given == path.read_text(encoding="utf-8")


def test_every_format_has_an_ending() -> None:
    assert set(ENDINGS) == set(FORMATS)


# --- everything is named ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", seeds(8, 40))
def test_every_layer_and_synapse_is_named_in_every_format(seed: int) -> None:
    spec = check(random_spec(seed))
    block = spec.ham.block
    names = [item.name for item in (*block.layers, *block.synapses)]
    for form in FORMATS:
        shown = show(spec, form)
        written = [escape(name) if form == "latex" else name for name in names]
        assert [name for name in written if not re.search(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])", shown)] == [], form


@pytest.mark.parametrize("seed", seeds(8, 40))
def test_the_facts_name_every_parameter_and_read_back(seed: int) -> None:
    spec = check(random_spec(seed))
    known = facts(spec)
    assert json.loads(show(spec, "json")) == json.loads(json.dumps(known)) == known
    assert set(known["tensors"]) == {parameter.name for parameter in spec.program.parameters}
    assert sum(known["parameters_by_part"].values()) == known["parameters"] == spec.program.parameter_count
    assert sum(known["flops_by_operation"].values()) == known["flops"]
    assert summary(spec).items() <= known.items()


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0"), (594, "594"), (999_499, "999 k"), (999_500, "1 M"), (36_140_216_688, "36.1 G"), (1.234e12, "1.23 T")]
)
def test_a_count_in_short(count: float, words: str) -> None:
    assert short(count) == words


# --- pictures ---------------------------------------------------------------------------------------------------------


def shapes(node: ET.Element, across: float = 0.0, down: float = 0.0) -> Iterator[tuple[ET.Element, float, float]]:
    """Every element below a node, with how far its groups move it."""
    moved = re.fullmatch(r"translate\((\S+) (\S+)\)", node.get("transform", ""))
    if moved:
        across, down = across + float(moved[1]), down + float(moved[2])
    yield node, across, down
    for child in node:
        yield from shapes(child, across, down)


def tag(node: ET.Element) -> str:
    return node.tag.rpartition("}")[2]


def boxes(root: ET.Element) -> dict[str, Box]:
    """The boxes of layers and synapses, each moved by its block's place."""
    found: dict[str, Box] = {}
    for node, across, down in shapes(root):
        kind = next((kind for kind in ("data-layer", "data-synapse") if node.get(kind)), None)
        if kind:
            x, y, width, height = (float(node.get(key, "0")) for key in ("x", "y", "width", "height"))
            found[f"{kind} {node.get(kind)} {across:.0f}"] = Box(x + across + width / 2, y + down + height / 2, width, height)
    return found


def overlap(one: Box, other: Box) -> bool:
    return one.left < other.right and other.left < one.right and one.top < other.bottom and other.top < one.bottom


def assert_sound(picture: str, spec: CheckedSpec) -> None:
    """Well-formed, no box over another, all text inside, nothing fetched from elsewhere."""
    root = ET.fromstring(picture)  # noqa: S314 (our own text)
    found = boxes(root)
    assert len(found) == sum(len(stage.block.layers) + len(stage.block.synapses) for stage in spec.ham.stages)
    assert [names for *names, one, other in ((a, b, found[a], found[b]) for a, b in combinations(found, 2)) if overlap(one, other)] == []
    width, height = float(root.get("width", "0")), float(root.get("height", "0"))
    for node, across, down in shapes(root):
        if tag(node) == "text":
            long = width_of(node.text or "", SMALL if node.get("class") == "small" else FONT)
            left = float(node.get("x", "0")) + across - (long / 2 if node.get("text-anchor") == "middle" else 0)
            assert left >= 0, node.text
            assert left + long <= width, node.text
            assert SMALL <= float(node.get("y", "0")) + down <= height, node.text
    assert not re.search(r"href|url\(|@import", picture)


@pytest.mark.parametrize("name", SPECS)
def test_a_picture_is_sound(name: str) -> None:
    spec = spec_of(name)
    assert_sound(show(spec, "svg"), spec)


@pytest.mark.parametrize("seed", seeds(15, 80))
def test_the_picture_of_a_random_spec_is_sound(seed: int) -> None:
    spec = check(random_spec(seed))
    picture = show(spec, "svg")
    assert_sound(picture, spec)
    assert picture == show(check(random_spec(seed)), "svg")


# --- LaTeX ------------------------------------------------------------------------------------------------------------


def assert_balanced(text: str) -> None:
    """Braces, mathematics and environments open and close, and every special character of plain text is escaped."""
    assert text.isascii()
    depth = 0
    for sign in re.sub(r"\\[{}\\]", "", text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert re.sub(r"\\\$", "", text).count("$") % 2 == 0
    opened = re.findall(r"\\(begin|end)\{(\w+\*?)\}", text)
    stack: list[str] = []
    for word, name in opened:
        if word == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    assert not re.search(r"(?<!\\)[%#]", text.partition("\\begin{document}")[2])


@pytest.mark.parametrize("name", SPECS)
def test_latex_is_balanced(name: str) -> None:
    assert_balanced(show(spec_of(name), "latex"))


@pytest.mark.parametrize("seed", seeds(8, 60))
def test_latex_of_random_specs_is_balanced(seed: int) -> None:
    assert_balanced(show(check(random_spec(seed)), "latex"))


def test_special_characters_are_escaped() -> None:
    assert escape("100% & #1 $x_{a}^2 ~ \\ <é>") == (
        r"100\% \& \#1 \$x\_\{a\}\textasciicircum{}2 \textasciitilde{} \textbackslash{} \textless{}?\textgreater{}"
    )


# --- equations --------------------------------------------------------------------------------------------------------

MAPS = {
    "dense": "{dense: {c: m, bias: true}}",
    "dense per": "{dense: {c: m, per: [r, w], bias: true}}",
    "dense causal": "{dense: {r: r, mask: causal}}",
    "dense band": "{dense: {r: r, mask: {band: 1}}}",
    "toeplitz": "{dense: {r: r, toeplitz: true}}",
    "toeplitz causal": "{dense: {r: r, toeplitz: true, mask: strict}}",
    "rank": "{dense: {c: m, rank: 2, bias: true}}",
    "rank of several": "{dense: {from: [r, c], to: [m, k], rank: 2}}",
    "several": "{dense: {from: [r, c], to: m, per: [w]}}",
    "spectral": "{dense: {c: m, spectral: 0.1, per: [w]}}",
    "spectral toeplitz": "{dense: {r: r, toeplitz: true, mask: off_diagonal, spectral: 0.1}}",
    "conv": "{conv: {over: [r, w], kernel: 3, map: {c: m}, bias: true}}",
    "masked conv": "{conv: {over: [w], kernel: 3, map: {r: r}, mask: off_diagonal, bias: true}}",
    "conv of causal channels": "{conv: {over: [w], kernel: 2, map: {r: r}, mask: strict}}",
    "depthwise": "{conv: {over: [r], kernel: 3, per: [c], bias: true}}",
    "shared": "{conv: {over: [r, w], kernel: [3, 2], dilation: [2, 1]}}",
    "strided": "{conv: {over: {r: r2}, kernel: 3, stride: 2, padding: 1, per: [c]}}",
    "strided and dilated": "{conv: {over: {r: r2}, kernel: 2, stride: 2, dilation: 2, padding: 1, map: {c: c}}}",
    "causal conv": "{conv: {over: [r], kernel: 2, padding: causal}}",
    "pool": "{pool: {over: [r, w], kernel: 3}}",
    "pool, padding counts": "{pool: {over: [r], kernel: 3, count_include_pad: true}}",
    "strided pool": "{pool: {over: {r: r2}, kernel: 3, stride: 2, padding: 1}}",
    "scale": "{scale: -0.5}",
    "gain": "{scale: {gain: [w, c]}}",
    "mask": "{mask: {causal: [r, w]}}",
    "rename": "{rename: {c: k}}",
    "batch norm": "{batch_norm: {per: c}}",
    "sum": "{sum: [[{pool: {over: [r, w], kernel: 3}}], [{scale: -1}], [{conv: {over: [r, w], kernel: 3, per: [c], bias: true}}]]}",
    "conv of conv": "{conv: {over: [r], kernel: 3, bias: true}}, {conv: {over: [r], kernel: 3}}",
    "pool of bias": "{dense: {c: m, bias: true}}, {pool: {over: [r, w], kernel: 3}}",
    "pool of pool": "{pool: {over: [r], kernel: 2}}, {pool: {over: [r, w], kernel: 3}}",
    "causal conv of norm": "{batch_norm: {per: c}}, {conv: {over: [r], kernel: 3}}",
}
"""Chains over a layer on [r, w, c]."""

CHAIN = """
hopgraph: 1
name: chain
input: {{tensor: {{r: 4, w: 3, c: 2}}}}
block:
  axes: {{r: 4, w: 3, c: 2, m: 3, k: 2, r2: 2}}
  layers:
    x: {{axes: [r, w, c], lagrangian: identity}}
    s: {{axes: {axes}, lagrangian: relu, fast: true}}
  synapses:
    syn: {{factors: {{s: s, x: {{layer: x, through: [{chain}]}}}}, symmetry: {symmetry}}}
"""


def axes_after(name: str) -> str:
    """The axes that a chain of MAPS ends in."""
    chain = MAPS[name]
    axes = ["r", "w", "c"]
    if "from" in chain:
        return "[m, k, w]" if "[m, k]" in chain else "[m, w]"
    if "{c: m" in chain:
        axes[2] = "m"
    if "rename" in chain:
        axes[2] = "k"
    if "r2" in chain:
        axes[0] = "r2"
    return f"[{', '.join(axes)}]"


def tensors_of(model: Model, block: int = 0) -> dict[str, Tensor]:
    """The parameters and buffers of a block by their paths below it, those kept positive as themselves."""
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name.startswith(f"blocks.{block}."):
            path = name.removeprefix(f"blocks.{block}.")
            head, _, leaf = path.rpartition(".")
            found[f"{head}.{leaf.removeprefix('log_')}" if leaf.startswith("log_") else path] = (
                tensor.exp() if leaf.startswith("log_") else tensor
            )
    return found


def activations(block: Block, batch: int = 2) -> dict[str, Tensor]:
    """Random activations of every layer."""
    generator = torch.Generator().manual_seed(1)
    return {layer.name: torch.randn(batch, *layer.shape(block.axes), generator=generator, dtype=torch.float64) for layer in block.layers}


def unread(block: Block, known: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor that a synapse could have and the model does not, since no pull that is computed reads it; never 0."""
    generator = torch.Generator().manual_seed(2)
    found: dict[str, Tensor] = {}
    for synapse in block.synapses:
        for name, shape in possible(block, synapse).items():
            if f"{synapse.name}.{name}" not in known:
                found[f"{synapse.name}.{name}"] = 0.5 + torch.rand(shape, generator=generator, dtype=torch.float64)
    return found


def possible(block: Block, synapse: Synapse) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor that some pull of a synapse could read: base weights, a pull's own, its return chain's, biases."""
    found: dict[str, tuple[int, ...]] = {}
    owners = ["", *(f"{pull.symmetry}_{pull.factor}." for pull in synapse.pulls if pull.symmetry in ("own", "penalized"))]
    for factor in synapse.factors:
        for name, spec in chain_parameters(factor.chain, block.axes).items():
            found |= {f"{owner}{factor.name}.{name}": spec.shape for owner in owners}
        axes = [axis for axis in block.layer(factor.layer).axes if axis in synapse.biases.get(factor.name, ())]
        if factor.name in synapse.biases:
            found[f"{factor.name}.bias"] = tuple(block.axes[axis] for axis in axes)
    for pull in synapse.pulls:
        chain = chain_parameters(pull.returns or (), block.axes)
        found |= {f"return_{pull.factor}.{name}": spec.shape for name, spec in chain.items()}
    return found


def computed(block: Block) -> set[tuple[str, str]]:
    """The pulls that the model computes, in a group, at the start, or for a fast layer that one of these needs."""
    needed = [name for part in (*block.schedule, *block.starts) for name in part.fast]
    on_fast = {(synapse.name, pull.factor) for name in needed for synapse, pull in block.pulls_on(name) if in_time(block, synapse, pull)}
    return on_fast.union(*(part.pulls for part in (*block.schedule, *block.starts)))


def in_time(block: Block, synapse: Synapse, pull: Pull) -> bool:
    """Whether a pull on a fast layer is ever computed: a circle of one iteration leaves out those that read forwards in its order."""
    name = synapse.factor(pull.factor).layer
    circle = block.circle(name)
    if circle is None or circle.iterations > 1 or name == circle.order[0]:
        return True
    later = circle.order[circle.order.index(name) :]
    return not any(factor.layer in later for factor in synapse.factors if factor.name != pull.factor)


def hold_against_the_oracle(spec: CheckedSpec, index: int = 0) -> None:
    """Every printed energy and pull of a block, evaluated at random activations, is the oracle's.

    A pull that the model computes reads the model's tensors alone; other equations also those that the model does without.
    """
    model = build(spec)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
            elif name.endswith("running_mean"):
                buffer.normal_()
    block, tensors = spec.ham.blocks[index], tensors_of(model, index)
    more = unread(block, tensors)
    oracle = Oracle(spec.ham, index, {**model.state_dict(), **{f"blocks.{index}.{name}": tensor for name, tensor in more.items()}})
    writer, computes = BlockWriter(block), computed(block)
    g = activations(block)
    for synapse in block.synapses:
        given = {factor.name: g[factor.layer] for factor in synapse.factors}
        assert_equal(energies(writer, synapse, {**tensors, **more}, g), oracle.synapse_energy(synapse, given))
        for pull in synapse.pulls:
            if pull.symmetry != "off":
                read = tensors if (synapse.name, pull.factor) in computes else {**tensors, **more}
                assert_equal(pulls(writer, synapse, pull, read, g), oracle.pull(synapse, pull, g))


def energies(writer: BlockWriter, synapse: Synapse, tensors: Mapping[str, Tensor], g: Mapping[str, Tensor]) -> Tensor:
    return values(writer.synapse_energy(synapse), (), tensors, lettered("g", g))


def pulls(writer: BlockWriter, synapse: Synapse, pull: Pull, tensors: Mapping[str, Tensor], g: Mapping[str, Tensor]) -> Tensor:
    return values(writer.pull(synapse, pull), writer.free[synapse.factor(pull.factor).layer], tensors, lettered("g", g))


def lettered(letter: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{letter} {name}": tensor for name, tensor in tensors.items()}


def values(expression: Expression, free: tuple[Variable, ...], tensors: Mapping[str, Tensor], batched: Mapping[str, Tensor]) -> Tensor:
    """An expression at its free indices for both examples, [2, *free], of tensors of the model and tensors with a batch."""
    examples = [{**tensors, **{name: tensor[number] for name, tensor in batched.items()}} for number in range(2)]
    found = torch.stack([evaluate(expression, example).over(free) for example in examples])
    return found.expand(2, *(variable.size for variable in free))


def assert_equal(got: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(got, wanted.detach().expand_as(got), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("symmetry", ["tied", "own", "{penalized: 0.1}", "{s: own}", "{s: {penalized: 0.1}}"])
@pytest.mark.parametrize("name", MAPS)
def test_the_equations_of_every_map_are_the_compiled_ones(name: str, symmetry: str) -> None:
    if name in ("dense causal", "toeplitz causal", "causal conv", "conv of causal channels"):  # a pull back through a causal map is refused
        symmetry = "{x: {own: {return: [{dense: {r: r, bias: true}}, {scale: {gain: [c]}}]}}}"
    hold_against_the_oracle(check(CHAIN.format(chain=MAPS[name], axes=axes_after(name), symmetry=symmetry)))


def firsts(spec: CheckedSpec) -> list[int]:
    """The first block of every stage."""
    depths = [stage.block.depth for stage in spec.ham.stages]
    return [sum(depths[:number]) for number in range(len(depths))]


@pytest.mark.parametrize("seed", seeds(12, 60))
def test_the_equations_of_random_specs_are_the_compiled_ones(seed: int) -> None:
    spec = check(random_spec(seed))
    for index in firsts(spec):
        hold_against_the_oracle(spec, index)


def hold_updates_against_the_oracle(spec: CheckedSpec, index: int = 0) -> None:
    """The printed first states and updates of a block, evaluated at the oracle's pulls, are the oracle's."""
    model = build(spec)
    oracle = Oracle(spec.ham, index, model.state_dict())
    block, tensors = spec.ham.blocks[index], tensors_of(model, index)
    writer = BlockWriter(block)
    drawn = activations(block)
    states = {block.entry: drawn[block.entry]}
    for start, rows in zip(block.starts, written(start_items(writer)), strict=True):
        g = oracle.settled(oracle.activations(states), start.fast)[1]
        states |= moved(writer, rows, tensors, {**lettered("x", states), **pulled(oracle, start, g)})
    started = oracle.started(drawn[block.entry])
    assert_states(states, started)
    for number, group in enumerate(block.schedule):
        (rows,) = written(group_items(writer, number))
        g = oracle.settled(oracle.activations(states, group), group.fast)[1]
        g = g or drawn  # external fields alone read only the batch
        states |= moved(writer, rows, tensors, {**lettered("x", states), **pulled(oracle, group, g)})
    assert_states(states, oracle.update(started))


def pulled(oracle: Oracle, part: Group | Start, g: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The oracle's pulls of a group or a start, as equations call them."""
    chosen = [(synapse := oracle.block.synapse(name), synapse.pull(factor)) for name, factor in part.pulls]
    return {f"u {pull_label(synapse, pull)}": oracle.pull(synapse, pull, g).detach() for synapse, pull in chosen}


def assert_states(states: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    assert states.keys() == wanted.keys()
    for name, state in states.items():
        assert_equal(state, wanted[name])


def written(items: list[Item]) -> list[tuple[Equation, ...]]:
    """The equations of some items, those that stand together as one."""
    return [item.rows for item in items if isinstance(item, Equations)]


def moved(
    writer: BlockWriter, rows: tuple[Equation, ...], tensors: Mapping[str, Tensor], batched: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The states that some rows give, by layer."""
    found: dict[str, Tensor] = {}
    for row in rows:
        left, right = row.sides
        assert isinstance(left, Symbol)
        found[left.label] = values(right, writer.free[left.label], tensors, batched)
    return found


@pytest.mark.parametrize("seed", seeds(12, 60))
def test_the_updates_of_random_specs_are_the_compiled_ones(seed: int) -> None:
    spec = check(random_spec(seed))
    for index in firsts(spec):
        hold_updates_against_the_oracle(spec, index)


@pytest.mark.parametrize(("name", "index"), [("attention", 1), ("circle", 0), ("gate", 0), ("pyramid", 0), ("pyramid", 2)])
def test_the_equations_of_the_goldens_are_the_compiled_ones(name: str, index: int) -> None:
    hold_against_the_oracle(spec_of(name), index)


def test_a_map_without_a_rule_is_shown_as_a_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RULES, "dense")
    shown = show(load("paramixer"), "unicode")
    assert "E_token = −Σ_{k,c} g_s[k,c] Σ_{n,c′} A_dense[k,c,n,c′] g_x[n,c′]" in shown  # noqa: RUF001 (the signs are meant)
    assert "u_token→x[n,c] = Σ_{k,c′} A_dense[k,c′,n,c] g_s[k,c′]" in shown  # noqa: RUF001 (likewise)


CIRCLE = """
hopgraph: 1
name: circle
input: {{tensor: {{n: 4}}}}
block:
  axes: {{n: 4}}
  layers:
    x: {{axes: [n], lagrangian: identity}}
    a: {{axes: [n], lagrangian: relu, fast: true}}
    b: {{axes: [n], lagrangian: relu, fast: true}}
    c: {{axes: [n], lagrangian: relu, fast: true}}
  synapses: {{xa: {{factors: {{x: x, a: a}}}}, ab: {{factors: {{a: a, b: b}}}}, bc: {{factors: {{b: b, c: c}}}}}}
  solve: {{order: [a, b, c], iterations: {iterations}}}
"""


def test_the_first_iteration_of_a_circle_leaves_out_what_has_no_value() -> None:
    several, once = (show(check(CIRCLE.format(iterations=iterations)), "unicode") for iterations in (2, 1))
    assert "Then, 2 times, in this order (Picard iteration); the first time without bc→b, which would read a layer" in several
    assert "x_b[n] ← u_ab→b[n] + u_bc→b[n]\n" in several
    assert "Then, once, in this order (Picard iteration); without bc→b, which would read a layer that has no value yet:" in once
    assert "x_b[n] ← u_ab→b[n]\n" in once


def test_a_condition_is_explained() -> None:
    shown = show(check(CHAIN.format(chain=MAPS["pool of pool"], axes="[r, w, c]", symmetry="tied")), "unicode")
    assert "[0≤" in shown
    assert "A condition in square brackets is 1 where it holds; elsewhere all that it multiplies is 0." in shown


def test_a_bias_has_its_axes_in_the_order_of_its_layer() -> None:
    text = """
hopgraph: 1
name: bias
input: {tensor: {n: 4, c: 3}}
block:
  axes: {n: 4, c: 3}
  layers: {x: {axes: [n, c], lagrangian: identity}}
  synapses: {field: {factors: {x: x}, bias: {x: [c, n]}}}
"""
    shown = show(check(text), "unicode")
    assert "u_field→x[n,c] = b̂_field[n,c]" in shown
    hold_against_the_oracle(check(text))


def test_the_legend_has_the_kinds_that_are_drawn() -> None:
    drawn = {name: {node.text for node in ET.fromstring(show(spec_of(name), "svg")).iter() if tag(node) == "text"} for name in SPECS}  # noqa: S314
    assert {"tied", "slow", "fast"} <= drawn["paramixer"]
    assert not {"own", "penalized", "read only (off)", "clamped"} & drawn["paramixer"]
    assert {"tied", "own", "penalized", "read only (off)"} <= drawn["attention"]
    assert "clamped" in drawn["circle"]


def test_stages_that_agree_have_one_certificate() -> None:
    spec = load("ffnet")
    assert [stages for stages, _, _ in certificates(spec)] == ["stages 1 and 2", "stages 3 and 4"]
    assert [known for _, known, _ in certificates(spec)] == [spec.certificates[0], spec.certificates[2]]
    assert [stages for stages, _, _ in certificates(spec_of("pyramid"))] == ["stage 1", "stage 2"]
    assert certificates(spec_of("gate"))[0][0] == ""
