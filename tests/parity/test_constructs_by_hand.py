"""Constructs of the language against the same thing written out plainly in PyTorch, or against torch's own module.

The oracle shares the language's reading of a spec with the compiler; what is written here shares nothing with either.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from hopgraph.errors import Source
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import load

from ..laws.specs import randomise, relative


def compiled(block: str, variant: str | None = None) -> Model:
    """A model in float64 with random weights, its input being the first state."""
    model = compile_model(load(Source("by-hand.yaml", block), variant), dtype=torch.float64)
    randomise(model, 0)
    return model.eval()


def weight(model: Model, name: str) -> Tensor:
    """A parameter of the first block."""
    return model.stored(f"blocks.0.{name}").detach()


def values(*shape: int) -> Tensor:
    """Random states."""
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def limited(matrix: Tensor, most: float) -> Tensor:
    """The matrix divided by max(1, sigma / most), sigma its greatest singular value."""
    sigma = float(torch.linalg.svdvals(matrix)[0])  # pyright: ignore[reportUnknownArgumentType]
    return matrix / max(1.0, sigma / most)


ATTENTION = """
hopgraph: 1
name: attention
input: {tensor: {n: 5, c: 6}}
block:
  axes: {n: 5, c: 6, h: 3, y: 2, q: 5, k: 5}
  layers:
    x: {axes: [n, c], lagrangian: identity}
    a: {axes: [h, q, k], lagrangian: {softmax: {over: k, beta: y^-0.5}}, fast: true}
  synapses:
    attention:
      factors:
        weights: a
        query: {layer: x, rename: {n: q}, through: [{dense: {c: [h, y], bias: true}}]}
        key: {layer: x, rename: {n: k}, through: [{dense: {c: [h, y], bias: true}}]}
      symmetry: {query: own, key: off}
      bias: {query: [c]}
variants:
  causal: {block.layers.a.lagrangian.softmax.mask: {causal: [q, k]}}
"""


@pytest.mark.parametrize("variant", [None, "causal"])
def test_a_query_pull_of_its_own_is_torch_multihead_attention(variant: str | None) -> None:
    """W_O is the return of the query's own pull, W_V the key that it sees (2 matrices tied, 4 as standard attention)."""
    model = compiled(ATTENTION, variant)
    theirs = nn.MultiheadAttention(6, 3, batch_first=True, dtype=torch.float64)
    query, key, seen = (weight(model, f"attention.{name}.dense.weight") for name in ("query", "key", "own_query.key"))
    biases = [weight(model, f"attention.{name}.dense.bias").flatten() for name in ("query", "key", "own_query.key")]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([query.reshape(6, 6), key.reshape(6, 6), seen.reshape(6, 6)]))
        theirs.in_proj_bias.copy_(torch.cat(biases))
        theirs.out_proj.weight.copy_(weight(model, "attention.own_query.query.dense.weight").reshape(6, 6).mT)
        theirs.out_proj.bias.copy_(weight(model, "attention.query.bias"))
    x = values(4, 5, 6)
    mask = None if variant is None else torch.ones(5, 5, dtype=torch.bool).triu(1)
    wanted, _ = theirs(x, x, x, attn_mask=mask, need_weights=False)
    assert relative(model(x).detach() - x, wanted.detach()) < 1e-14
    assert sum(parameter.numel() for parameter in model.parameters()) == sum(parameter.numel() for parameter in theirs.parameters())


CIRCLE = """
hopgraph: 1
name: circle
input: {tensor: {n: 5, c: 6}}
block:
  axes: {n: 5, c: 6, k: 4, j: 3}
  layers:
    x: {axes: [n, c], lagrangian: identity}
    h1: {axes: [k, c], lagrangian: gelu, fast: true}
    h2: {axes: [j, c], lagrangian: gelu, fast: true}
  synapses:
    outer: {factors: {h1: h1, x: {layer: x, through: [{dense: {n: k, bias: true}}]}}}
    inner: {factors: {h2: h2, h1: {layer: h1, through: [{dense: {k: j, bias: true, spectral: 0.9}}]}}, bias: {h1: [k]}}
  symmetry: own
  solve: {order: [h1, h2], iterations: 3}
"""


def test_a_circle_is_solved_as_imixer_iterates() -> None:
    """h1 starts from x alone, without the bias of the pull from inside the circle; then h2 and h1 in turn."""
    model = compiled(CIRCLE)
    outer, back = weight(model, "outer.x.dense.weight"), weight(model, "outer.own_x.x.dense.weight")
    inner, inner_back = weight(model, "inner.h1.dense.weight"), weight(model, "inner.own_h1.h1.dense.weight")
    inner, inner_back = limited(inner, 0.9), limited(inner_back, 0.9)
    outer_bias, inner_bias, field = (weight(model, name) for name in ("outer.x.dense.bias", "inner.h1.dense.bias", "inner.h1.bias"))
    x = values(4, 5, 6)
    given = outer @ x + outer_bias[:, None]
    h1 = F.gelu(given)
    for _ in range(3):
        h2 = F.gelu(inner @ h1 + inner_bias[:, None])
        h1 = F.gelu(given + inner_back.mT @ h2 + field[:, None])
    assert relative(model(x).detach(), x + back.mT @ h1) < 1e-14


CONVOLUTION = """
hopgraph: 1
name: convolution
input: {tensor: {c: 4, r: 6, w: 5}}
block:
  axes: {c: 4, r: 6, w: 5}
  layers:
    x: {axes: [c, r, w], lagrangian: identity}
    h: {axes: [c, r, w], lagrangian: gelu, fast: true}
  synapses:
    token:
      factors: {h: h, x: {layer: x, through: [{dense: {c: c}}, {conv: {over: [r, w], kernel: 3, per: c, bias: true}}]}}
variants:
  ffnet: {block.synapses.token.symmetry: {x: {own: {return: [{conv: {over: [r, w], kernel: 7, per: c}}]}}}}
"""


@pytest.mark.parametrize("variant", [None, "ffnet"])
def test_a_tied_convolution_returns_transposed_and_an_own_chain_forwards(variant: str | None) -> None:
    """FFNified attention (MetaMixer): the pull on x is the value convolution alone."""
    model = compiled(CONVOLUTION, variant)
    dense, kernel = weight(model, "token.x.dense_0.weight"), weight(model, "token.x.conv_1.weight")[:, None]
    x = values(3, 4, 6, 5)
    h = F.gelu(F.conv2d(torch.einsum("mc,bcrw->bmrw", dense, x), kernel, weight(model, "token.x.conv_1.bias"), padding=1, groups=4))
    if variant is None:
        pull = torch.einsum("mc,bmrw->bcrw", dense, F.conv_transpose2d(h, kernel, padding=1, groups=4))
    else:
        pull = F.conv2d(h, weight(model, "token.return_x.conv.weight")[:, None], padding=3, groups=4)
    assert relative(model(x).detach(), x + pull) < 1e-14


GATE = """
hopgraph: 1
name: gate
input: {tensor: {n: 5, c: 6}}
block:
  axes: {n: 5, c: 6, k: 5}
  layers:
    x: {axes: [n, c], lagrangian: {layernorm: {over: c, gain: vector, bias: vector, eps: 1e-5}}}
    p: {axes: [n, c], lagrangian: identity, fast: true}
    t: {axes: [n, c], lagrangian: gelu, fast: true}
  synapses:
    copy: {from: x, to: p}
    mixing: {from: {layer: x, rename: {n: k}, through: [{dense: {k: n, mask: causal, bias: true}}]}, to: t}
    gated: {from: {left: t, right: p}, to: x, bias: {x: [c]}}
  update: {step: {learned: [c], start: 0.1, sign: free}}
"""


def test_a_directed_gate_with_layer_scale() -> None:
    model = compiled(GATE)
    x = values(4, 5, 6)
    g = F.layer_norm(x, (6,), weight(model, "x.gain"), weight(model, "x.bias"), 1e-5)
    t = F.gelu(weight(model, "mixing.x.dense.weight").tril() @ g + weight(model, "mixing.x.dense.bias")[:, None])
    wanted = x + weight(model, "step_0.x.step") * (t * g + weight(model, "gated.x.bias"))
    assert relative(model(x).detach(), wanted) < 1e-14


def test_a_causal_map_hides_the_future() -> None:
    model = compiled(GATE)
    x = values(1, 5, 6)
    for position in range(5):
        changed = x.clone()
        changed[:, position] += 1.0
        apart = (model(changed) - model(x)).detach().abs().sum(2)[0]
        assert (apart[:position] == 0).all()
        assert apart[position] > 0


SLOW_PAIR = """
hopgraph: 1
name: pair
input: {tensor: {n: 5, c: 6}}
block:
  steps: 3
  axes: {n: 5, c: 6, k: 4}
  layers:
    x: {axes: [n, c], lagrangian: tanh, tau: 2}
    y: {axes: [k, c], lagrangian: tanh}
  synapses:
    pair: {factors: {y: y, x: {layer: x, through: [{dense: {n: k}}]}}}
  update: {form: decay, step: 0.5, groups: [[pair.x], [pair.y]]}
"""


def test_a_hidden_slow_layer_starts_from_its_pull_and_moves_in_turn() -> None:
    model = compiled(SLOW_PAIR)
    w, x = weight(model, "pair.x.dense.weight"), values(4, 5, 6)
    y = w @ x.tanh()
    for _ in range(3):
        x = 0.75 * x + 0.25 * (w.mT @ y.tanh())
        y = 0.5 * y + 0.5 * (w @ x.tanh())
    assert relative(model(values(4, 5, 6)).detach(), x) < 1e-14
