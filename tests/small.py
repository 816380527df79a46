"""A small spec, for tests that lay something over it or damage it."""

SPEC = """\
hopgraph: 1
name: small
dims: {C: 8, H: 2 * C}
input: {image: [3, 8, 8]}
encoder: [{patch_embed: {size: 2, channels: C}}]
block:
  axes: {n: 16, c: C, m: H}
  layers:
    x: {axes: [n, c], lagrangian: {layernorm: {over: c}}}
    h: {axes: [n, m], lagrangian: gelu, fast: true}
  synapses:
    channel: {factors: {h: h, x: {layer: x, through: [{dense: {c: m}}]}}}
readout: [{mean: n}, {linear: 10}]
"""
