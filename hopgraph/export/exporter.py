"""What an exporter is, and how exporters are found: through the entry points `hopgraph.exporters`, never by import.

A third party adds one by declaring an entry point in its own package; it then appears in `--to` and in `bench`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopgraph.errors import Diagnostic, HopgraphError, listing, rename_help
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.runtime.record import Array, Runtime

if TYPE_CHECKING:
    from torch import Tensor

GROUP = "hopgraph.exporters"

BATCHES = (1, 64, 512)
"""The smallest, the best and the largest batch, for exporters that are told: the profile of an engine."""


@dataclass(frozen=True)
class Options:
    """How a form is written, as far as an exporter has the choice.

    `steps` repeats a block as nodes of their own (`unroll`) or as a loop (`loop`). `batches` are the smallest, the best and the largest.
    `targets` are the GPUs that an engine is for, by the exporter's names; none for the exporter's own choice. `dynamic` names the dim of
    the spec of which a form takes every size from 1 to the spec's; see :class:`hopgraph.export.lengths.Lengths`.
    """

    steps: str = "unroll"
    batches: tuple[int, int, int] = BATCHES
    targets: tuple[str, ...] = ()
    dynamic: str | None = None


@dataclass(frozen=True)
class Request:
    """What an exporter is asked for: the checked spec, its weights, the dtype, the options.

    `weights` are float32 on the CPU, by stored name, buffers too. `examples` are batches of normalized inputs from which dtypes of
    eight bits are calibrated.
    """

    spec: CheckedSpec
    weights: Mapping[str, Tensor]
    dtype: str = "float32"
    options: Options = Options()
    examples: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Built:
    """What an exporter wrote: the file that a runtime opens, all files that this one reads (itself too), and facts for the manifest.

    Paths are relative to the folder of the bundle, with `/`.
    """

    file: str
    files: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Exporter:
    """One exporter: the dtypes that it writes, what it lacks here (None for nothing), how it builds, and what runs its files.

    `build(request, folder)` writes into the folder of the bundle, where the weights stand already; it raises HopgraphError. `dynamic`
    says whether it writes forms of every length.
    """

    name: str
    dtypes: tuple[str, ...]
    missing: Callable[[], str | None]
    build: Callable[[Request, Path], Built]
    runtimes: tuple[Runtime, ...]
    dynamic: bool = False


def exporters() -> dict[str, Exporter]:
    """Every installed exporter by name. Raises HopgraphError where two packages have one of the same name."""
    found: dict[str, Exporter] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        exporter = _loaded(point)
        if exporter.name in found:
            message = f"two packages have an exporter named `{exporter.name}`, one as `{point.value}`"
            raise HopgraphError(Diagnostic("exporter-unavailable", message, helps=("uninstall one of them",)))
        found[exporter.name] = exporter
    return found


def _loaded(point: EntryPoint) -> Exporter:
    """The exporter of an entry point. One whose package is broken cannot work, and does not keep others from it."""
    try:
        found = point.load()
    except Exception as error:  # whatever the import of another's module raises
        return _broken(point, f"`{point.value}` cannot be imported: {error}")
    return found if isinstance(found, Exporter) else _broken(point, f"`{point.value}` is no Exporter")


def _broken(point: EntryPoint, reason: str) -> Exporter:
    def build(request: Request, folder: Path) -> Built:
        raise AssertionError(reason)

    return Exporter(point.name, (), lambda: reason, build, ())


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


def find_runtime(name: str) -> Runtime:
    """The runtime of that name. Raises HopgraphError where it is unknown."""
    known = {runtime.name: runtime for exporter in exporters().values() for runtime in exporter.runtimes}
    if name not in known:
        raise _unknown("runtime", name, known)
    return known[name]


def _unknown(kind: str, name: str, known: Iterable[str]) -> HopgraphError:
    names = tuple(known)
    notes = (f"installed {kind}s: {listing(names)}",)
    return HopgraphError(Diagnostic(f"{kind}-unknown", f"no {kind} is named `{name}`", notes=notes, helps=tuple(rename_help(name, names))))
