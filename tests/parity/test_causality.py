"""Causal language models do not read the future: changing a token changes nothing before it, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime as ort
import pytest
import torch
from torch import Tensor

import hopgraph
from exporters import onnx as onnx_exporter
from hopgraph.lower.model import Model
from hopgraph.lower.verify import randomise

TOKENS, VOCABULARY = 6, 11
SETTINGS = {"dims.T": TOKENS, "dims.V": VOCABULARY, "dims.C": 8, "dims.depth": 2}
FORMS = (None, "expanded", "kernel", "heads", "transformer", "transformer,positions", "hybrid", "hybrid_parallel", "symmetric_channels")

Run = Callable[[Tensor], Tensor]


def model_of(variant: str | None) -> Model:
    model = hopgraph.compile("masked_mixer", variant, SETTINGS)
    randomise(model, torch.Generator().manual_seed(3))
    return model.eval()


def eager(model: Model) -> Run:
    def run(tokens: Tensor) -> Tensor:
        with torch.no_grad():
            return model(tokens)

    return run


def onnx_runtime(model: Model) -> Run:
    emitted = onnx_exporter.emit(model.program, model.state_dict())
    session: Any = ort.InferenceSession(emitted.SerializeToString(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda tokens: torch.from_numpy(session.run(None, {name: tokens.numpy()})[0])


def reached(run: Run) -> Tensor:
    """[j, i]: the largest change of the output at i when token j is changed, in a batch of two."""
    tokens = torch.randint(VOCABULARY, (2, TOKENS), generator=torch.Generator().manual_seed(4))
    rows: list[Tensor] = []
    for position in range(TOKENS):
        changed = tokens.clone()
        changed[:, position] = (changed[:, position] + 1) % VOCABULARY
        rows.append((run(changed) - run(tokens)).abs().amax(dim=(0, 2)))
    return torch.stack(rows)


@pytest.mark.parametrize("runtime", [eager, onnx_runtime])
@pytest.mark.parametrize("variant", FORMS)
def test_a_token_changes_nothing_before_it_and_everything_after(variant: str | None, runtime: Callable[[Model], Run]) -> None:
    changes = reached(runtime(model_of(variant)))
    assert (changes.tril(-1) == 0).all()
    assert (changes[torch.ones_like(changes).triu() == 1] > 0).all()


@pytest.mark.parametrize("variant", ["symmetric", "kernel"])
def test_without_a_mask_it_would(variant: str) -> None:
    """What the test above would say of a model that is not causal."""
    settings: dict[str, Any] = dict(SETTINGS)
    if variant == "kernel":
        unmasked = {"conv": {"over": "c", "kernel": "kernel", "map": {"k": "n"}, "bias": True}}
        settings["block.synapses.token.factors.past.through"] = [unmasked]
    model = hopgraph.compile("masked_mixer", variant, settings)
    randomise(model, torch.Generator().manual_seed(3))
    assert (reached(eager(model.eval())) > 0).all()


@pytest.mark.parametrize(
    ("variant", "path"),
    [
        (None, "block.synapses.token.symmetry"),
        ("kernel", "block.synapses.token.symmetry"),
        ("heads", "block.synapses.token.symmetry"),
        ("expanded", "block.synapses.token.symmetry"),
        ("transformer", "block.synapses.attention.symmetry"),
    ],
)
def test_a_tied_form_of_a_causal_one_is_refused(variant: str | None, path: str) -> None:
    with pytest.raises(hopgraph.HopgraphError) as raised:
        hopgraph.load("masked_mixer", variant, {**SETTINGS, path: "tied"})
    assert {found.code for found in raised.value.diagnostics} == {"causality"}


@pytest.mark.parametrize(("hidden", "verdict"), [("gelu", "small-step"), ("relu", "guaranteed")])
def test_without_a_mask_all_pulls_can_be_tied(hidden: str, verdict: str) -> None:
    lagrangians = {"block.layers.t.lagrangian": hidden, "block.layers.h.lagrangian": hidden}
    spec = hopgraph.load("masked_mixer", "retrieval,symmetric", lagrangians)
    assert {pull.symmetry for synapse in spec.ham.block.synapses for pull in synapse.pulls} == {"tied"}
    assert spec.certificate.verdict.value == verdict


@pytest.mark.parametrize(
    ("variant", "count"),
    [
        (None, 8_411_136),
        # a second map over tokens; a kernel of four matrices
        ("expanded", 8_411_136 + 8 * (512 * 512 + 512)),
        ("kernel", 8_411_136 + 8 * 3 * 512 * 512),
        # a second map over tokens, and two over channels
        ("heads", 8_411_136 + 8 * (512 * 512 + 512 + 2 * (256 * 256 + 256))),
        ("transformer", 8_411_136 + 8 * (4 * (256 * 256 + 256) - 512 * 512 - 512)),
    ],
)
def test_the_numbers_of_parameters_at_the_published_sizes(variant: str | None, count: int) -> None:
    assert hopgraph.load("masked_mixer", variant).program.parameter_count == count


def test_ninformer_has_the_published_number_of_parameters() -> None:
    program = hopgraph.load("ninformer").program
    assert program.parameter_count == 2_652_170
    assert len([parameter for parameter in program.parameters if parameter.stored_name.startswith("blocks.0.")]) == 20
