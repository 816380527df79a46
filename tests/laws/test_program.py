"""A model is its program: the printed source computes it to the bit, and it behaves as a module of PyTorch should."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import load
from hopgraph.program.program import Statement

from .artefacts import same
from .specs import TAME, build, check, images, random_spec, randomise, relative, seeds


def test_a_loop_may_give_back_what_it_carries() -> None:
    text = """
    hopgraph: 1
    name: law
    input: {image: [2, 3, 4]}
    block:
      steps: 3
      axes: {channels: 2, height: 3, width: 4}
      layers: {x: {axes: [channels, height, width], lagrangian: identity}}
      synapses: {a: {factors: {left: x, right: x}, symmetry: {right: off}}}
      update: {form: decay}
    """
    model = build(text)
    x = images(model)
    assert torch.equal(model(x), x)
    assert torch.equal(model.update(x), model.oracle().update({"x": x})["x"])


@pytest.mark.parametrize("seed", seeds(15, 100))
def test_a_repeat_holds_its_body_once_and_computes_weights_once(seed: int) -> None:
    text = random_spec(seed, replace(TAME, slow_layers=1))  # with several, first states and the first update share values
    once, often = check(text, {"block.steps": 1}).program, check(text, {"block.steps": 7}).program
    assert once.parameters == often.parameters
    per_step = sum(statement.output.batched for statement in once.flat())
    outside = sum(item.output.batched for item in often.statements if isinstance(item, Statement))
    assert sum(statement.output.batched for statement in often.flat()) == 7 * (per_step - outside) + outside
    names = [statement.output.name for statement in often.flat()]
    assert len(names) == len(set(names))
    assert sum(not s.output.batched for s in often.flat()) == sum(not s.output.batched for s in once.flat())


@pytest.mark.parametrize("seed", seeds(25, 150))
def test_dtypes_agree(seed: int) -> None:
    double = build(random_spec(seed, TAME), seed, {"block.steps": 1, "block.depth": 1})
    single = copy.deepcopy(double).to(torch.float32)
    x = images(double, seed=seed)
    got = single(x.float() if x.is_floating_point() else x)
    assert got.dtype == torch.float32
    assert relative(got.detach().double(), double(x).detach()) < 1e-4


@pytest.mark.parametrize("seed", seeds(6, 40))
def test_a_model_can_be_exported_by_torch(seed: int) -> None:
    model = build(random_spec(seed, TAME), seed)
    x = images(model, 2, seed)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    for batch in (2, 5):
        x = images(model, batch, seed)
        assert same(exported.module()(x), model(x))


@pytest.mark.parametrize("seed", range(8))
def test_a_deep_copy_is_equal_and_independent(seed: int) -> None:
    model = build(random_spec(seed, TAME), seed, {"readout": []})
    x = images(model, seed=seed)
    before = model(x)
    model.encode(x)  # a compiled part, to be copied too
    other = copy.deepcopy(model)
    assert same(other(x), before)
    randomise(other, seed + 1)
    assert same(model(x), before)
    assert torch.equal(other.encode(x), model.encode(x)) == (not model.ham.encoder)
    assert {id(p) for p in other.parameters()}.isdisjoint({id(p) for p in model.parameters()})


@pytest.mark.parametrize("seed", range(8))
def test_a_state_dict_goes_round(seed: int) -> None:
    text = random_spec(seed, TAME)
    model, other = build(text, seed), build(text, seed + 1)
    x = images(model, seed=seed)
    other.load_state_dict(model.state_dict())
    assert same(other(x), model(x))


@pytest.mark.parametrize("seed", range(25))
def test_a_checkpoint_has_the_programs_names_and_each_weight_once(seed: int) -> None:
    model = build(random_spec(seed, TAME), seed)
    parameters = model.program.parameters
    wanted = {parameter.stored_name: parameter.shape for parameter in parameters}
    assert len(wanted) == len(parameters)
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == wanted
    assert len({tensor.data_ptr() for tensor in model.state_dict().values()}) == len(wanted)
    assert sum(p.numel() for p in model.parameters()) == model.program.parameter_count == sum(map(math.prod, wanted.values()))


def test_tied_own_and_penalized_differ_by_the_copies_alone() -> None:
    tied, own, penalized = (load("paramixer", f"{variant},digits").program for variant in ("symmetric", "broken", "asymmetric"))
    base = {parameter.stored_name for parameter in tied.parameters}
    assert {p.stored_name for p in own.parameters if ".own_" not in p.name} == base
    assert {p.stored_name for p in penalized.parameters if ".penalized_" not in p.name} == base
    weights = [name for name in base if name.endswith("dense.weight")]
    assert len(weights) == 2 * 4
    assert len(own.parameters) == len(penalized.parameters) == len(base) + len(weights)


SMOOTH = replace(TAME, fast=("tanh", "sigmoid", "gelu"), slow=("tanh", "sigmoid", "layernorm"), slow_layers=1)
"""One slow layer: what moves another one last does not reach the output."""


def test_every_parameter_reaches_the_output() -> None:
    for seed in range(25):
        model = build(random_spec(seed, SMOOTH), seed)
        read = {name: parameter for name, parameter in model.named_parameters() if "lambda" not in name}
        if read:
            model(images(model, seed=seed)).square().sum().backward()
        assert [name for name, parameter in read.items() if parameter.grad is None] == []


def test_the_meta_device_allocates_nothing() -> None:
    spec = load("paramixer", "L16,imagenet")
    model = compile_model(spec, device="meta")
    assert all(parameter.is_meta for parameter in model.parameters())
    assert sum(parameter.numel() for parameter in model.parameters()) == spec.program.parameter_count > 1e8
    assert model(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 1000)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_moves_to_a_dtype(dtype: torch.dtype) -> None:
    model = compile_model(load("paramixer", "digits")).to(dtype)
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    x = torch.zeros(2, 1, 8, 8, dtype=dtype)
    assert model(x).dtype == dtype
    assert model.update(model.encode(x)).dtype == dtype


def drawn(model: Model, seed: int) -> dict[str, Tensor]:
    """The parameters after a reset by a generator of that seed."""
    model.reset_parameters(torch.Generator().manual_seed(seed))
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_a_reset_is_repeatable_and_as_the_spec_says() -> None:
    model = compile_model(load("paramixer", "asymmetric,digits"))
    randomise(model, 0)
    first, second, again = drawn(model, 1), drawn(model, 2), drawn(model, 1)
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    for parameter in model.program.parameters:
        a, b = (tensors[parameter.stored_name] for tensors in (first, second))
        how, size = parameter.init
        assert torch.equal(a, b) == (how == "constant")
        if how == "constant":
            assert (a == size).all()
        elif how == "uniform":
            assert 0.8 * size < a.abs().max() <= size
        else:
            assert a.abs().max() <= 2 * size
