"""Encoder and readout operations: each against a formula in plain PyTorch, and in ONNX Runtime against torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hopgraph.energy.records import ParameterSpec, RecordError, Value
from hopgraph.errors import Source
from hopgraph.frontend.ends import ENDS
from hopgraph.lower.model import compile_model, compiled
from hopgraph.lower.parameters import register
from hopgraph.passes.pipeline import load
from hopgraph.program.builder import Builder
from hopgraph.program.program import Program

from .programs import onnx_function, resolved
from .specs import randomise, relative

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Case:
    """An operation on an input with axes and sizes, what it gives, and the formula of it."""

    kind: str
    options: Any
    shape: dict[str, int]
    target: dict[str, int]
    formula: Callable[[Tensor, Weights], Tensor]
    vocabulary: int = 0

    def __str__(self) -> str:
        return f"{self.kind}-{'x'.join(map(str, self.shape.values()))}-{self.options}"

    @property
    def resolved(self) -> Any:
        """The options as the passes hand them on."""
        return options_of(self.kind, self.options)

    def input(self, batch: int, dtype: torch.dtype) -> Tensor:
        """A random input."""
        source = torch.Generator().manual_seed(batch)
        shape = (batch, *self.shape.values())
        if self.vocabulary:
            return torch.randint(self.vocabulary, shape, generator=source)
        return torch.randn(shape, generator=source, dtype=torch.float64).to(dtype)


def options_of(kind: str, given: Any) -> Any:
    """The options of an operation as the passes hand them on."""
    record = ENDS[kind]
    return resolved(record.options.model_validate(record.shorthand(given)))


@dataclass(frozen=True)
class Built:
    """The program of a case with the module that holds its weights."""

    program: Program
    module: nn.Module
    result: Value
    weights: dict[str, Tensor]

    def __call__(self, x: Tensor) -> Tensor:
        return compiled(self.program, "law")(self.module, x)


def built(case: Case) -> Built:
    """The program of an operation and random weights, in float64, in evaluation."""
    builder = Builder()
    x = builder.input("x", tuple(case.shape), tuple(case.shape.values()), integer=bool(case.vocabulary))
    record = ENDS[case.kind]
    specs = record.parameters(case.resolved, case.shape)
    if case.resolved.get("tied"):
        specs["weight"] = ParameterSpec(("vocabulary", "out"), (case.resolved["out"], list(case.shape.values())[-1]), ("normal", 1.0))
    values = {name: builder.parameter(f"end.{name}", spec) for name, spec in specs.items()}
    result = record.emit(builder, x, case.resolved, values, "y")
    module, source, weights = nn.Module().eval(), torch.Generator().manual_seed(0), dict[str, Tensor]()
    for name, spec in specs.items():
        stored = torch.randn(spec.shape, generator=source, dtype=torch.float64)
        stored = stored.exp() if name == "running_var" else stored
        weights[name] = stored.exp() if spec.positive else stored
        register(module, f"end.{'log_' * spec.positive}{name}", stored, spec.trainable)
    return Built(builder.program("law", [result]), module, result, weights)


def across(weight: Tensor, dim: int, rank: int) -> Tensor:
    """A vector along one dimension of a tensor of that rank."""
    return weight.reshape([-1 if index == dim else 1 for index in range(rank)])


def convolved(x: Tensor, w: Weights, stride: int, padding: int) -> Tensor:
    """The convolution, one place of the kernel at a time."""
    weight = w["weight"]
    size = weight.shape[-1]
    padded = nn.functional.pad(x, [padding] * 4)
    rows, columns = ((padded.shape[dim] - size) // stride + 1 for dim in (2, 3))
    y = torch.zeros(len(x), len(weight), rows, columns, dtype=x.dtype)
    for i in range(size):
        for j in range(size):
            part = padded[:, :, i : i + stride * (rows - 1) + 1 : stride, j : j + stride * (columns - 1) + 1 : stride]
            y += torch.einsum("bchw,oc->bohw", part, weight[:, :, i, j])
    return y + across(w["bias"], 1, 4) if "bias" in w else y


def depthwise(x: Tensor, w: Weights, stride: int, padding: int) -> Tensor:
    """The convolution whose kernels are zero but where a channel of x meets its share of the results."""
    given, (out, _, *kernel) = x.shape[1], w["weight"].shape
    whole = torch.zeros(out, given, *kernel, dtype=x.dtype)
    for index in range(out):
        whole[index, index * given // out] = w["weight"][index, 0]
    return convolved(x, {**w, "weight": whole}, stride, padding)


def normed(dim: int, eps: float) -> Callable[[Tensor, Weights], Tensor]:
    """The batch norm in evaluation."""

    def formula(x: Tensor, w: Weights) -> Tensor:
        weight, bias, mean, variance = (across(w[name], dim, x.ndim) for name in ("weight", "bias", "running_mean", "running_var"))
        return (x - mean) / (variance + eps).sqrt() * weight + bias

    return formula


def sincos(count: int, features: int) -> Tensor:
    """The positions of Vaswani et al. (2017), element by element."""
    table = torch.empty(count, features, dtype=torch.float64)
    for place in range(count):
        for feature in range(features):
            angle = place / 10_000 ** (feature // 2 * 2 / features)
            table[place, feature] = math.cos(angle) if feature % 2 else math.sin(angle)
    return table


def layernorm(x: Tensor, w: Weights) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w["gain"] + w["bias"]


def tokens_first(x: Tensor, w: Weights) -> Tensor:
    return convolved(x, w, 2, 0).flatten(2).mT


def joined(x: Tensor, w: Weights, dim: int) -> Tensor:
    return torch.cat([torch.stack([w["token"]] * len(x)), x], dim)


CHW = {"channels": 3, "height": 6, "width": 8}
NC = {"n": 5, "c": 4}
HNC = {"h": 2, "n": 5, "c": 4}

CASES = (
    Case("patch_embed", {"size": 2, "channels": 5}, CHW, {"n": 12, "c": 5}, tokens_first),
    Case("patch_embed", {"size": 2, "channels": 5, "axes": ["height", "channels"]}, CHW, {"height": 12, "channels": 5}, tokens_first),
    Case("conv", {"channels": 4, "kernel": 3}, CHW, {"channels": 4, "height": 4, "width": 6}, lambda x, w: convolved(x, w, 1, 0)),
    Case(
        "conv",
        {"channels": 4, "kernel": 3, "stride": 2, "padding": 1, "bias": False, "axes": ["c", "r", "w"]},
        {"a": 2, "b": 7, "d": 4},
        {"c": 4, "r": 4, "w": 2},
        lambda x, w: convolved(x, w, 2, 1),
    ),
    Case(
        "conv",
        {"channels": 9, "kernel": 3, "stride": 2, "padding": 1, "depthwise": True},
        CHW,
        {"channels": 9, "height": 3, "width": 4},
        lambda x, w: depthwise(x, w, 2, 1),
    ),
    Case(
        "conv",
        {"channels": 3, "kernel": 5, "padding": 2, "depthwise": True, "bias": False, "axes": ["c", "r", "w"]},
        CHW,
        {"c": 3, "r": 6, "w": 8},
        lambda x, w: depthwise(x, w, 1, 2),
    ),
    Case("batch_norm", {}, CHW, CHW, normed(1, 1e-5)),
    Case("batch_norm", {"eps": 0.1}, NC, NC, normed(2, 0.1)),
    Case("batch_norm", {"per": "n"}, HNC, HNC, normed(2, 1e-5)),
    Case("batch_norm", {}, {"c": 4}, {"c": 4}, normed(1, 1e-5)),
    Case("embed", {"vocabulary": 7, "channels": 4}, {"tokens": 5}, NC, lambda x, w: w["weight"][x], vocabulary=7),
    Case("embed", {"vocabulary": 7, "channels": 4, "axes": ["t", "e"]}, {"t": 5}, {"t": 5, "e": 4}, lambda x, w: w["weight"][x], 7),
    Case("class_token", {"axis": "n"}, NC, {"n": 6, "c": 4}, lambda x, w: joined(x, w, 1)),
    Case("class_token", "n", HNC, {"h": 2, "n": 6, "c": 4}, lambda x, w: joined(x, w, 2)),
    Case("class_token", "c", NC, {"n": 5, "c": 5}, lambda x, w: joined(x, w, 2)),
    Case("positions", {"over": ["n", "c"]}, NC, NC, lambda x, w: x + w["weight"]),
    Case("positions", ["c", "h"], HNC, HNC, lambda x, w: x + w["weight"][:, None, :]),
    Case("positions", "n", HNC, HNC, lambda x, w: x + w["weight"][None, :, None]),
    Case("positions", {"over": ["n", "c"], "kind": "sincos"}, NC, NC, lambda x, w: x + sincos(5, 4)),
    Case("positions", {"over": ["n", "h"], "kind": "sincos"}, HNC, HNC, lambda x, w: x + sincos(5, 2).mT[:, :, None]),
    Case("layernorm", {"over": ["c"], "gain": "vector", "bias": "vector"}, NC, NC, layernorm),
    Case(
        "rmsnorm",
        {"over": "c", "gain": "vector"},
        NC,
        NC,
        lambda x, w: x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w["gain"],
    ),
    Case("affine", {"gain": ["c"], "bias": ["c"]}, NC, NC, lambda x, w: x * w["gain"] + w["bias"]),
    Case("affine", {"gain": ["n"]}, HNC, HNC, lambda x, w: x * w["gain"][:, None]),
    Case("gelu", {}, NC, NC, lambda x, w: x * (1 + (x / math.sqrt(2)).erf()) / 2),
    Case("relu", {}, NC, NC, lambda x, w: x * (x > 0)),
    Case("tanh", {}, NC, NC, lambda x, w: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())),
    Case("linear", 3, {"c": 4}, {"classes": 3}, lambda x, w: x @ w["weight"].mT + w["bias"]),
    Case("linear", {"out": 3, "axis": "v"}, NC, {"n": 5, "v": 3}, lambda x, w: x @ w["weight"].mT + w["bias"]),
    Case("linear", {"out": 3, "bias": False}, {"c": 4}, {"classes": 3}, lambda x, w: x @ w["weight"].mT),
    Case("linear", {"out": 7, "bias": False, "axis": "v", "tied": "embed"}, NC, {"n": 5, "v": 7}, lambda x, w: x @ w["weight"].mT),
    Case("mean", "n", NC, {"c": 4}, lambda x, w: x.sum(1) / 5),
    Case("mean", ["c", "h"], HNC, {"n": 5}, lambda x, w: x.sum((1, 3)) / 8),
    Case("max", {"over": ["n"]}, NC, {"c": 4}, lambda x, w: x.sort(1).values[:, -1]),
    Case("max", ["c", "h"], HNC, {"n": 5}, lambda x, w: x.transpose(1, 2).flatten(2).sort(2).values[..., -1]),
    Case("take", {"axis": "n"}, NC, {"c": 4}, lambda x, w: x[:, 0]),
    Case("take", {"axis": "n", "index": -2}, HNC, {"h": 2, "c": 4}, lambda x, w: x[:, :, -2]),
    Case("take", {"axis": "c", "index": 3}, NC, {"n": 5}, lambda x, w: x[:, :, 3]),
    Case("slice", {"axis": "n", "start": 1}, NC, {"n": 4, "c": 4}, lambda x, w: x[:, 1:]),
    Case("slice", {"axis": "n", "start": -4, "stop": -1}, HNC, {"h": 2, "n": 3, "c": 4}, lambda x, w: x[:, :, 1:4]),
    Case("slice", {"axis": "c", "stop": 3}, NC, {"n": 5, "c": 3}, lambda x, w: x[:, :, :3]),
    Case("flatten", {"axes": ["height", "width"], "into": "n"}, CHW, {"channels": 3, "n": 48}, lambda x, w: x.flatten(2)),
    Case("flatten", {"axes": ["h", "n"], "into": "n"}, HNC, {"n": 10, "c": 4}, lambda x, w: x.flatten(1, 2)),
    Case("flatten", {"axes": ["h", "n", "c"], "into": "z"}, HNC, {"z": 40}, lambda x, w: x.flatten(1)),
    Case("order", ["c", "h", "n"], HNC, {"c": 4, "h": 2, "n": 5}, lambda x, w: x.permute(0, 3, 1, 2)),
)


def test_every_operation_has_a_case() -> None:
    assert {case.kind for case in CASES} == set(ENDS)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_operation_computes_its_formula(case: Case) -> None:
    built_case = built(case)
    result = built_case.result
    assert dict(zip(result.axes, result.shape, strict=True)) == ENDS[case.kind].shape(case.resolved, case.shape) == case.target
    assert list(result.axes) == list(case.target)
    for batch in (1, 3):
        x = case.input(batch, torch.float64)
        assert relative(built_case(x).detach(), case.formula(x, built_case.weights)) < 1e-12


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_operation_keeps_the_dtype_and_its_weights_have_gradients(case: Case) -> None:
    built_case = built(case)
    built_case.module.float()
    y = built_case(case.input(2, torch.float32))
    assert y.dtype == torch.float32
    if list(built_case.module.parameters()):
        y.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in built_case.module.parameters())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_onnx_runtime_agrees_with_torch_for_any_batch(case: Case) -> None:
    built_case = built(case)
    built_case.module.float()
    run = onnx_function(built_case.program, built_case.module)
    for batch in (1, 2, 5):
        x = case.input(batch, torch.float32)
        assert relative(run(x), built_case(x).detach()) < 1e-5


Refused = tuple[str, Any, dict[str, int], str | None, str]
REFUSED: tuple[Refused, ...] = (
    ("patch_embed", {"size": 4, "channels": 5}, CHW, "size", ""),
    ("patch_embed", {"size": 2, "channels": 5}, NC, None, ""),
    ("conv", {"channels": 4, "kernel": 3}, NC, None, ""),
    ("conv", {"channels": 4, "kernel": 7}, CHW, "kernel", ""),
    ("conv", {"channels": 4, "kernel": 3, "depthwise": True}, CHW, "channels", ""),
    ("batch_norm", {"per": "z"}, NC, "per", "z"),
    ("batch_norm", {"momentum": 2}, NC, "momentum", ""),
    ("batch_norm", {}, {}, None, ""),
    ("embed", {"vocabulary": 7, "channels": 4}, NC, None, ""),
    ("class_token", "z", NC, "axis", "z"),
    ("positions", ["n", "z"], NC, "over", "z"),
    ("positions", {"over": ["n"], "kind": "sincos"}, NC, "over", ""),
    ("positions", {"over": ["c", "n"], "kind": "sincos"}, NC, "over", ""),
    ("layernorm", {"over": ["z"]}, NC, "over", "z"),
    ("layernorm", {"over": ["c"], "gain": ["z"]}, NC, "gain", "z"),
    ("rmsnorm", {"over": ["z"]}, NC, "over", "z"),
    ("affine", {"gain": ["z"]}, NC, "gain", "z"),
    ("linear", 3, {}, None, ""),
    ("linear", {"out": 3, "axis": "n"}, NC, "axis", ""),
    ("mean", "z", NC, "over", "z"),
    ("max", "z", NC, "over", "z"),
    ("take", {"axis": "z"}, NC, "axis", "z"),
    ("take", {"axis": "n", "index": 5}, NC, "index", ""),
    ("take", {"axis": "n", "index": -6}, NC, "index", ""),
    ("slice", {"axis": "z"}, NC, "axis", "z"),
    ("slice", {"axis": "n", "start": 6}, NC, "start", ""),
    ("slice", {"axis": "n", "stop": -6}, NC, "stop", ""),
    ("slice", {"axis": "n", "start": 3, "stop": -2}, NC, "axis", ""),
    ("flatten", {"axes": ["h", "c"], "into": "z"}, HNC, "axes", ""),
    ("flatten", {"axes": ["n", "h"], "into": "z"}, HNC, "axes", ""),
    ("flatten", {"axes": ["h", "n"], "into": "c"}, HNC, "into", ""),
    ("order", ["c", "n"], HNC, "axes", ""),
    ("order", ["c", "z"], NC, "axes", "z"),
)


@pytest.mark.parametrize(("kind", "options", "shape", "field", "word"), REFUSED, ids=lambda value: str(value))
def test_misuse_is_refused(kind: str, options: Any, shape: dict[str, int], field: str | None, word: str) -> None:
    with pytest.raises(RecordError) as raised:
        ENDS[kind].shape(options_of(kind, options), shape)
    assert (raised.value.field, raised.value.word) == (field, word)


def test_a_tied_head_has_no_weight_of_its_own() -> None:
    options = options_of("linear", {"out": 7, "tied": "embed"})
    assert list(ENDS["linear"].parameters(options, NC)) == ["bias"]


@pytest.mark.parametrize("case", [case for case in CASES if case.kind == "batch_norm"], ids=str)
def test_batch_norm_in_training_is_torchs(case: Case) -> None:
    built_case = built(case)
    built_case.module.train()
    x = case.input(6, torch.float64)
    dim = 1 if len(case.shape) == 3 and "per" not in case.options else 2 if len(case.shape) > 1 else 1
    others = [index for index in range(x.ndim) if index != dim]
    mean, variance = x.mean(others, keepdim=True), x.var(others, unbiased=False, keepdim=True)
    weight, bias = (across(built_case.weights[name], dim, x.ndim) for name in ("weight", "bias"))
    before = {name: tensor.clone() for name, tensor in built_case.weights.items()}
    wanted = (x - mean) / (variance + case.resolved["eps"]).sqrt() * weight + bias
    assert relative(built_case(x).detach(), wanted) < 1e-12
    moved = 0.9 * before["running_mean"] + 0.1 * mean.flatten()
    assert relative(built_case.module.get_buffer("end.running_mean"), moved) < 1e-12
    spread = 0.9 * before["running_var"] + 0.1 * x.var(others).flatten()
    assert relative(built_case.module.get_buffer("end.running_var"), spread) < 1e-12


def dropped(rate: float, shape: dict[str, int]) -> Built:
    """Stochastic depth of an input."""
    builder = Builder()
    x = builder.input("x", tuple(shape), tuple(shape.values()))
    result = builder.op("drop_path", x, rate=rate)
    return Built(builder.program("law", [result]), nn.Module().eval(), result, {})


@pytest.mark.parametrize("shape", [{"c": 3}, NC, HNC])
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_drop_path_leaves_whole_elements_of_the_batch_out(shape: dict[str, int], rate: float) -> None:
    case = dropped(rate, shape)
    x = torch.randn(4000, *shape.values(), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(case(x), x)
    case.module.train()
    torch.manual_seed(0)
    y = case(x)
    gone = (y == 0).flatten(1).all(1)
    assert y.shape == x.shape
    assert torch.allclose(y[~gone], x[~gone] / (1 - rate), rtol=1e-12)
    assert gone.double().mean().item() == pytest.approx(rate, abs=0.03)


def test_drop_path_is_the_identity_in_onnx() -> None:
    case = dropped(0.5, NC)
    x = torch.randn(3, 5, 4)
    assert torch.equal(onnx_function(case.program, case.module)(x), x)


SUMS = """
hopgraph: 1
name: sums
input: {image: [3, 4, 6]}
encoder:
  - sum:
      - [{batch_norm: {eps: 0.1}}, {conv: {channels: 3, kernel: 3, padding: 1}}, gelu]
      - [{sum: [[], [{conv: {channels: 3, kernel: 1}}, {conv: {channels: 3, kernel: 1, bias: false}}]]}]
      - []
block:
  axes: {channels: 3, height: 4, width: 6}
  layers: {x: {axes: [channels, height, width], lagrangian: identity}}
  synapses: {field: {factors: {x: x}, bias: [channels]}}
"""


def test_a_sum_adds_its_chains_each_with_weights_of_its_own() -> None:
    model = compile_model(load(Source("sums.yaml", SUMS)), dtype=torch.float64).eval()
    randomise(model, 0)

    def weights(owner: str) -> Weights:
        state = model.state_dict()
        return {name.removeprefix(f"{owner}."): tensor for name, tensor in state.items() if name.startswith(f"{owner}.")}

    x = torch.randn(2, 3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    first, second = "encoder.sum.0", "encoder.sum.1.sum.1"
    wanted = convolved(normed(1, 0.1)(x, weights(f"{first}.batch_norm")), weights(f"{first}.conv"), 1, 1)
    inner = convolved(convolved(x, weights(f"{second}.conv"), 1, 0), weights(f"{second}.conv_2"), 1, 0)
    assert relative(model.encode(x).detach(), nn.functional.gelu(wanted) + (x + inner) + x) < 1e-12
