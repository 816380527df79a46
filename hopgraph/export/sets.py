"""Sets of weights: several runs of one spec in one bundle, and another run's weights in the place of those that are there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.exporter import Options, find_exporter
from hopgraph.export.lengths import dim_of
from hopgraph.export.manifest import file_of, finish, set_name, spec_of, started, with_form
from hopgraph.export.parity import CALIBRATED
from hopgraph.export.trial import Trial, check_weights
from hopgraph.export.weights import WEIGHTS, write_weights
from hopgraph.files import new_folder
from hopgraph.runtime import Bundle
from hopgraph.runtime.manifest import Form, Manifest, Weights
from hopgraph.train.data import Data
from hopgraph.train.run import Run

SETS = "weights"
"""The folder of further sets of weights."""


def replace_weights(run: Run, path: Path, data: Data | None = None) -> Bundle:
    """Put another run's weights into a bundle of the same spec: its graphs stay as they are, byte for byte.

    Everything is tested again. Raises BundleError for a bundle that cannot be read, HopgraphError where weights cannot be replaced.
    """
    old = Bundle.open(path)
    _require_fit(run, old)
    return _replaced(run, old, data)


def _weight_files(form: Form) -> list[str]:
    """The files of a form that hold nothing but weights; none where the file that is opened depends on them, as one of eight bits does."""
    if form.dtype in CALIBRATED:
        return []
    return [name for name in form.files if name.endswith(".safetensors")]


def add_weights(run: Run, manifest: Manifest, folder: Path, trial: Trial, options: Options) -> Manifest:
    """A further set of weights, tested with every form that can read it."""
    name = _free_name(run, manifest)
    place = folder / SETS / name
    files = _write_set(run, manifest, place, trial, options)
    added = Weights(name, run.record.seed, run.record.test, {old: f"{SETS}/{name}/{old}" for old in files})
    manifest = replace(manifest, weights=(*manifest.weights, added))
    reference = trial.reference(run.model)
    for form in manifest.forms:
        if _weight_files(form):
            check_weights(form, folder, manifest, name, reference)
    return replace(manifest, files=(*manifest.files, *(file_of(folder, path) for path in added.files.values())))


def _write_set(run: Run, manifest: Manifest, place: Path, trial: Trial, options: Options) -> list[str]:
    """Write what forms read of a run's weights, under the names that they know; the graphs that come with it are not kept."""
    place.mkdir(parents=True)
    write_weights(place, run.spec, run.model.state_dict())
    wanted = {WEIGHTS}
    for form in manifest.forms:
        names = _weight_files(form)
        if names:
            built = find_exporter(form.exporter).build(trial.request(run, form.dtype, options), place)
            wanted |= set(names)
            for name in set(built.files) - set(names):
                (place / name).unlink(missing_ok=True)
    return sorted(wanted)


def _free_name(run: Run, manifest: Manifest) -> str:
    known = {item.name for item in manifest.weights}
    names = (set_name(run), *(f"{set_name(run)}-{count}" for count in range(2, len(known) + 2)))
    return next(name for name in names if name not in known)


def _require_fit(run: Run, old: Bundle) -> None:
    """Raise HopgraphError where a run's weights cannot stand in a bundle."""
    if run.spec.program != spec_of(old.manifest).program:
        message = f"`{run.path}` is another model than that of `{old.path}`"
        raise HopgraphError(Diagnostic("bundle-mixed", message, helps=("export it to a bundle of its own",)))
    fixed = next((form for form in old.manifest.forms if not _weight_files(form)), None)
    if fixed is not None:
        message = f"`{fixed.file}` of `{old.path}` was made from its weights: they cannot be replaced"
        raise HopgraphError(Diagnostic("bundle-mixed", message, helps=("export the run again, with `--force`",)))
    if len(old.manifest.weights) > 1:
        message = f"`{old.path}` holds {len(old.manifest.weights)} sets of weights, and one can be replaced"
        raise HopgraphError(Diagnostic("bundle-mixed", message, helps=("export all runs again, with `--force`",)))


def _replaced(run: Run, old: Bundle, data: Data | None) -> Bundle:
    options = Options(dynamic=dim_of(old.manifest))
    trial = Trial.of(run, data, options)
    graphs = {name for form in old.manifest.forms for name in form.files if name not in _weight_files(form)}
    with new_folder(old.path, force=True) as folder:
        _write_set(run, old.manifest, folder / SETS, trial, options)
        for path in (folder / SETS).iterdir():
            path.rename(folder / path.name)
        (folder / SETS).rmdir()
        for name in graphs:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((old.path / name).read_bytes())
        manifest, reference = started(run, folder, trial.lengths), trial.reference(run.model)
        for form in old.manifest.forms:
            fresh = replace(form, parity={}, not_run={})
            manifest = with_form(manifest, trial.of_form(fresh, folder, manifest, reference), folder)
        finish(manifest, folder)
    return Bundle.open(old.path)
