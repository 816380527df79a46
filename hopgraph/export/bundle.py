"""The bundle: a folder with one model in every format asked for, and a manifest that says all there is to know of it."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.exporter import Exporter, Predict, Request, Runtime, find_exporter, find_runtime, runtimes_of
from hopgraph.export.parity import check_parity
from hopgraph.files import new_folder, require_free, sha256
from hopgraph.lower.ledger import weight_asymmetry
from hopgraph.lower.model import Model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.run import Run, SpecText
from hopgraph.version import __version__

FORMAT = 2
MANIFEST = "manifest.json"
ALWAYS = "pytorch"
"""The exporter whose file every bundle has: the weights themselves."""


@dataclass(frozen=True)
class BundleFile:
    """One exported file. `parity` is its largest relative error by runtime; a runtime that cannot run here says why instead."""

    exporter: str
    file: str
    bytes: int
    sha256: str
    parity: dict[str, float]
    not_run: dict[str, str]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds. `test` are the values that the task measured on the test split, none where it was not trained here."""

    hopgraph_bundle: int
    name: str
    variant: str
    spec: SpecText
    parameters: int
    inputs: dict[str, int]
    outputs: dict[str, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...]
    task: str
    data: str
    test: dict[str, float]
    certificate: str
    weight_asymmetry: dict[str, float]
    versions: dict[str, str]
    files: tuple[BundleFile, ...]


@dataclass(frozen=True)
class Bundle:
    """A bundle that was opened: its folder and its manifest, every file's hash checked."""

    path: Path
    manifest: Manifest

    @cached_property
    def spec(self) -> CheckedSpec:
        """The spec of the manifest, checked again."""
        return self.manifest.spec.load()

    def open(self, runtime: str, threads: int | None = None) -> Predict:
        """What predicts with a runtime. Raises HopgraphError where it is unknown, has no file here, or cannot run."""
        item, found = self.runtime(runtime)
        lacking = found.missing()
        if lacking:
            raise HopgraphError(Diagnostic("runtime-unavailable", f"the runtime `{runtime}` cannot run here: {lacking}"))
        return found.open(self.path / item.file, self.spec, threads)

    def file(self, exporter: str) -> BundleFile | None:
        """The file that an exporter wrote, if the bundle has it."""
        return next((item for item in self.manifest.files if item.exporter == exporter), None)

    def runtime(self, name: str) -> tuple[BundleFile, Runtime]:
        """A runtime by name with the file that it runs. Raises HopgraphError where there is none."""
        exporter, runtime = find_runtime(name)
        item = self.file(exporter.name)
        if item is None:
            message = f"`{self.path}` has no file that `{name}` can run"
            helps = (f"export with `--to {exporter.name}`",)
            raise HopgraphError(Diagnostic("runtime-unknown", message, helps=helps))
        return item, runtime

    def runtimes(self) -> list[tuple[BundleFile, Runtime]]:
        """Every runtime that knows a file of this bundle, in the files' order."""
        return [(item, runtime) for item in self.manifest.files for runtime in runtimes_of(item.exporter)]


def export(run: Run, formats: Sequence[str], out: Path, force: bool = False) -> Bundle:
    """Write a bundle of a run, whole or not at all. Raises HopgraphError, for a file that misses its parity too."""
    require_free(out, force)
    chosen = [find_exporter(name) for name in dict.fromkeys((ALWAYS, *formats))]
    request = Request(run.spec, dict(run.model.state_dict()))
    with new_folder(out, force) as folder:
        files = tuple(_build(exporter, request, run.model, folder) for exporter in chosen)
        manifest = _manifest(run, files)
        (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")
    return Bundle(out, manifest)


def _build(exporter: Exporter, request: Request, model: Model, folder: Path) -> BundleFile:
    facts = exporter.build(request, folder)
    path = folder / exporter.file
    item = BundleFile(exporter.name, exporter.file, path.stat().st_size, sha256(path), {}, {}, facts)
    for runtime in exporter.runtimes:
        lacking = runtime.missing()
        if lacking:
            item = replace(item, not_run={**item.not_run, runtime.name: lacking})
            continue
        error = check_parity(exporter.file, runtime.open(path, request.spec, None), model)
        item = replace(item, parity={**item.parity, runtime.name: error})
    return item


def _manifest(run: Run, files: tuple[BundleFile, ...]) -> Manifest:
    record = run.record
    return Manifest(
        FORMAT,
        run.spec.name,
        ",".join(run.spec.loaded.variants) or "default",
        record.spec,
        run.spec.parameter_count,
        run.spec.ham.input.axes,
        run.spec.ham.output,
        record.mean,
        record.std,
        record.labels,
        record.task,
        record.data,
        record.test,
        str(run.spec.certificate),
        weight_asymmetry(run.model),
        {"hopgraph": __version__, "python": platform.python_version()},
        files,
    )


def open_bundle(path: Path) -> Bundle:
    """Read a bundle and check the hash of every file. Raises HopgraphError."""
    manifest_path = path / MANIFEST
    if not manifest_path.is_file():
        reason = f"it has no {MANIFEST}" if path.is_dir() else "there is no such folder"
        raise _damaged(path, reason)
    try:
        data = json.loads(manifest_path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, OSError):
        raise _damaged(path, f"{MANIFEST} is not JSON") from None
    version = data.get("hopgraph_bundle") if isinstance(data, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if version != FORMAT:
        message = f"`{path}` is a bundle of format {version}, and this version of hopgraph reads format {FORMAT}"
        helps = ("export it again, or use the version of hopgraph that wrote it",)
        raise HopgraphError(Diagnostic("bundle-version", message, helps=helps))
    try:
        manifest = TypeAdapter(Manifest).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise _damaged(path, f"{MANIFEST}: `{'.'.join(map(str, first['loc']))}`: {first['msg']}") from None
    for item in manifest.files:
        _check_file(path, item)
    return Bundle(path, manifest)


def _check_file(path: Path, item: BundleFile) -> None:
    file = path / item.file
    if Path(item.file).name != item.file:
        raise _damaged(path, f"`{item.file}` leads out of the bundle")
    if not file.is_file():
        raise _damaged(path, f"`{item.file}` is missing")
    if sha256(file) != item.sha256:
        raise _damaged(path, f"`{item.file}` is not the file that was exported: its SHA-256 differs")


def _damaged(path: Path, reason: str) -> HopgraphError:
    message = f"`{path}` is not a bundle that can be read: {reason}"
    return HopgraphError(Diagnostic("bundle-damaged", message, helps=("`hopgraph export` writes one",)))
