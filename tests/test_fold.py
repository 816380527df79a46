"""The folded form computes what the form in which one trains computes in evaluation, and has the maps that one would write for it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hopgraph.errors import HopgraphError, Source
from hopgraph.export import folded as folding
from hopgraph.graph.ham import chain_maps, end_ops
from hopgraph.lower.fold import folded_model
from hopgraph.lower.model import Model
from hopgraph.lower.verify import UPDATE_TOLERANCE, verify
from hopgraph.passes.pipeline import CheckedSpec, load, stage_after
from hopgraph.train.run import read_run
from tests.deploy.test_cli import Shell, shell
from tests.laws.specs import build, images, randomise, relative, seeds

__all__ = ["shell"]

CONSTRUCTS = Path(__file__).parent / "constructs"
TOLERANCE = 1e-10
NORM: Any = {"batch_norm": {"per": "c"}}
WIDE: Any = {"conv": {"over": ["r", "w"], "kernel": 7, "per": "c"}}
SMALL: Any = {"conv": {"over": ["w", "r"], "kernel": 3, "per": "c", "bias": True}}
POINT: Any = {"dense": {"c": "c"}}
POOL: Any = {"pool": {"over": ["r", "w"], "kernel": 3}}


def conv(kernel: Any, **options: Any) -> Any:
    return {"conv": {"over": ["r", "w"], "kernel": kernel, **options}}


def total(*branches: list[Any]) -> Any:
    return {"sum": list(branches)}


def spec(chain: list[Any], symmetry: Any = "tied", encoder: list[Any] | None = None, readout: list[Any] | None = None, **more: Any) -> str:
    """A block of two depths, h seen through a norm and a matrix and x through `chain`, which keeps its axes [c, r, w]."""
    through = [{"batch_norm": {"per": "c"}}, {"dense": {"c": "c", "rank": 2}}]
    factors = {"h": {"layer": "h", "through": through}, "x": {"layer": "x", "through": chain}}
    block = {
        "depth": 2,
        "axes": {"c": 4, "r": 7, "w": 6},
        "layers": {
            "x": {"axes": ["c", "r", "w"], "lagrangian": "tanh"},
            "h": {"axes": ["c", "r", "w"], "lagrangian": "gelu", "fast": True},
        },
        "synapses": {"s": {"factors": factors, "symmetry": symmetry}},
        "update": {"step": 0.3},
    }
    first = [{"conv": {"channels": 4, "kernel": 1, "axes": ["c", "r", "w"]}}]
    whole = {"input": {"image": [3, 7, 6]}, "encoder": encoder or first, "block": block, "readout": readout or []}
    return json.dumps({"hopgraph": 1, "name": "folding", **whole, **more})


def error(model: Model) -> float:
    """How far the folded model is from the model."""
    x = images(model, seed=1)
    return relative(folded_model(model)(x), model(x))


def written(text: str) -> CheckedSpec:
    return load(Source("fold.yaml", text), overrides={"fold": True})


def kinds(steps: Any) -> str:
    """The kinds of a chain, as `conv bias, sum(pool | scale)`."""
    found: list[str] = []
    for step in steps:
        inner = f"({' | '.join(map(kinds, step.branches))})" if step.branches else ""
        found.append(f"{step.kind}{inner}{' bias' if step.options.get('bias') else ''}")
    return ", ".join(found)


SYMMETRIES: dict[str, Any] = {
    "tied": "tied",
    "own": "own",
    "h own": {"h": "own"},
    "x own": {"x": "own"},
    "penalized": {"penalized": 0.1},
    "h penalized": {"h": {"penalized": {"learned": 0.1}}},
    "return": {"x": {"own": {"return": [total([WIDE, NORM], [SMALL, NORM]), POINT, NORM]}}},
    "another return": {"x": {"own": {"return": [NORM, POINT, {"scale": {"gain": ["c"]}}]}}},
}
CHAINS: dict[str, tuple[list[Any], str]] = {
    "a norm after a matrix": ([POINT, NORM], "dense bias"),
    "a norm before a matrix": ([NORM, POINT], "dense bias"),
    "two norms": ([NORM, {"dense": {"c": "c", "bias": True}}, NORM], "dense bias"),
    "a norm between goes into the first": ([POINT, NORM, {"dense": {"c": "c"}}], "dense bias, dense"),
    "low rank": ([NORM, {"dense": {"c": "c", "rank": 2}}, NORM], "dense bias"),
    "several axes": ([{"dense": {"from": ["c", "w"], "to": ["c", "w"]}}, NORM], "dense bias"),
    "a matrix for each position": ([NORM, {"dense": {"c": "c", "per": "r"}}, {"batch_norm": {"per": "r"}}], "dense bias"),
    "a matrix along rows": ([{"dense": {"r": "r"}}, {"batch_norm": {"per": "r"}}], "dense bias"),
    "a depthwise convolution": ([SMALL, NORM], "conv bias"),
    "a dense convolution": ([conv(3, map={"c": "c"}), NORM], "conv bias"),
    "a shared convolution": ([conv(3), {"scale": 0.5}, {"scale": {"gain": "scalar"}}], "conv"),
    "a norm before a 1x1 convolution": ([NORM, conv(1, map={"c": "c"}, bias=True)], "conv bias"),
    "scales": ([{"scale": 2}, POINT, {"scale": {"gain": ["c"]}}, {"scale": {"gain": "scalar"}}], "dense"),
    "a scale before padding": ([{"scale": {"gain": ["c"]}}, SMALL], "conv bias"),
    "parallel convolutions": ([total([WIDE, NORM], [SMALL, NORM])], "conv bias"),
    "even kernels": ([total([conv(4, per="c")], [conv(2, per="c")], [conv([1, 3], per="c")])], "conv"),
    "a small kernel first": ([total([conv(3, per="c")], [conv([3, 5], per="c")])], "conv"),
    "a dilated kernel inside a wide one": ([total([WIDE], [conv(3, per="c", dilation=2)], [conv(3, per="c", dilation=3)])], "conv"),
    "dilated kernels": ([total([conv(3, per="c", dilation=2)], [conv([3, 1], per="c", dilation=2)], [])], "conv"),
    "identity, norm and scale beside a kernel": ([total([conv(3, map={"c": "c"})], [NORM], [{"scale": {"gain": ["c"]}}], [])], "conv bias"),
    "a depthwise and a 1x1 inside a dense kernel": ([total([SMALL], [conv(3, map={"c": "c"})], [POINT], [NORM, POINT])], "conv bias"),
    "identity beside a matrix": ([total([NORM, POINT], [])], "dense bias"),
    "low rank beside a matrix": ([total([{"dense": {"c": "c", "rank": 2, "bias": True}}], [POINT])], "dense bias"),
    "identity beside a matrix per row": ([total([{"dense": {"c": "c", "per": "r"}}], [], [{"scale": {"gain": ["r", "c"]}}])], "dense"),
    "a sum, then a norm": ([total([WIDE], []), NORM], "conv bias"),
    "sums in sums": ([total([total([POINT], [])], [total([{"scale": -1}], [POINT])])], "dense"),
    "what does not fit stays": ([total([POINT, NORM], [POOL], [])], "sum(dense bias | pool)"),
    "pool minus identity": ([total([POOL], [{"scale": -1}])], "sum(pool | scale)"),
    "a norm before padding": ([NORM, SMALL], "batch_norm, conv bias"),
    "a norm along an axis that is not mapped": ([{"batch_norm": {"per": "r"}}, POINT], "batch_norm, dense"),
    "a limited matrix": ([NORM, {"dense": {"c": "c", "spectral": 0.9}}, NORM], "batch_norm, dense, batch_norm"),
    "a masked matrix": ([NORM, {"dense": {"c": "c", "mask": "off_diagonal"}}], "batch_norm, dense"),
    "shifted kernels": ([total([conv(4, per="c")], [conv(4, per="c", padding=[[2, 1], [1, 2]])])], "sum(conv | conv)"),
    "dilations that do not meet": ([total([conv(3, per="c", dilation=2)], [conv(3, per="c")])], "sum(conv | conv)"),
    "a gain over rows beside a matrix": ([total([POINT], [{"scale": {"gain": ["r"]}}])], "sum(dense | scale)"),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_has_the_maps_that_it_should(name: str) -> None:
    chain, wanted = CHAINS[name]
    (block,) = written(spec(chain)).ham.blocks[:1]
    assert kinds(block.synapses[0].factor("x").chain) == wanted
    assert kinds(block.synapses[0].factor("h").chain) == "dense bias"


REPRESENTATIVE = ("two norms", "parallel convolutions", "what does not fit stays")


@pytest.mark.parametrize(
    ("name", "symmetry"),
    [
        *((name, kind) for name in CHAINS for kind in ("tied", "penalized")),
        *((name, kind) for name in REPRESENTATIVE for kind in SYMMETRIES),
    ],
)
def test_a_folded_chain_computes_the_same(name: str, symmetry: str) -> None:
    assert error(build(spec(CHAINS[name][0], SYMMETRIES[symmetry]))) < TOLERANCE


def test_strides_and_changing_sizes() -> None:
    stride = {"over": {"r": "s", "w": "t"}, "stride": 2, "map": {"c": "m"}}
    branches = [
        total(
            [{"conv": {**stride, "kernel": 3, "padding": 1}}, {"batch_norm": {"per": "m"}}],
            [{"conv": {**stride, "kernel": 1, "padding": 0}}],
        )
    ]
    text = json.loads(spec(branches))
    text["block"]["axes"] |= {"s": 4, "t": 3, "m": 5}
    text["block"]["layers"]["h"]["axes"] = ["m", "s", "t"]
    text["block"]["synapses"]["s"]["factors"]["h"] = "h"
    model = build(json.dumps(text))
    assert kinds(folded_model(model).ham.block.synapses[0].factor("x").chain) == "conv bias"
    assert error(model) < TOLERANCE


# --- encoder and readout ----------------------------------------------------------------------------------------------


def image_conv(kernel: int, **options: Any) -> Any:
    return {"conv": {"channels": 4, "kernel": kernel, "padding": kernel // 2, "bias": False, **options}}


FIRST: Any = {"conv": {"channels": 4, "kernel": 3, "padding": 1, "axes": ["c", "r", "w"]}}
MEAN: Any = {"mean": ["r", "w"]}
ENCODERS: dict[str, tuple[list[Any], str]] = {
    "stem": ([FIRST, "batch_norm", "gelu", image_conv(3), "batch_norm"], "conv bias, gelu, conv bias"),
    "a norm before a 1x1": ([FIRST, "relu", "batch_norm", image_conv(1)], "conv bias, relu, conv bias"),
    "a norm before padding": ([FIRST, "relu", "batch_norm", image_conv(3)], "conv bias, relu, batch_norm, conv"),
    "a norm before a depthwise 1x1": ([FIRST, "relu", "batch_norm", image_conv(1, depthwise=True)], "conv bias, relu, conv bias"),
    "parallel branches": (
        [FIRST, total([image_conv(5, depthwise=True), "batch_norm"], [image_conv(3, depthwise=True), "batch_norm"], []), "gelu"],
        "conv bias, conv bias, gelu",
    ),
    "a kernel, a 1x1, a norm, identity": (
        [FIRST, "tanh", total([image_conv(3)], [image_conv(1)], ["batch_norm"], [])],
        "conv bias, tanh, conv bias",
    ),
    "a sum that stays": ([FIRST, total(["gelu"], [image_conv(1)], [])], "conv bias, sum(gelu | conv)"),
    "more channels from each": (
        [
            {"conv": {"channels": 2, "kernel": 1, "axes": ["c", "r", "w"]}},
            "relu",
            "batch_norm",
            total([image_conv(3, depthwise=True), "batch_norm"], [image_conv(1, depthwise=True)]),
        ],
        "conv bias, relu, batch_norm, conv bias",
    ),
}
READOUTS: dict[str, tuple[list[Any], str]] = {
    "a norm before a mean stays": (["batch_norm", MEAN, {"linear": 3}], "batch_norm, mean, linear bias"),
    "a head without a bias": ([MEAN, "batch_norm", {"linear": {"out": 3, "bias": False}}], "mean, linear bias"),
    "a norm after the head": ([MEAN, {"linear": 3}, "batch_norm"], "mean, linear bias"),
    "a norm before a maximum": (["batch_norm", {"max": ["r", "w"]}, {"linear": 3}], "batch_norm, max, linear bias"),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_is_folded(name: str) -> None:
    encoder, wanted = ENCODERS[name]
    model = build(spec([POINT], encoder=encoder))
    ends = folded_model(model).ham.encoder
    assert kinds(ends) == wanted
    assert len({end.name for end in end_ops(ends)}) >= len(ends)
    assert error(model) < TOLERANCE


@pytest.mark.parametrize("name", READOUTS)
def test_a_readout_is_folded(name: str) -> None:
    readout, wanted = READOUTS[name]
    model = build(spec([POINT], readout=readout))
    assert kinds(folded_model(model).ham.readout) == wanted
    assert error(model) < TOLERANCE


def test_patches_are_folded_and_a_tied_head_is_not() -> None:
    text = json.loads(spec([]))
    text["input"] = {"image": [3, 8, 6]}
    text["encoder"] = [{"patch_embed": {"size": 2, "channels": 4}}, {"batch_norm": {}}]
    text["block"] = {
        "axes": {"n": 12, "c": 4},
        "layers": {"x": {"axes": ["n", "c"], "lagrangian": "tanh"}},
        "synapses": {"s": {"factors": {"x": "x"}, "bias": ["c"]}},
    }
    model = build(json.dumps(text))
    assert kinds(folded_model(model).ham.encoder) == "patch_embed"
    assert error(model) < TOLERANCE
    text["input"] = {"tokens": {"length": 12, "vocabulary": 9}}
    text["encoder"] = [{"embed": {"vocabulary": 9, "channels": 4}}]
    text["readout"] = [{"mean": "n"}, {"batch_norm": {}}, {"linear": {"out": 9, "tied": "embed"}}]
    assert kinds(written(json.dumps(text)).ham.readout) == "mean, batch_norm, linear bias"


# --- whole specs ------------------------------------------------------------------------------------------------------


def drawn(seed: int) -> str:
    """A random pyramid of random chains that may fold or not, tied, own or penalized."""
    rng = random.Random(seed)  # noqa: S311 (no secrets)

    def one() -> Any:
        choices: list[Any] = [
            POINT,
            {"dense": {"c": "c", "bias": True}},
            {"dense": {"c": "c", "rank": 2}},
            {"dense": {"c": "c", "mask": "off_diagonal"}},
            {"dense": {"r": "r"}},
            conv(rng.choice([1, 2, 3, 5]), per="c", bias=rng.random() < 0.5),
            conv(3, per="c", dilation=2),
            conv(rng.choice([1, 3]), map={"c": "c"}, bias=rng.random() < 0.5),
            conv(3),
            POOL,
            {"scale": rng.choice([-1, 0.5, {"gain": ["c"]}, {"gain": ["c", "r"]}, {"gain": "scalar"}])},
            *[{"batch_norm": {"per": rng.choice(["c", "c", "c", "r"])}}] * 6,
        ]
        return rng.choice(choices)

    def end() -> Any:
        kernel, bias = rng.choice([1, 3]), rng.random() < 0.5
        return rng.choice(
            [image_conv(kernel, bias=bias), image_conv(kernel, bias=bias, depthwise=True), "batch_norm", "batch_norm", "gelu"]
        )

    def chain(draw: Callable[[], Any], count: int, deep: bool = True) -> list[Any]:
        def part() -> list[Any]:
            return chain(draw, rng.choice([0, 1, 1, 1, 2]), deep=False)

        return [total(*(part() for _ in range(rng.randint(2, 3)))) if deep and rng.random() < 0.35 else draw() for _ in range(count)]

    symmetry = rng.choice(["tied", "own", {"x": "own"}, {"h": "own"}, {"penalized": 0.1}, {"h": {"penalized": 0.1}}])
    text = json.loads(spec(chain(one, rng.randint(1, 4)), symmetry, readout=[*chain(end, 2), MEAN, {"linear": 3}]))
    gate = {"h": "h", "x": {"layer": "x", "through": chain(one, 2)}, "y": {"layer": "x", "through": chain(one, 2)}}
    pulls = rng.choice(
        ["own", {"penalized": 0.1}, {"h": "tied", "x": "own", "y": {"penalized": 0.1}}, {"h": {"penalized": 1.0}, "x": "off"}]
    )
    text["block"]["synapses"]["gate"] = {"factors": gate, "symmetry": pulls}
    block = text.pop("block")
    text["encoder"] += chain(end, 2)
    text["stages"] = [{"block": block}, {"down": chain(end, 2), "block": block}]
    return json.dumps(text)


@pytest.mark.parametrize("seed", seeds(15, 150))
def test_random_specs_compute_the_same_when_folded(seed: int) -> None:
    model = build(drawn(seed), seed)
    folded = folded_model(model)
    x = images(model, seed=seed)
    assert relative(folded(x), model(x)) < TOLERANCE
    assert folded_model(folded).state_dict().keys() == folded.state_dict().keys()
    assert all(torch.equal(a, b) for a, b in zip(folded_model(folded).state_dict().values(), folded.state_dict().values(), strict=True))


@pytest.mark.parametrize(
    ("name", "variant"), [("pyramid", None), ("convolutions", None), ("convolutions", "penalized"), ("convolutions", "learned")]
)
def test_constructs_compute_the_same_when_folded(name: str, variant: str | None) -> None:
    model = build(load(CONSTRUCTS / f"{name}.yaml", variant))
    folded = folded_model(model)
    assert folded.spec.parameter_count < model.spec.parameter_count
    assert error(model) < TOLERANCE


FFNET = [
    "dims.image=24",
    "dims.width=32",
    "dims.stride=1",
    "dims.stem=3",
    "dims.base=4",
    "dims.D1=1",
    "dims.D2=2",
    "dims.D3=1",
    "dims.D4=1",
    "dims.classes=5",
]


@pytest.mark.parametrize("variant", [None, "symmetric", "parallel", "relu", "F3"])
def test_ffnet_computes_the_same_when_folded(variant: str | None) -> None:
    model = build(load("ffnet", variant, FFNET))
    folded = folded_model(model)
    assert {name.rpartition(".")[0] for name, _ in folded.named_buffers()} == {"readout.batch_norm"}
    assert error(model) < TOLERANCE


def test_ffnet_has_the_parameters_of_the_published_folded_form() -> None:
    assert load("ffnet").parameter_count == 13_775_656
    assert load("ffnet", None, {"fold": True}).parameter_count == 13_660_152


def test_a_folded_spec_is_the_one_that_one_would_write() -> None:
    chain, by_hand = (
        [NORM, POINT, total([WIDE, NORM], [SMALL, NORM], [])],
        [{"dense": {"c": "c", "bias": True}}, conv(7, per="c", bias=True)],
    )
    ends = [FIRST, "batch_norm", total([image_conv(1), "batch_norm"], []), "gelu"]
    folded = written(spec(chain, "own", encoder=ends, readout=[MEAN, "batch_norm", {"linear": 3}]))
    text = json.loads(spec(by_hand, "own", encoder=[FIRST, image_conv(1, bias=True), "gelu"], readout=[MEAN, {"linear": 3}]))
    text["block"]["synapses"]["s"]["factors"]["h"]["through"] = [{"dense": {"c": "c", "rank": 2, "bias": True}}]
    assert folded.program == load(Source("hand.yaml", json.dumps(text))).program


@pytest.mark.parametrize("name", ["paramixer", str(CONSTRUCTS / "masks.yaml"), str(CONSTRUCTS / "pooling.yaml")])
def test_nothing_to_fold_leaves_the_graph(name: str) -> None:
    assert stage_after("fold", name, None, ["fold=true"]) == replace(load(name).ham, fold=True)


def test_without_the_word_nothing_is_folded() -> None:
    ham = stage_after("fold", CONSTRUCTS / "pyramid.yaml")
    assert ham == stage_after("schedule-groups", CONSTRUCTS / "pyramid.yaml")
    assert any(step.kind == "batch_norm" for factor in ham.block.synapses[0].factors for step in chain_maps(factor.chain))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType, reportUnknownArgumentType]


def test_a_departure_of_zero_stays_zero() -> None:
    model = build(spec([NORM, POINT, NORM], {"x": {"penalized": 0.1}}))
    departures = [parameter.stored_name for parameter in model.program.parameters if parameter.penalty]
    with torch.no_grad():
        for name in departures:
            if ".penalized_x.x." in name:
                model.stored(name).zero_()
    folded = folded_model(model).state_dict()
    assert [tensor.abs().max().item() for name, tensor in folded.items() if ".penalized_x.x." in name] == [0.0, 0.0]


def test_a_folded_spec_trains_without_statistics_and_keeps_its_energy() -> None:
    checked = written(spec([POINT, NORM, total([WIDE, NORM], [])]))
    model = build(checked)
    x = images(model)
    evaluated = model(x)
    assert torch.equal(model.train()(x), evaluated)
    evaluated.square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert not list(model.buffers())
    assert checked.certificate.notes == ()
    assert load(Source("fold.yaml", spec([POINT, NORM]))).certificate.notes != ()
    assert verify(checked, "folded").update_error < UPDATE_TOLERANCE


def test_float32_weights_stay_float32() -> None:
    model = build(spec([NORM, POINT]), dtype=torch.float32)
    folded = folded_model(model)
    assert {tensor.dtype for tensor in folded.state_dict().values()} == {torch.float32}
    x = images(model, dtype=torch.float32)
    assert relative(folded(x), model(x)) < 1e-5


def test_iso_params_scales_the_dims_of_the_form_that_is_not_folded() -> None:
    text = json.loads(spec([{"batch_norm": {"per": "c"}}, {"dense": {"c": "m"}}]))
    text |= {"dims": {"M": 9}, "iso_params": {"match": "own", "by": ["M"]}}
    text["block"]["axes"]["m"] = "M"
    text["block"]["layers"]["h"]["axes"] = ["m", "r", "w"]
    text["block"]["synapses"] = {"s": {"factors": {"h": "h", "x": text["block"]["synapses"]["s"]["factors"]["x"]}}}
    plain, folded = load(Source("iso.yaml", json.dumps(text))), written(json.dumps(text))
    assert plain.ham.dims == folded.ham.dims != {"M": 9}


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(shell: Shell, tmp_path: Path) -> Path:
    readout = ["batch_norm", MEAN, {"linear": 10}]
    text = json.loads(spec([POINT, NORM], encoder=[FIRST, "batch_norm"], readout=readout))
    text["input"] = {"image": [1, 8, 8]}
    text["block"]["axes"] |= {"r": 8, "w": 8}
    (tmp_path / "spec.yaml").write_text(json.dumps(text), encoding="utf-8")
    shell("train", tmp_path / "spec.yaml", "--out", tmp_path / "run", "--epochs", "1", "--batch-size", "512")
    return tmp_path / "run"


def test_fold_writes_a_run_that_computes_the_same(shell: Shell, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = run.with_name("folded")
    facts = shell.json("fold", run, "-o", out)
    assert facts == {"run": str(out), "parameters_before": 202, "parameters": 178}
    given, found = (read_run(path) for path in (run, out))
    assert found.record.history == given.record.history
    x = images(given.model, dtype=torch.float32)
    assert relative(found.model(x), given.model(x)) < 1e-5
    printed, _ = shell("fold", out, "-o", run.with_name("again"))
    assert printed.endswith("178 parameters of 178\n")
    _, message = shell("fold", run, "-o", out, status=1)
    assert "error[file-exists]" in message
    _, message = shell("fold", run.with_name("none"), "-o", run.with_name("other"), status=1)
    assert "error[run-damaged]" in message

    def damaged(model: Model) -> Model:
        randomise(model, 1)
        return model

    monkeypatch.setattr(folding, "folded_model", lambda model: damaged(folded_model(model)))  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType]
    _, message = shell("fold", run, "-o", run.with_name("wrong"), status=1)
    assert "error[parity]: the folded model differs from the run's by" in message
    assert not run.with_name("wrong").exists()


def test_a_fold_that_is_no_truth_value_is_refused() -> None:
    with pytest.raises(HopgraphError, match="fold") as raised:
        load(Source("fold.yaml", spec([POINT], fold="yes")))
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == ["bad-value"]
