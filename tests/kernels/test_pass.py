"""The pass that calls the operator: what it finds, that it changes nothing but how it is computed, and that it is off unless asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hopgraph.energy.records import ZEROS, ParameterSpec, Value
from hopgraph.errors import Findings
from hopgraph.frontend.library import shipped
from hopgraph.lower.model import compile_model, compiled
from hopgraph.lower.standalone import module_source
from hopgraph.passes import fuse_biases, fuse_synapses
from hopgraph.passes.pipeline import UNASKED, CheckedSpec, load
from hopgraph.program.builder import Builder
from hopgraph.program.cost import cost_of
from hopgraph.program.operations.two_layer import ACTIVATIONS
from hopgraph.program.program import Program, Repeat
from hopgraph.show.catalogue import small_of
from tests.laws.programs import Weights, onnx_function, stored, written
from tests.laws.specs import numbers, randomise, relative, seeds
from tests.laws.test_fused import assert_equal
from tests.onnx.models import write


def counted(program: Program) -> Counter[str]:
    return Counter(statement.op for statement in program.flat())


def compare(spec: CheckedSpec, seed: int) -> int:
    """Hold a spec against itself with kernels, outputs and gradients in both modes; how many synapses are fused."""
    fused = spec.with_kernels
    found = counted(fused.program)["two_layer"]
    if found:
        model, other = (compile_model(one, dtype=torch.float64) for one in (spec, fused))
        randomise(model, seed)
        other.load_state_dict(model.state_dict())
        assert_equal(model, other, seed)
    return found


@pytest.mark.parametrize(
    ("name", "variant", "settings", "fused"),
    [
        ("mlp_mixer", "symmetric,digits", (), "both of every block"),
        ("paramixer", "digits", (), "both of every block"),
        ("paramixer", "digits", ("block.steps=3",), "both of every block"),
        ("paramixer", "digits", ("block.layers.h.lagrangian=squared_relu", "block.layers.s.lagrangian=sigmoid"), "both of every block"),
        ("paramixer", "digits", ("block.layers.h.lagrangian={softmax: {over: m}}",), "one of every block"),
        ("paramixer", "asymmetric,digits", (), "none"),
        ("paramixer", "broken,digits", (), "none"),
        ("resmlp", "symmetric,digits", (), "one of every block"),
        ("vit", "symmetric,digits", (), "one of every block"),
        ("energy_transformer", "digits", (), "one of every block"),
    ],
)
def test_tied_synapses_with_hidden_neurons_are_fused(name: str, variant: str, settings: tuple[str, ...], fused: str) -> None:
    spec = load(name, variant, settings)
    each = {"none": 0, "one of every block": 1, "both of every block": 2}[fused]
    body = spec.with_kernels.program.statements
    times = sum(item.times for item in body if isinstance(item, Repeat)) or len(spec.ham.blocks)
    if "block.steps=3" in settings:
        times = 3 * len(spec.ham.blocks)
    assert compare(spec, 1) == each * times


@pytest.mark.parametrize("name", shipped())
def test_the_catalogue_computes_the_same(name: str) -> None:
    variants = load(name).variant_names
    forms = [form for form in ("", "symmetric") if form in ("", *variants)]
    for form in forms:
        small = small_of(variants)
        if (form, small) != ("symmetric", "text"):  # the sibling of a causal model is of another form
            compare(load(name, f"{form},{small}".strip(",")), 1)


@dataclass(frozen=True)
class Drawn:
    """A random program W^T f(W g + b) + c: one or two axes are mapped to one or two others, beside up to two that stay."""

    program: Program
    module: nn.Module
    x: Tensor


def drawn(seed: int) -> Drawn:
    """By a seed: the last axes are mapped, or the last but one."""
    rng, generator = numbers(seed), torch.Generator().manual_seed(seed)
    sizes = {axis: rng.randint(1, 4) for axis in "abcdhk"}
    left = rng.random() < 0.4
    kept, old, new = rng.choice(["", "a", "ab"]), "c" if left else rng.choice(["c", "cd"]), "h" if left else rng.choice(["h", "hk"])
    tail = "d" if left else ""
    fields = {"w": old + new if rng.random() < 0.5 else new + old}
    fields |= {name: axes for name, axes in (("b", new), ("c", old)) if rng.random() < 0.7}
    specs = {name: ParameterSpec(tuple(axes), tuple(sizes[axis] for axis in axes), ZEROS) for name, axes in fields.items()}
    activation = ACTIVATIONS[rng.choice(list(ACTIVATIONS))]

    def write(builder: Builder, g: Value, weights: Weights) -> Value:
        def mapped(value: Value, source: str, target: str, bias: str) -> Value:
            labels = (tuple(kept + source + tail), tuple(fields["w"]))
            value = builder.op("contract", value, weights["w"], labels=labels, out=tuple(kept + target + tail))
            return builder.op("add", value, weights[bias]) if bias in fields else value

        value = mapped(g, old, new, "b")
        for op, attributes in activation:
            value = builder.op(op, value, **attributes)
        return mapped(value, new, old, "c")

    program, module, _ = written(tuple(kept + old + tail), sizes, specs, stored(specs, generator), write)
    x = torch.randn(3, *program.inputs[0].shape, generator=generator, dtype=torch.float64)
    return Drawn(program, module, x)


@pytest.mark.parametrize("seed", seeds(40, 200))
def test_a_random_synapse_is_fused_and_computes_the_same(seed: int) -> None:
    found = drawn(seed)
    given = fused(found.program)
    assert counted(given)["two_layer"] == 1
    assert set(counted(given)) <= {"two_layer", "add"}, "c may be left where the axis is not the last"
    results: list[list[Tensor]] = []
    for program in (found.program, given):
        x = found.x.clone().requires_grad_()
        u = compiled(program, "law")(found.module, x)
        slopes = torch.arange(u.numel()).view(u.shape).cos()
        results.append([u, *torch.autograd.grad((u * slopes).sum(), [x, *found.module.parameters()])])
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)
    by_onnx = onnx_function(given, found.module.float())
    assert relative(by_onnx(found.x.float()).double(), results[1][0].detach()) <= 1e-5


# --- what is left as it is ----------------------------------------------------------------------------------------------


def program(features: int = 6, back: str = "w", activation: str = "gelu", read: bool = False, turned: bool = True) -> Program:
    """W^T f(W g), or something that is nearly that."""
    builder = Builder()
    g = builder.input("g", ("n", "c"), (3, features))
    size = 4 if turned else features
    weights = {name: builder.parameter(f"part.{name}", ParameterSpec(("m", "c"), (size, features), ZEROS)) for name in ("w", "v")}
    z = builder.op("contract", g, weights["w"], labels=(("n", "c"), ("m", "c")), out=("n", "m"))
    h = builder.op("softmax", z, over=("m",)) if activation == "softmax" else builder.op(activation, z)
    second = (("n", "m"), ("m", "c")) if turned else (("n", "c"), ("m", "c"))
    u = builder.op("contract", h, weights[back], labels=second, out=("n", "c") if turned else ("n", "m"))
    return builder.program("made", [u, h] if read else [u])


def fused(given: Program) -> Program:
    return fuse_synapses.PASS(fuse_biases.PASS(given, Findings()), Findings())


def test_only_the_same_weight_there_and_back_is_fused() -> None:
    assert [statement.op for statement in fused(program()).flat()] == ["two_layer"]
    assert fused(program(512)) != program(512)
    for left in (program(513), program(back="v"), program(activation="softmax"), program(read=True), program(turned=False)):
        assert fused(left) == left


def test_of_a_chain_one_is_fused() -> None:
    builder = Builder()
    value = builder.input("g", ("n", "c"), (3, 6))
    weight = builder.parameter("part.w", ParameterSpec(("m", "c"), (4, 6), ZEROS))
    there, back = ((("n", "c"), ("m", "c")), ("n", "m")), ((("n", "m"), ("m", "c")), ("n", "c"))
    for labels, out in (there, back, there, back):
        value = builder.op("tanh", builder.op("contract", value, weight, labels=labels, out=out))
    found = counted(fused(builder.program("chain", [value])))
    assert found == {"two_layer": 2, "tanh": 2}


# --- it is off unless asked for -------------------------------------------------------------------------------------------


def test_it_is_off_unless_asked_for() -> None:
    spec = load("mlp_mixer", "symmetric,digits")
    assert spec.without == UNASKED == ("fuse-synapses",)
    assert not counted(spec.program)["two_layer"]
    assert not counted(compile_model(spec).program)["two_layer"]
    assert "hopgraph" not in module_source(spec).partition('"""\n\nimport torch')[2]
    assert spec.with_kernels.without == ()
    assert spec.with_kernels.program.parameters == spec.program.parameters


def test_parts_of_a_model_are_computed_as_the_whole_is() -> None:
    spec = load("paramixer", "digits")
    plain, with_kernels = (compile_model(one, dtype=torch.float64) for one in (spec, spec.with_kernels))
    with_kernels.load_state_dict(plain.state_dict())
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    states = [model.update(model.encode(x)) for model in (plain, with_kernels)]
    torch.testing.assert_close(states[0], states[1], rtol=1e-12, atol=1e-12)


def test_it_counts_the_same_operations_but_for_biases() -> None:
    without = {"block.synapses.channel.factors.x.through": [{"dense": {"c": "m"}}]}
    spec = load("paramixer", "digits", without)
    assert cost_of(spec.with_kernels.program) == cost_of(spec.program)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("mlp_mixer", ()),
        ("mlp_mixer", ("block.steps=3",)),
        ("mlp_mixer", ("block.layers.h.lagrangian=squared_relu", "block.layers.s.lagrangian=tanh")),
        ("ninformer", ()),
    ],
)
def test_its_onnx_is_that_of_its_parts(name: str, settings: tuple[str, ...], tmp_path: Path) -> None:
    model = compile_model(load(name, "symmetric,digits", settings).with_kernels)
    randomise(model, 1)
    assert counted(model.program)["two_layer"]
    assert write(model.eval(), tmp_path).error() <= 1e-5
