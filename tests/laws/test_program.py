"""A model is its program: the printed source computes it to the bit, and it behaves as a module of PyTorch should."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name that the source uses)
from torch import Tensor, nn

from hopgraph.lower.fx import lower
from hopgraph.lower.model import Model, compile_model
from hopgraph.lower.source import function_source
from hopgraph.lower.standalone import module_source
from hopgraph.passes.pipeline import load
from hopgraph.program.program import Statement

from .specs import EVERYTHING, build, check, images, random_spec, randomise, relative, seeds

TAME = replace(
    EVERYTHING, slow=tuple(kind for kind in EVERYTHING.slow if kind != "repu"), fast=tuple(k for k in EVERYTHING.fast if k != "repu")
)
"""No powers: over several blocks these leave the range in which dtypes can be compared."""


def defined(source: str, name: str) -> Any:
    """What a source text defines under a name, run with torch and nothing else."""
    namespace: dict[str, Any] = {"torch": torch, "F": F, "__name__": "law"}
    exec(source, namespace)  # noqa: S102 (the source under test)
    return namespace[name]


def same(got: Tensor, wanted: Tensor) -> bool:
    """Whether two tensors are equal to the bit; powers overflow over several blocks, and then both are not numbers."""
    return torch.equal(got.isnan(), wanted.isnan()) and torch.equal(got.nan_to_num(), wanted.nan_to_num())


@pytest.mark.parametrize("seed", seeds(25, 150))
def test_the_printed_source_computes_the_model_to_the_bit(seed: int) -> None:
    model = build(random_spec(seed), seed)
    x = images(model, seed=seed)
    forward = defined(function_source(lower(model.program), "forward"), "forward")
    assert same(forward(model, x), model(x))


@pytest.mark.parametrize("seed", seeds(15, 100))
def test_the_standalone_module_computes_the_model_to_the_bit(seed: int) -> None:
    model = build(random_spec(seed), seed)
    source = module_source(model.spec)
    (name,) = (line.split()[1].split("(")[0] for line in source.splitlines() if line.startswith("class "))
    module: nn.Module = defined(source, name)().double()
    module.load_state_dict(model.state_dict())
    x = images(model, seed=seed)
    assert same(module(x), model(x))


@pytest.mark.parametrize("seed", seeds(25, 150))
def test_steps_and_depth_are_updates_one_after_the_other(seed: int) -> None:
    model = build(random_spec(seed), seed, {"readout": []})
    block = model.ham.block
    x = images(model, seed=seed)
    state = model.encode(x)
    for index in range(block.depth):
        for _ in range(block.steps):
            state = model.update(state, index)
    assert same(model(x), state)


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
    assert torch.equal(model.update(x), model.oracle().update(x))


@pytest.mark.parametrize("seed", seeds(15, 100))
def test_a_repeat_holds_its_body_once_and_computes_weights_once(seed: int) -> None:
    text = random_spec(seed, TAME)
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
    got = single(x.float())
    assert got.dtype == torch.float32
    assert relative(got.detach().double(), double(x).detach()) < 1e-4


@pytest.mark.parametrize("seed", seeds(6, 40))
def test_a_model_can_be_exported_by_torch(seed: int) -> None:
    model = build(random_spec(seed), seed)
    x = images(model, 2, seed)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},))
    for batch in (2, 5):
        x = images(model, batch, seed)
        assert torch.equal(exported.module()(x), model(x))


@pytest.mark.parametrize("seed", range(8))
def test_a_deep_copy_is_equal_and_independent(seed: int) -> None:
    model = build(random_spec(seed), seed, {"readout": []})
    x = images(model, seed=seed)
    before = model(x)
    model.encode(x)  # a compiled part, to be copied too
    other = copy.deepcopy(model)
    assert torch.equal(other(x), before)
    randomise(other, seed + 1)
    assert torch.equal(model(x), before)
    assert torch.equal(other.encode(x), model.encode(x)) == (not model.ham.encoder)
    assert {id(p) for p in other.parameters()}.isdisjoint({id(p) for p in model.parameters()})


@pytest.mark.parametrize("seed", range(8))
def test_a_state_dict_goes_round(seed: int) -> None:
    text = random_spec(seed)
    model, other = build(text, seed), build(text, seed + 1)
    x = images(model, seed=seed)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


@pytest.mark.parametrize("seed", range(25))
def test_a_checkpoint_has_the_programs_names_and_each_weight_once(seed: int) -> None:
    model = build(random_spec(seed), seed)
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


def test_every_parameter_reaches_the_output() -> None:
    for seed in range(25):
        model = build(random_spec(seed, replace(TAME, fast=("tanh", "sigmoid", "gelu"), slow=("tanh", "sigmoid", "layernorm"))), seed)
        model(images(model, seed=seed)).square().sum().backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


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


def drawn(model: Model, seed: int) -> list[Tensor]:
    """The parameters after a reset by a generator of that seed."""
    model.reset_parameters(torch.Generator().manual_seed(seed))
    return [parameter.detach().clone() for parameter in model.parameters()]


def test_a_reset_is_repeatable_and_as_the_spec_says() -> None:
    model = compile_model(load("paramixer", "asymmetric,digits"))
    randomise(model, 0)
    first, second, again = drawn(model, 1), drawn(model, 2), drawn(model, 1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for parameter, a, b in zip(model.program.parameters, first, second, strict=True):
        assert torch.equal(a, b) == (parameter.init in ("zeros", "ones"))
        if parameter.init == "zeros":
            assert not a.any()
        elif parameter.init == "xavier":
            bound = math.sqrt(6 / (a.shape[0] + math.prod(a.shape[1:])))
            assert 0.8 * bound < a.abs().max() <= bound
