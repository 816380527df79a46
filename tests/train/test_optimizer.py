"""What decays: matrices, kernels and embeddings of tokens, in every shipped spec and form."""

from __future__ import annotations

import pytest
from torch import Tensor

import hopgraph
from hopgraph.errors import Source
from hopgraph.frontend.library import shipped
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import load
from hopgraph.train.optimizer import SCALES, WEIGHTS, decays, make_optimizer
from hopgraph.train.recipe import Recipe

OTHERS = {"bias", "gain", "delta", "step", "token", "beta", "scale", "rate", "running_mean", "running_var"}
"""Every other name of a tensor's field. A new one must be put here or among the weights."""


def decaying(name: str, variant: str | None = None) -> tuple[list[str], list[str]]:
    parameters = [parameter for parameter in load(name, variant).program.parameters if parameter.trainable]
    return [item.name for item in parameters if decays(item)], [item.name for item in parameters if not decays(item)]


@pytest.mark.parametrize("name", shipped())
def test_every_field_is_known(name: str) -> None:
    for variant in (None, *load(name).variant_names):
        for parameter in load(name, variant).program.parameters:
            *_, field = parameter.name.split(".")
            assert field in {*WEIGHTS, *OTHERS}, parameter.name
            if decays(parameter):
                assert parameter.init[0] != "constant" or parameter.name.startswith("readout."), parameter.name
                assert len(parameter.shape) > 1, parameter.name


def test_a_joint_gain_of_two_axes_does_not_decay() -> None:
    _, others = decaying("paramixer", "official")
    (gain,) = [item for item in load("paramixer", "official").program.parameters if item.name == "blocks.0.x.gain"]
    assert len(gain.shape) == 2
    assert "blocks.0.x.gain" in others


def test_stacked_biases_positions_and_class_tokens_do_not_decay_and_embeddings_do() -> None:
    found, others = decaying("vit")
    assert {"encoder.positions.weight", "encoder.class_token.token"} <= set(others)
    assert "encoder.patch_embed.weight" in found
    found, others = decaying("masked_mixer", "transformer")
    assert "encoder.embed.weight" in found
    stacked = [item for item in load("masked_mixer", "heads").program.parameters if item.name.endswith("bias") and len(item.shape) == 2]
    assert stacked
    assert not any(decays(item) for item in stacked)


def test_the_scale_of_a_batch_norm_does_not_decay() -> None:
    found, others = decaying("convmixer")
    assert not [name for name in found if "batch_norm" in name]
    assert [name for name in others if "batch_norm" in name and name.endswith("weight")]
    assert SCALES == ("batch_norm", "positions")


def test_departures_have_a_penalty_of_their_own_and_own_weights_decay() -> None:
    found, others = decaying("paramixer", "asymmetric,digits")
    assert not [name for name in found if "penalized" in name]
    assert [name for name in others if "penalized" in name]
    found, _ = decaying("paramixer", "broken,digits")
    assert [name for name in found if "own_" in name]


def test_low_ranks_decay_and_temperatures_do_not() -> None:
    text = """
hopgraph: 1
name: ranks
input: {tensor: {c: 3}}
block:
  axes: {c: 3, m: 4}
  layers:
    x: {axes: [c], lagrangian: identity}
    h: {axes: [m], lagrangian: {softmax: {over: m, beta: learned}}, fast: true}
  synapses:
    memory: {factors: {h: h, x: {layer: x, through: [{dense: {c: m, rank: 2}}]}}}
"""
    parameters = load(Source("ranks.yaml", text)).program.parameters
    assert {item.name.split(".")[-1] for item in parameters if decays(item)} == {"left", "right"}
    assert {item.name.split(".")[-1] for item in parameters if not decays(item)} == {"beta"}


def test_the_optimizer_has_each_tensor_once_with_its_decay() -> None:
    model = compile_model(hopgraph.load("paramixer", "official,digits", ("dims.C=16",)))
    tensors: dict[str, Tensor] = dict(model.named_parameters())
    given = Recipe.model_validate({"optimizer": {"weight_decay": 0.1, "betas": [0.8, 0.9], "eps": 1e-6}})
    optimizer = make_optimizer(model, tensors, given)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(tensors)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    assert all((group["betas"], group["eps"]) == ((0.8, 0.9), 1e-6) for group in optimizer.param_groups)
