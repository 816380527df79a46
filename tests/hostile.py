"""Specs that ask for too much, one by name each: what they are refused with is tested in tests/test_hostile_parts.py."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from hopgraph.errors import HopgraphError, Source, Span
from hopgraph.passes.pipeline import load
from tests.small import SPEC

CONSTRUCTS = Path(__file__).parent / "constructs"
MAP = "[{dense: {c: m}}]"


@dataclass(frozen=True)
class Demand:
    """A text with settings, and the codes of which at least one must be among those that it is refused with."""

    text: str
    codes: tuple[str, ...]
    settings: tuple[str, ...] = ()
    variant: str | None = None


def construct(name: str) -> str:
    """A spec of tests/constructs."""
    return (CONSTRUCTS / f"{name}.yaml").read_text(encoding="utf-8")


def through(chain: str) -> str:
    """The small spec with another chain."""
    return SPEC.replace(MAP, chain)


def bomb(levels: int) -> str:
    """Aliases that double ten times over at each level."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines) + "\n"


def nested_sums(levels: int) -> str:
    """Sums of sums."""
    chain = "[{scale: 2}]"
    for _ in range(levels):
        chain = f"[{{sum: [{chain}, {chain}]}}]" if levels < 10 else f"[{{sum: [{chain}, [{{scale: 2}}]]}}]"
    return through(f"[{{sum: [{chain}, {chain}]}}, {MAP[1:]}")


def many_stages(count: int, depth: int) -> str:
    """Very many stages of one block."""
    head, _, tail = construct("pyramid").partition("  - dims: {C: 10")
    _, _, readout = tail.partition("readout:")
    stages = "".join(f"  - {{dims: {{depth: {depth}}}, block: *block}}\n" for _ in range(count))
    return f"{head}{stages}readout:{readout}"


def real(beta: str) -> str:
    """The slow pair with another temperature."""
    return construct("slow_pair").replace("beta: learned", f"beta: {json.dumps(beta)}")


HUGE = "2147483647"

REAL = {
    "real: huge powers": Demand(real("9^9^9^9^9"), ("dim-value",)),
    "real: a huge base": Demand(real("(9^99)^99"), ("dim-value",)),
    "real: tiny": Demand(real("2^-9999"), ("dim-value",)),
    "real: not a number": Demand(real("(0 - 1)^0.5"), ("dim-value",)),
    "real: 0^-1": Demand(real("0^-1"), ("dim-value",)),
    "real: deep parentheses": Demand(real("(" * 90 + "1" + ")" * 90), ("dim-syntax",)),
    "real: deep signs": Demand(real("-" * 199 + "1"), ("dim-value",)),
    "real: deep powers": Demand(real("1^" * 99 + "1"), ("",)),
    "real: very deep": Demand(real("(" * 40_000), ("dim-syntax",)),
    "real: a megabyte": Demand(real("1 + " * 250_000 + "1"), ("yaml-limits",)),
    "real: 80 kB": Demand(real("1 + " * 20_000 + "1"), ("dim-syntax",)),
    "real: a long number": Demand(real("9" * 190), ("",)),
    "real: exponents": Demand(real("1e308 * 1e308"), ("dim-value",)),
    "real: infinite": Demand(real("1e999"), ("dim-value",)),
    "step: nan": Demand(SPEC, ("bad-value",), ("block.update.step=.nan",)),
    "tau: nan": Demand(SPEC, ("bad-value",), ("block.layers.x.tau=.nan",)),
    "tau: tiny": Demand(SPEC, ("",), ("block.layers.x.tau=1e-320",)),
}

TEXTS = {
    "aliases": Demand(bomb(9), ("yaml-limits",)),
    "nesting": Demand("[" * 10_000 + "]" * 10_000, ("yaml-limits",)),
    "a dim of 10^15": Demand(SPEC, ("dim-value",), ("dims.C=1000000000000000",)),
    "a dim of a megabyte": Demand(SPEC.replace("C: 8", f"C: {'1 + ' * 250_000}1"), ("yaml-limits",)),
    "a variant that lays itself": Demand(
        SPEC + "variants: {x: {variants.x: {dims.C: 4}, variants.x.variants.x: {a: 1}}}\n", ("overlay-path",), (), "x,x,x"
    ),
}

MAPS = {
    "sums nested deep": Demand(nested_sums(30), ("yaml-limits",)),
    "sums nested 7 deep, all twice": Demand(nested_sums(7), ("",)),
    "a very long chain": Demand(through(f"[{', '.join(['{scale: 2}'] * 199)}, {MAP[1:]}"), ("",)),
    "a chain past the limit": Demand(through(f"[{', '.join(['{scale: 2}'] * 300)}, {MAP[1:]}"), ("bad-value",)),
    "a chain of square matrices": Demand(through(f"[{', '.join(['{dense: {c: c}}'] * 199)}, {MAP[1:]}"), ("",), ("block.depth=10",)),
    "a kernel of 10^9": Demand(through("[{conv: {over: n, kernel: 1000000000}}, {dense: {c: m}}]"), ("",)),
    "a kernel of 2^31 - 1": Demand(through(f"[{{conv: {{over: n, kernel: {HUGE}, map: {{c: m}}}}}}]"), ("too-large",)),
    "a kernel on a huge axis": Demand(construct("convolutions"), ("map-invalid",), ("block.axes.r=2000000000", "dims.side=2000000000")),
    "a pool of 10^9": Demand(through("[{pool: {over: n, kernel: 1000000000}}, {dense: {c: m}}]"), ("map-invalid",)),
    "a stride of 10^9": Demand(through("[{conv: {over: n, kernel: 3, stride: 1000000000}}, {dense: {c: m}}]"), ("map-invalid",)),
    "a dilation of 10^9": Demand(through("[{conv: {over: n, kernel: 3, dilation: 1000000000}}, {dense: {c: m}}]"), ("",)),
    "padding of 10^9": Demand(through("[{conv: {over: n, kernel: 3, padding: 1000000000}}, {dense: {c: m}}]"), ("map-invalid",)),
    "a huge Toeplitz matrix": Demand(
        "hopgraph: 1\nname: t\ninput: {tensor: {n: 2000000000}}\nblock:\n  axes: {n: 2000000000, k: 2000000000}\n"
        "  layers: {x: {axes: n, lagrangian: tanh}, h: {axes: k, lagrangian: relu, fast: true}}\n"
        "  synapses: {s: {factors: {h: h, x: {layer: x, through: [{dense: {n: k, toeplitz: true, mask: off_diagonal}}]}}}}\n",
        ("too-large",),
    ),
    "a huge band": Demand(through(f"[{{dense: {{n: n, mask: {{band: {HUGE}}}}}}}, {{dense: {{c: m}}}}]"), ("",)),
    "a huge rank": Demand(through(f"[{{dense: {{c: m, rank: {HUGE}}}}}]"), ("",)),
    "a huge mask": Demand(
        construct("masks"), ("too-large",), ("input.tensor.n=1000000000", *(f"block.axes.{a}=1000000000" for a in "nkq"))
    ),
}

WHOLE = {
    "iterations: 10^9": Demand(construct("imixer"), ("too-large",), ("block.solve.iterations=1000000000",)),
    "very many stages": Demand(many_stages(199, 1), ("yaml-limits",)),
    "stages past the limit": Demand(many_stages(300, 1), ("yaml-limits",)),
    "depth of stages": Demand(many_stages(3, 1_000_000_000), ("too-large",)),
    "depth at the limit": Demand(many_stages(20, 190), ("",)),
    "depth x steps": Demand(construct("slow_pair"), ("too-large",), ("block.depth=2000000000", "block.steps=2000000000")),
    "depth of many pulls": Demand(construct("attention"), ("",), ("block.depth=3000",)),
    "a vocabulary of 10^12": Demand(construct("language"), ("dim-value",), ("dims.V=1000000000000",)),
    "a vocabulary of 2^31 - 1": Demand(construct("language"), ("",), (f"dims.V={HUGE}",)),
    "a sequence of 2^31 - 1": Demand(construct("language"), ("too-large",), (f"dims.T={HUGE}",)),
    "sincos of 2^31 - 1": Demand(construct("vit"), ("too-large",), ("dims.C=2000000000",)),
}


def iso(match: str, by: str, variants: str = "", dims: str = "C: 8, H: 16") -> str:
    """The small spec, to be scaled."""
    return (
        SPEC.replace("C: 8, H: 2 * C", dims)
        + f"iso_params: {{match: {match}, by: [{by}]}}\n"
        + (f"variants: {variants}\n" if variants else "")
    )


_LOOP = "{v: {iso_params: {match: w, by: [H]}}, w: {iso_params: {match: v, by: [C]}, block.symmetry: own}}"
ISO = {
    "iso: cannot be met": Demand(iso("big", "C", "{big: {dims.C: 100000000}}"), ("iso-params",)),
    "iso: depends on nothing": Demand(iso("own", "Z", dims="C: 8, H: 16, Z: 3"), ("iso-params",)),
    "iso: a variant with iso": Demand(iso("v", "H", "{v: {iso_params: {match: v, by: [C]}, block.symmetry: own}}"), ("",)),
    "iso: variants that match each other": Demand(f"{SPEC}variants: {_LOOP}\n", ("",), (), "v"),
    "iso: of a deep model": Demand(iso("own", "H"), ("",), ("block.depth=5000",)),
    "iso: of a model that is too deep": Demand(iso("own", "H"), ("too-large",), ("block.depth=2000000000",)),
    "iso: huge dims": Demand(iso("own", "H", dims="C: 8, H: 2000000000"), ("iso-params",)),
    "iso: exact division": Demand(iso("big", "C", "{big: {dims.H: 60}}", "C: 64, D: C / 64, H: 16"), ("iso-params",)),
}

DEMANDS = {**TEXTS, **REAL, **MAPS, **WHOLE, **ISO}


def outcome(demand: Demand) -> list[str]:
    """The codes of what a demand is refused with; `""` where it is granted. Every diagnostic renders and has a place."""
    refusal = refused(demand)
    if refusal is None:
        return [""]
    assert str(refusal).encode("utf-8")
    assert all(isinstance(diagnostic.at, Span) for diagnostic in refusal.diagnostics)
    return [diagnostic.code for diagnostic in refusal.diagnostics]


def refused(demand: Demand) -> HopgraphError | None:
    """What a demand is refused with, if it is."""
    try:
        load(Source("spec.yaml", demand.text), demand.variant, demand.settings)
    except HopgraphError as error:
        return error
    return None


def peak_memory() -> float:
    """The most megabytes that this process ever held. Of a child ru_maxrss counts what its parent held when it started."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> None:
    """Try every demand in this process; print as JSON what came of each, its seconds, and the megabytes that were ever held."""
    results: dict[str, tuple[list[str], float, float]] = {}
    for name, demand in DEMANDS.items():
        start = time.process_time()
        codes = outcome(demand)
        seconds = time.process_time() - start
        results[name] = (codes, seconds, peak_memory())
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
