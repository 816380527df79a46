"""What a shell proposes for arguments and options: `hopgraph --install-completion` sets it up.

Nothing heavy is imported, and nothing is said where something is wrong: a shell that completes is no place for a message. The names that
only a heavy import would tell stand here, and a test holds them against what they are taken from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import typer

Proposals = list[tuple[str, str]]
"""Words, each with a line about it, which may be empty."""

DTYPES = ("float32", "float16", "bfloat16", "int8", "fp8")
RUNS = {"onnx": "onnxruntime", "pytorch": "pytorch", "tensorrt": "tensorrt", "triton": "triton-onnxruntime"}
"""What runs the files of the exporters that are shipped."""
FURTHER = ("onnxruntime-cuda", "onnxruntime-tensorrt", "pytorch-compiled", "tensorrt-rtx")
"""What `bench` can run besides."""
EXPORTERS = "hopgraph.exporters"
YAML = (".yaml", ".yml")

P = ParamSpec("P")


def quiet(propose: Callable[P, Proposals]) -> Callable[P, Proposals]:
    """The same, and no proposals where it fails, as for a spec that is no YAML."""

    @wraps(propose)
    def proposed(*args: P.args, **kwargs: P.kwargs) -> Proposals:
        try:
            return propose(*args, **kwargs)
        except Exception:  # whatever it is, the command itself will tell it
            return []

    return proposed


@quiet
def specs(incomplete: str) -> Proposals:
    """The shipped specs, and the files of YAML in the folder that the word begins with."""
    from hopgraph.frontend.library import shipped

    return [(name, "shipped") for name in shipped() if name.startswith(incomplete)] + _files(incomplete)


@quiet
def recipes(incomplete: str) -> Proposals:
    """The shipped recipes, and files of YAML."""
    from hopgraph.frontend.library import shipped_recipes

    return [(name, "shipped") for name in shipped_recipes() if name.startswith(incomplete)] + _files(incomplete)


@quiet
def variants(ctx: typer.Context, incomplete: str) -> Proposals:
    """The variants of the spec that is given, the last of several joined by commas."""
    return _last_of(_variants_of(ctx), incomplete, ",")


@quiet
def compared_variants(ctx: typer.Context, incomplete: str) -> Proposals:
    """The same, each joined of several by `+`; `default` is the spec as it stands."""
    return _last_of(("default", *_variants_of(ctx)), incomplete, ",+")


def _variants_of(ctx: typer.Context) -> tuple[str, ...]:
    from hopgraph.frontend.library import read
    from hopgraph.frontend.overlay import variant_names
    from hopgraph.frontend.tree import parse

    return tuple(variant_names(parse(read(_first(ctx, "spec")))))


def codes(incomplete: str) -> Proposals:
    """The codes of diagnostics, each with what it stands for."""
    from hopgraph.errors import CODES

    return [(code, meaning) for code, meaning in CODES.items() if code.startswith(incomplete)]


@quiet
def passes(incomplete: str) -> Proposals:
    """The passes of the compiler, in their order."""
    from hopgraph.passes.pipeline import PASSES

    return _words([item.name for item in PASSES], incomplete)


@quiet
def exporters(incomplete: str) -> Proposals:
    """The installed exporters, those of third parties too, the last of several joined by commas."""
    from importlib.metadata import entry_points

    return _last_of(sorted(point.name for point in entry_points(group=EXPORTERS)), incomplete, ",")


def dtypes(incomplete: str) -> Proposals:
    """The dtypes that exporters write, the last of several joined by commas."""
    return _last_of(DTYPES, incomplete, ",")


def benched(incomplete: str) -> Proposals:
    """All that `bench` can run, the last of several joined by commas."""
    return _last_of((*RUNS.values(), *FURTHER), incomplete, ",")


@quiet
def runtimes(ctx: typer.Context, incomplete: str) -> Proposals:
    """What runs a form of the bundle that is given."""
    names: list[str] = [form["exporter"] for form in _manifest(ctx, "forms")]
    return _words(dict.fromkeys(RUNS.get(name, name) for name in names), incomplete)


@quiet
def bundle_dtypes(ctx: typer.Context, incomplete: str) -> Proposals:
    """The dtypes of the forms of the bundle that is given."""
    return _words(dict.fromkeys(form["dtype"] for form in _manifest(ctx, "forms")), incomplete)


@quiet
def weights(ctx: typer.Context, incomplete: str) -> Proposals:
    """The sets of weights of the bundle that is given."""
    return _words([item["name"] for item in _manifest(ctx, "weights")], incomplete)


def words(*known: str) -> Callable[[str], Proposals]:
    """One of a few words."""

    def propose(incomplete: str) -> Proposals:
        return _words(known, incomplete)

    return propose


def _words(known: Iterable[str], incomplete: str) -> Proposals:
    return [(word, "") for word in known if word.startswith(incomplete)]


def _last_of(known: Iterable[str], incomplete: str, marks: str) -> Proposals:
    """The words that a list may go on with; those before its last mark are not proposed again."""
    start = max(map(incomplete.rfind, marks)) + 1
    given = incomplete[:start].replace("+", ",").split(",")
    return [(incomplete[:start] + word, "") for word in known if word.startswith(incomplete[start:]) and word not in given]


def _files(incomplete: str) -> Proposals:
    """The files of YAML in the folder that a word names so far."""
    folder = incomplete[: incomplete.rfind("/") + 1]
    found = sorted(folder + path.name for path in Path(folder or ".").iterdir() if path.suffix in YAML)
    return _words(found, incomplete)


def _manifest(ctx: typer.Context, entry: str) -> list[dict[str, Any]]:
    """A list of the manifest of the bundle that is given."""
    text = (Path(_first(ctx, "bundle")) / "manifest.json").read_text(encoding="utf-8")
    return json.loads(text)[entry]


def _first(ctx: typer.Context, name: str) -> str:
    """The first argument of a command. An option that still lacks its value keeps arguments from being told apart."""
    return str(ctx.params.get(name) or ctx.args[0])
