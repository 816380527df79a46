"""What an exporter is, and how exporters are found: through the entry points `hopgraph.exporters`, never by import.

A third party adds one by declaring an entry point in its own package; it then appears in `--to` and in `bench`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hopgraph.errors import Diagnostic, HopgraphError, listing, rename_help
from hopgraph.passes.pipeline import CheckedSpec

if TYPE_CHECKING:
    from torch import Tensor

GROUP = "hopgraph.exporters"

Array = NDArray[np.float32]
Predict = Callable[[NDArray[Any]], Array]
"""A batch of inputs (numbers in float32, tokens in int64) to a batch of outputs."""


@dataclass(frozen=True)
class Request:
    """What an exporter is asked for: the checked spec and its weights, buffers too, by stored name, float32 on the CPU."""

    spec: CheckedSpec
    weights: Mapping[str, Tensor]


@dataclass(frozen=True)
class Runtime:
    """Something that runs an exported file. `missing` says why it cannot run here, None where it can.

    `open(file, spec, threads)` gives the function that predicts; without `threads` the runtime chooses their number.
    """

    name: str
    missing: Callable[[], str | None]
    open: Callable[[Path, CheckedSpec, int | None], Predict]


@dataclass(frozen=True)
class Exporter:
    """One exporter: the file that it writes, what it lacks here (None for nothing), how it builds, and what runs the file.

    `build(request, folder)` writes `folder / file` and gives facts about it for the manifest; it raises HopgraphError.
    """

    name: str
    file: str
    missing: Callable[[], str | None]
    build: Callable[[Request, Path], dict[str, Any]]
    runtimes: tuple[Runtime, ...]


def exporters() -> dict[str, Exporter]:
    """Every installed exporter by name. Two of one name are an error of the installation."""
    found: dict[str, Exporter] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        exporter = point.load()
        assert isinstance(exporter, Exporter), f"the entry point {point.name} is no Exporter"
        assert exporter.name not in found, f"two exporters are named {exporter.name}"
        found[exporter.name] = exporter
    return found


def find_exporter(name: str) -> Exporter:
    """The exporter of that name, ready to build. Raises HopgraphError where it is unknown or lacks a package."""
    known = exporters()
    if name not in known:
        raise _unknown("exporter", name, known)
    lacking = known[name].missing()
    if lacking:
        raise HopgraphError(Diagnostic("exporter-unavailable", f"the exporter `{name}` cannot work here: {lacking}"))
    return known[name]


def runtimes_of(name: str) -> tuple[Runtime, ...]:
    """The runtimes of an exporter; none where it is not installed here."""
    exporter = exporters().get(name)
    return exporter.runtimes if exporter else ()


def find_runtime(name: str) -> tuple[Exporter, Runtime]:
    """The runtime of that name and the exporter whose file it runs. Raises HopgraphError where it is unknown."""
    known = {runtime.name: (exporter, runtime) for exporter in exporters().values() for runtime in exporter.runtimes}
    if name not in known:
        raise _unknown("runtime", name, known)
    return known[name]


def _unknown(kind: str, name: str, known: Iterable[str]) -> HopgraphError:
    names = tuple(known)
    notes = (f"installed {kind}s: {listing(names)}",)
    return HopgraphError(Diagnostic(f"{kind}-unknown", f"no {kind} is named `{name}`", notes=notes, helps=tuple(rename_help(name, names))))
