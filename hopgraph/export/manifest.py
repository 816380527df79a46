"""What the manifest of a bundle tells of a run, before any form is written."""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hopgraph.errors import Source
from hopgraph.export.card import CARD, card
from hopgraph.export.lengths import Lengths
from hopgraph.export.parity import port_of_input
from hopgraph.export.weights import WEIGHTS
from hopgraph.lower.ledger import weight_asymmetry
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.runtime.manifest import FORMAT, MANIFEST, File, Form, Manifest, Port, Resize, SpecSource, Verdict, Weights, hash_of
from hopgraph.train.data.tokens import FILE as TOKENIZER
from hopgraph.train.run import Run
from hopgraph.version import __version__


def started(run: Run, folder: Path, lengths: Lengths | None = None) -> Manifest:
    """What is known before any form is built, the weights among its files; with the lengths that the model takes, if these vary."""
    record, spec = run.record, run.spec
    tokenizer = _copy_tokenizer(run, folder)
    files = tuple(file_of(folder, name) for name in (WEIGHTS, tokenizer) if name)
    least = spec if lengths is None else lengths.least
    return Manifest(
        FORMAT,
        spec.name,
        ",".join(spec.loaded.variants) or "default",
        spec.loaded.spec.cite or "",
        _source(spec),
        spec.ham.dims,
        spec.parameter_count,
        port_of_input(run.model, least),
        _port_of_output(spec, least),
        _resize(run),
        record.mean,
        record.std,
        record.labels,
        tokenizer,
        record.task,
        record.data,
        record.test,
        tuple(_verdicts(spec)),
        weight_asymmetry(run.model),
        _versions(),
        (Weights(set_name(run), record.seed, record.test, {}),),
        (),
        files,
    )


def finish(manifest: Manifest, folder: Path) -> None:
    """Write the model card and the manifest."""
    (folder / CARD).write_text(card(manifest), encoding="utf-8")
    manifest = replace(manifest, files=(*manifest.files, file_of(folder, CARD)))
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n", encoding="utf-8")


def with_form(manifest: Manifest, form: Form, folder: Path) -> Manifest:
    """The manifest with a form and the files that it reads."""
    known = {file.path for file in manifest.files}
    added = tuple(file_of(folder, name) for name in dict.fromkeys((form.file, *form.files)) if name not in known)
    return replace(manifest, forms=(*manifest.forms, form), files=(*manifest.files, *added))


def set_name(run: Run) -> str:
    """What a run's weights are called."""
    return f"seed-{run.record.seed}"


def file_of(folder: Path, name: str) -> File:
    """A file of the bundle with its hash."""
    path = folder / name
    return File(name, path.stat().st_size, hash_of(path))


def spec_of(manifest: Manifest) -> CheckedSpec:
    """The spec of a manifest, checked again. Raises HopgraphError."""
    source = manifest.spec
    return load(Source(source.name, source.text), source.variants, source.settings)


def _copy_tokenizer(run: Run, folder: Path) -> str | None:
    path = run.path / TOKENIZER
    if not path.is_file():
        return None
    (folder / TOKENIZER).write_bytes(path.read_bytes())
    return TOKENIZER


def _source(spec: CheckedSpec) -> SpecSource:
    loaded = spec.loaded
    digest = hashlib.sha256(loaded.source.text.encode("utf-8")).hexdigest()
    return SpecSource(loaded.source.name, loaded.source.text, loaded.variants, loaded.settings, digest)


def _port_of_output(spec: CheckedSpec, least: CheckedSpec) -> Port:
    (name,) = spec.program.outputs
    axes = spec.ham.output
    return Port(name, "tensor", "float32", tuple(axes), tuple(axes.values()), tuple(least.ham.output.values()), None)


def _resize(run: Run) -> Resize | None:
    """How the run's recipe resizes images; none for a run that was imported and has no recipe."""
    found = run.record.recipe.get("resize")
    return Resize(**found) if found else None


def _verdicts(spec: CheckedSpec) -> list[Verdict]:
    found = enumerate(spec.certificates)
    return [Verdict(f"stage {index + 1}", str(item), tuple(reason.text for reason in item.reasons)) for index, item in found]


def _versions() -> dict[str, str]:
    """Of what writes bundles, and of the packages that made this one."""
    found = {"hopgraph": __version__, "python": platform.python_version()}
    return found | {name: number for name in ("torch", "onnx", "onnxruntime") for number in [_version(name)] if number}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
