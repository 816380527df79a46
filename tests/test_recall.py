"""Recall: stored patterns come back, and the updates and energies are those of the papers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

import hopgraph
from hopgraph.errors import HopgraphError
from hopgraph.recall.arrays import Array
from hopgraph.recall.command import Request, run_recall
from hopgraph.recall.dynamics import corrupted, recall
from hopgraph.recall.memory import find_memory, store, stored_patterns

from .hopfields import SLOW_PAIR, signs, storing
from .laws.specs import relative

PAPERS = ["classical", "dense", "modern"]
BETA = {"classical": 4.0, "dense": 100.0, "modern": 1.0}
"""Of the tanh neurons of the classical and the dense network, and of the softmax."""


def some_states(batch: int, width: int, seed: int = 1) -> Tensor:
    return torch.randn((batch, width), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def update_written_out(variant: str, xi: Tensor, x: Tensor) -> Tensor:
    """x' of the papers, [batch, N], for xi [M, N]."""
    width = xi.shape[1]
    if variant == "modern":
        return torch.softmax(x @ xi.T, 1) @ xi
    g = torch.tanh(BETA[variant] * x)
    if variant == "classical":
        return g @ (xi.T @ xi / width)
    scale = width ** (-2 / 3)
    return scale * (scale * g @ xi.T).clamp(min=0) ** 2 @ xi


def energy_written_out(variant: str, xi: Tensor, x: Tensor) -> Tensor:
    """E of the papers up to a constant, [batch].

    Ramsauer et al., equation 2: 1/2 <x, x> - lse(beta, Xi x). Hopfield (1984): -1/2 sum T_ij V_i V_j + sum of the integrals
    of the inverse of V = tanh(beta x) up to V. Krotov and Hopfield: -sum of F(<xi, V>), with the same integrals.
    """
    if variant == "modern":
        return 0.5 * (x * x).sum(1) - torch.log(torch.exp(x @ xi.T).sum(1))
    v = torch.tanh(BETA[variant] * x)
    integral = ((v * torch.atanh(v) + 0.5 * torch.log1p(-v * v)) / BETA[variant]).sum(1)
    if variant == "classical":
        couplings = xi.T @ xi / xi.shape[1]
        return integral - 0.5 * torch.einsum("bi,ij,bj->b", v, couplings, v)
    overlaps = xi.shape[1] ** (-2 / 3) * v @ xi.T
    return integral - (overlaps.clamp(min=0) ** 3 / 3).sum(1)


# --- the three networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["", *PAPERS, "continuous", "classical,continuous", "dense,continuous"])
def test_the_certificate_is_guaranteed(variant: str) -> None:
    assert str(hopgraph.load("hopfield", variant).certificate) == "guaranteed (any step 0 < a <= 1)"


@pytest.mark.parametrize("variant", PAPERS)
def test_the_update_is_the_papers(variant: str) -> None:
    xi = np.random.default_rng(2).standard_normal((7, 11))
    x = some_states(5, 11) / BETA[variant]
    assert relative(storing(xi, variant).update(x), update_written_out(variant, torch.tensor(xi), x)) < 1e-12


@pytest.mark.parametrize("variant", PAPERS)
def test_the_energy_is_the_papers_up_to_a_constant(variant: str) -> None:
    xi = np.random.default_rng(3).standard_normal((7, 11))
    x = some_states(20, 11) / BETA[variant]
    apart = storing(xi, variant).energy(x).detach() - energy_written_out(variant, torch.tensor(xi), x)
    assert (apart - apart[0]).abs().max() < 1e-12


@pytest.mark.parametrize("variant", PAPERS)
def test_corrupted_patterns_come_back_exactly(variant: str) -> None:
    patterns = signs(10, 200)
    given = torch.tensor(patterns)
    found = recall(storing(patterns, variant), corrupted(given, share=0.2, noise=0.0, seed=0))
    assert torch.equal(found.states["x"].sign(), given)
    assert None not in found.updates
    assert found.nearest is not None
    assert found.nearest.tolist() == list(range(10))
    if variant == "modern":
        assert (found.states["x"] - given).abs().max() < 1e-9


@pytest.mark.parametrize("variant", [*PAPERS, "classical,continuous", "dense,continuous", "modern,continuous"])
def test_the_energy_never_rises(variant: str) -> None:
    patterns = np.random.default_rng(4).standard_normal((10, 32))
    found = recall(storing(patterns, variant), 2 * some_states(100, 32), steps=200, tolerance=0.0)
    assert found.energies is not None
    assert found.largest_rise is not None
    assert (found.largest_rise / found.energies.abs().amax(0)).max() < 1e-9


# --- the fixed point --------------------------------------------------------------------------------------------------


def test_updates_are_counted_until_the_state_stays() -> None:
    pattern = signs(1, 9)
    model = storing(pattern, "modern")
    states = torch.stack([torch.tensor(pattern[0]), torch.zeros(9, dtype=torch.float64)])
    assert recall(model, states).updates == (1, 2)


def test_the_count_of_small_steps_is_that_of_the_geometric_series() -> None:
    """One pattern: x_k = (1 - 2^-k) xi from x_0 = 0 at a = 1/2, so that |x_k - x_(k-1)| / |x_(k-1)| = 2^-k / (1 - 2^(1-k))."""
    pattern, tolerance = signs(1, 9), 1e-4
    model = storing(pattern, "modern", **{"block.update.step": 0.5})
    count = next(k for k in range(2, 100) if 2.0**-k / (1 - 2.0 ** (1 - k)) <= tolerance)
    zeros = torch.zeros((1, 9), dtype=torch.float64)
    assert recall(model, zeros, tolerance=tolerance).updates == (count,)
    assert recall(model, zeros, tolerance=tolerance, steps=count - 1).updates == (None,)


def test_no_example_depends_on_those_beside_it() -> None:
    model, states = storing(signs(12, 40), "classical"), some_states(5, 40)
    together = recall(model, states)
    for index in range(5):
        alone = recall(model, states[index : index + 1])
        assert alone.updates == together.updates[index : index + 1]
        assert relative(alone.states["x"][0], together.states["x"][index]) < 1e-12


def test_a_model_in_float32_recalls_in_float64_and_stays_as_it_is() -> None:
    model = hopgraph.compile("hopfield").train()
    found = recall(model, torch.randn(2, 64))
    assert found.states["x"].dtype == torch.float64
    assert model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_without_an_energy_there_is_the_reason() -> None:
    found = recall(storing(signs(4, 16), "modern", **{"block.symmetry": "own"}), some_states(2, 16))
    assert found.energies is None
    assert found.largest_rise is None
    assert found.reason == "the pull on `x` of synapse `memory` is own: no energy has both pulls"


def test_own_copies_and_departures_start_at_the_patterns() -> None:
    patterns, states = signs(4, 16), some_states(2, 16)
    tied = recall(storing(patterns, "modern"), states).states["x"]
    for symmetry in ("own", {"penalized": 0.1}):
        assert relative(recall(storing(patterns, "modern", **{"block.symmetry": symmetry}), states).states["x"], tied) < 1e-12


def test_several_slow_layers() -> None:
    model = hopgraph.compile(SLOW_PAIR, "decay", {"block.depth": 1}).double()
    entry = some_states(3, 20).reshape(3, 5, 4)
    with torch.no_grad():
        states = model.start(entry)
        wanted = model.update(model.update(states))
    found = recall(model, states, steps=2, tolerance=0.0)
    assert set(found.states) == {"x", "y"}
    assert all(relative(found.states[name], wanted[name]) < 1e-12 for name in wanted)
    assert found.overlaps is None
    assert (found.energies is None) == (found.reason is not None)


def test_states_for_other_layers_or_of_other_sizes() -> None:
    model = hopgraph.compile("hopfield")
    with pytest.raises(HopgraphError, match="there are states for y, and the slow layers are x"):
        recall(model, {"y": torch.zeros(1, 64)})
    with pytest.raises(HopgraphError, match=r"the states of layer `x` are \[63\] each, and the layer is \[64\]"):
        recall(model, torch.zeros(1, 63))


def test_exactly_a_share_of_the_signs_is_flipped() -> None:
    given = torch.tensor(signs(6, 50))
    assert (corrupted(given, 0.3, 0.0, 0) != given).sum(1).tolist() == [15] * 6
    assert torch.equal(corrupted(given, 0.0, 0.0, 0), given)
    assert not torch.equal(corrupted(given, 0.3, 0.0, 0), corrupted(given, 0.3, 0.0, 1))
    assert abs((corrupted(given, 0.0, 0.5, 0) - given).std().item() - 0.5) < 0.1


# --- the command ------------------------------------------------------------------------------------------------------


def saved(folder: Path, patterns: Array) -> Path:
    np.save(folder / "p.npy", patterns)
    return folder / "p.npy"


def test_the_sizes_come_from_the_file(tmp_path: Path) -> None:
    patterns = signs(6, 30)
    report = run_recall("hopfield", None, None, Request(patterns=saved(tmp_path, patterns), corrupt=0.2, out=tmp_path / "x.npy"))
    assert np.array_equal(np.sign(np.load(tmp_path / "x.npy")), patterns)
    assert report.summary.splitlines() == [
        "6 of 6 settled within 100 updates",
        "6 of 6 end nearest to the pattern that they started from",
        "certificate: guaranteed (any step 0 < a <= 1); energy E_eff",
    ]
    assert report.table.rows[0][3:] == ("-15", "0.0e+00", "0", "1.000000")
    assert report.trace.splitlines()[5].startswith("example 5: -3.")
    assert report.trace.endswith(" -15")


def test_everything_as_plain_data(tmp_path: Path) -> None:
    data = run_recall("hopfield", None, None, Request(patterns=saved(tmp_path, signs(3, 30)))).as_json()
    assert {key: data[key] for key in ("spec", "energy", "reason")} == {"spec": "hopfield", "energy": "E_eff", "reason": None}
    example = data["examples"][2]
    assert (example["updates"], example["pattern"], len(example["overlaps"]), len(example["energies"])) == (1, 2, 3, 2)


def test_an_output_is_not_replaced_unasked(tmp_path: Path) -> None:
    out, patterns = tmp_path / "x.npy", saved(tmp_path, signs(2, 8))
    out.write_text("old")
    with pytest.raises(HopgraphError, match="exists already"):
        run_recall("hopfield", None, None, Request(patterns=patterns, out=out))
    run_recall("hopfield", None, None, Request(patterns=patterns, out=out, force=True))
    assert np.load(out).shape == (2, 8)


def test_weights_are_loaded_and_start_from_the_patterns_in_them(tmp_path: Path) -> None:
    patterns = signs(10, 64).astype(np.float32)
    save_file({"blocks.0.memory.x.dense.weight": patterns}, tmp_path / "w.safetensors")
    report = run_recall("hopfield", None, None, Request(weights=tmp_path / "w.safetensors", corrupt=0.2))
    assert np.array_equal(report.recall.states["x"].sign().numpy(), patterns)


def test_states_come_from_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.ones((4, 8)))
    report = run_recall("hopfield", None, None, Request(patterns=saved(tmp_path, signs(2, 8)), state=tmp_path / "s.npy"))
    assert len(report.recall.updates) == 4
    assert "started from" not in report.summary


def test_patterns_into_a_named_weight(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.ones((2, 5, 4)))
    patterns = signs(3, 5)
    request = Request(patterns=saved(tmp_path, patterns), state=tmp_path / "s.npy", into="hidden.x", steps=3)
    report = run_recall(SLOW_PAIR, None, None, request)
    assert report.recall.overlaps is None
    assert report.table.rows[0][-2:] == ("none", "none")
    model = hopgraph.compile(SLOW_PAIR).double()
    memory = find_memory(model.spec, 0, "hidden.x")
    store(model, memory, patterns)
    assert np.array_equal(stored_patterns(model, memory).numpy(), patterns)


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    """A residual update of an identity layer grows without bound."""
    settings = ["block.update.form=residual", "block.layers.h.lagrangian=identity"]
    request = Request(patterns=saved(tmp_path, 1e6 * signs(3, 8)), steps=60)
    example = run_recall("hopfield", None, settings, request).as_json()["examples"][0]
    assert example["updates"] is None
    assert example["energies"][-1] is None
    assert math.isfinite(example["energies"][0])
