"""Write bundles: a folder with one model in every form asked for, and a manifest that says all there is to know of it.

`hopgraph.runtime` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError, listing
from hopgraph.export.exporter import Built, Exporter, Options, find_exporter
from hopgraph.export.manifest import finish, started, with_form
from hopgraph.export.sets import add_weights
from hopgraph.export.trial import Trial
from hopgraph.export.weights import write_weights
from hopgraph.files import new_folder, require_free
from hopgraph.runtime import Bundle
from hopgraph.runtime.manifest import Form
from hopgraph.train.data import Data
from hopgraph.train.run import Run

ALWAYS = "pytorch"
"""The exporter whose file every bundle has: the weights themselves."""


def export(
    runs: Sequence[Run],
    formats: Sequence[str],
    out: Path,
    dtypes: Sequence[str] = ("float32",),
    options: Options = Options(),  # noqa: B008 (frozen)
    data: Data | None = None,
    force: bool = False,
) -> Bundle:
    """Write a bundle of a run, whole or not at all; of several runs of one spec, each a set of weights for the same graphs.

    Raises HopgraphError, for a file that misses its parity too.
    """
    require_free(out, force)
    _require_one_spec(runs)
    first, *others = runs
    wanted = _wanted(formats, dtypes, options)
    trial = Trial.of(first, data, options)
    with new_folder(out, force) as folder:
        write_weights(folder, first.spec, first.model.state_dict())
        manifest, reference = started(first, folder, trial.lengths), trial.reference(first.model)
        for exporter, dtype in wanted:
            form = _form(exporter, dtype, exporter.build(trial.request(first, dtype, options), folder))
            manifest = with_form(manifest, trial.of_form(form, folder, manifest, reference), folder)
        for run in others:
            manifest = add_weights(run, manifest, folder, trial, options)
        finish(manifest, folder)
    return Bundle.open(out)


def _wanted(formats: Sequence[str], dtypes: Sequence[str], options: Options) -> list[tuple[Exporter, str]]:
    """Every exporter with every dtype that it writes, the weights themselves first. Raises HopgraphError where one cannot."""
    found: list[tuple[Exporter, str]] = []
    for name in dict.fromkeys((ALWAYS, *formats)):
        exporter = find_exporter(name)
        if options.dynamic is not None and not exporter.dynamic:
            message = f"the exporter `{name}` writes models of one length alone, and `{options.dynamic}` is to vary"
            raise HopgraphError(Diagnostic("exporter-failed", message, helps=("export it to a bundle of its own, without `--dynamic`",)))
        suited = [dtype for dtype in dict.fromkeys(dtypes) if dtype in exporter.dtypes]
        if not suited and name != ALWAYS:
            message = f"the exporter `{name}` writes none of {', '.join(dtypes)}"
            raise HopgraphError(Diagnostic("exporter-failed", message, notes=(f"it writes {listing(exporter.dtypes)}",)))
        found += [(exporter, dtype) for dtype in suited or exporter.dtypes]
    _require_known(dtypes, [exporter for exporter, _ in found])
    return found


def _require_known(dtypes: Sequence[str], chosen: Sequence[Exporter]) -> None:
    known = dict.fromkeys(dtype for exporter in chosen for dtype in exporter.dtypes)
    stranger = next((dtype for dtype in dtypes if dtype not in known), None)
    if stranger is not None:
        message = f"none of the exporters that were chosen writes `{stranger}`"
        raise HopgraphError(Diagnostic("exporter-failed", message, notes=(f"they write {listing(known)}",)))


def _require_one_spec(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        if run.spec.program != first.spec.program:
            message = f"`{run.path}` is another model than `{first.path}`"
            helps = ("a bundle holds runs of one spec, with the same variants and settings",)
            raise HopgraphError(Diagnostic("bundle-mixed", message, helps=helps))


def _form(exporter: Exporter, dtype: str, built: Built) -> Form:
    return Form(exporter.name, dtype, built.file, built.files, {}, {}, built.facts)
