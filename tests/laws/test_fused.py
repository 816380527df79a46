"""The passes over the program change how it is computed and nothing else: outputs and gradients, over random specs and the catalogue."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from hopgraph.frontend.library import shipped
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import PROGRAM_PASSES, UNASKED, load
from hopgraph.program.program import Repeat
from hopgraph.show.catalogue import small_of

from .drawing.recipe import EVERYTHING
from .specs import TAME, build, check, images, random_spec, randomise, relative, seeds

NAMES = tuple(item.name for item in PROGRAM_PASSES)
TOLERANCE = 1e-12


def plain(model: Model, *names: str) -> Model:
    """The same model without some passes, with the same weights."""
    found = compile_model(replace(model.spec, without=names), dtype=torch.float64)
    found.load_state_dict(model.state_dict())
    return found


def assert_equal(model: Model, other: Model, seed: int) -> None:
    """Outputs in both modes, and the gradients of every weight and of the input."""
    x = images(model, 3, seed)
    for training in (False, True):
        results: list[list[torch.Tensor]] = []
        for found in (model.train(training), other.train(training)):
            given = x.clone().requires_grad_() if x.is_floating_point() else x
            torch.manual_seed(seed)
            outputs = found(given)
            wanted = [*found.parameters(), *([given] if given.is_floating_point() else [])]
            weights = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(seed), dtype=outputs.dtype)
            gradients = torch.autograd.grad((outputs * weights).sum(), wanted, allow_unused=True, materialize_grads=True)
            results.append([outputs.detach(), *gradients])
        assert torch.equal(results[0][0].isfinite(), results[1][0].isfinite())
        if not results[0][0].isfinite().all():
            return  # some of the wildest specs leave the range of float64
        whole = max(gradient.abs().max().item() for gradient in results[1][1:])
        assert relative(results[0][0], results[1][0]) <= TOLERANCE
        assert all((got - wanted).abs().max().item() <= 1e-10 * whole for got, wanted in zip(results[0][1:], results[1][1:], strict=True))


@pytest.mark.parametrize("seed", seeds(40, 300))
def test_a_program_computes_the_same_without_its_passes(seed: int) -> None:
    model = build(random_spec(seed, EVERYTHING), seed)
    assert_equal(model, plain(model, *NAMES), seed)


@pytest.mark.parametrize("seed", seeds(20, 100))
def test_a_loop_computes_the_same_without_the_passes(seed: int) -> None:
    model = build(random_spec(seed, replace(TAME, slow_layers=3)), seed, {"block.steps": 3})
    assert_equal(model, plain(model, *NAMES), seed)


def test_what_a_loop_carries_on_it_computes_itself() -> None:
    """A pull that reads what does not move is the same in the loop as in the first state before it."""
    spec = check(random_spec(334, EVERYTHING))
    (loop,) = (item for item in spec.program.statements if isinstance(item, Repeat))
    assert {item.result for item in loop.carried} <= {statement.output.name for statement in loop.body}


@pytest.mark.parametrize("name", shipped())
def test_every_pass_leaves_the_catalogue_as_it_is(name: str) -> None:
    small = small_of(load(name).variant_names)
    forms = [form for form in ("", "symmetric", "transformer", "parallel") if form in ("", *load(name).variant_names)]
    for form in forms:
        if (form, small) == ("symmetric", "text"):
            continue  # the sibling of a causal model is of another form
        spec = load(name, f"{form},{small}".strip(","))
        model = compile_model(spec, dtype=torch.float64)
        randomise(model, 1)
        for left_out in (NAMES, (), *((*UNASKED, item) for item in NAMES)):
            if replace(spec, without=left_out).program != spec.program:
                assert_equal(model, plain(model, *left_out), 1)


def operations(spec: str, variant: str) -> Counter[str]:
    return Counter(statement.op for statement in load(spec, variant).program.flat())


def test_what_is_fused() -> None:
    depth = load("vit", "digits").ham.dims["depth"]
    vit = operations("vit", "digits")
    assert vit["attention"] == depth
    assert vit["affine"] == 6 * depth
    assert vit["softmax"] == vit["multiply"] == 0
    causal = operations("masked_mixer", "transformer,text")
    assert causal["attention"]
    assert not causal["masked_softmax"]
    tied = operations("energy_transformer", "digits")
    assert tied["attention"] == 0, "the tied pull on the key reads the softmax too"
    assert tied["masked_softmax"]
    assert not tied["multiply"], "gains are part of their norms"


def test_what_draws_numbers_is_not_shared() -> None:
    drops = {"block.update.drop": 0.5}
    twice = load("paramixer", "vanilla,digits", drops)
    found = [item for item in twice.program.flat() if item.op == "drop_path"]
    assert len(found) == len([item for item in replace(twice, without=(*UNASKED, "share")).program.flat() if item.op == "drop_path"]) > 1


def test_what_is_computed_twice_is_computed_once() -> None:
    spec = load("ninformer", "symmetric,digits")
    shared, twice = (sum(1 for _ in found.program.flat()) for found in (spec, replace(spec, without=(*UNASKED, "share"))))
    assert shared < twice
