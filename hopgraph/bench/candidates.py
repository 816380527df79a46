"""What is measured: forms of bundles under runtimes, and ONNX files of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hopgraph.bench.runtimes import PROVIDERS, everything_for, find, present_for, runtimes_for
from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.runtime import Bundle, Form, Manifest, Runtime

ONNX_FILE = ".onnx"


@dataclass(frozen=True)
class Candidate:
    """A form of a bundle under a runtime, or an ONNX file, which is its own `bundle`. `reason` says why it was not run, if it was not.

    `baseline` marks those that all others are compared with.
    """

    bundle: str
    variant: str
    runtime: str
    dtype: str
    reason: str | None = None
    baseline: bool = False


def candidates(bundles: Sequence[Bundle], runtimes: Sequence[str] | None = None, *, everything: bool = False) -> list[Candidate]:
    """Every form of every bundle under the runtimes named, or under those of its exporter.

    Where none is named, `everything` adds what can run the same form in another way, though it be missing here. Raises HopgraphError.
    """
    named = None if runtimes is None else [find(name) for name in runtimes]
    pick = everything_for if everything else present_for
    found: list[Candidate] = []
    for bundle in bundles:
        if named is None:
            pairs = [(form, runtime) for form in _distinct(bundle.manifest) for runtime in pick(form)]
        else:
            pairs = _asked(bundle, named)
        path, variant = str(bundle.path), bundle.manifest.variant
        found += [Candidate(path, variant, runtime.name, form.dtype, runtime.missing()) for form, runtime in pairs]
    return found


def _asked(bundle: Bundle, named: Sequence[Runtime]) -> list[tuple[Form, Runtime]]:
    """The forms that the runtimes can run. Raises HopgraphError where one can run none."""
    pairs = [(form, runtime) for form in bundle.manifest.forms for runtime in runtimes_for(form) if runtime in named]
    for runtime in named:
        if all(other != runtime for _, other in pairs):
            raise HopgraphError(Diagnostic("runtime-unknown", f"`{bundle.path}` has no file that `{runtime.name}` can run"))
    return pairs


def _distinct(manifest: Manifest) -> list[Form]:
    """The forms but those that are the same file as one before, at another place."""
    hashes = {file.path: file.sha256 for file in manifest.files}
    first = {hashes[form.file]: form for form in reversed(manifest.forms)}
    return [form for form in manifest.forms if first[hashes[form.file]] is form]


def baselines(path: Path, runtimes: Sequence[str] | None) -> list[Candidate]:
    """What all others are compared with: a bundle, or an ONNX file. Raises HopgraphError.

    An ONNX file is run by those of ONNX Runtime's providers that are named, by the CPU where none is.
    """
    if path.suffix != ONNX_FILE:
        bundle = Bundle.open(path)
        named = None if runtimes is None else [name for name in runtimes if _runs(bundle, find(name))] or None
        found = candidates([bundle], named, everything=True)
        if runtimes is not None and named is None:  # what stands in for those that were named is what is here
            found = [item for item in found if item.reason is None]
    else:
        dtype = dtype_of(path)
        named = list(PROVIDERS) if runtimes is None else [name for name in runtimes if name in PROVIDERS] or ["onnxruntime"]
        found = [Candidate(str(path), "", name, dtype, find(name).missing()) for name in named]
    return [Candidate(item.bundle, item.variant, item.runtime, item.dtype, item.reason, baseline=True) for item in found]


def _runs(bundle: Bundle, runtime: Runtime) -> bool:
    return any(runtime in runtimes_for(form) for form in bundle.manifest.forms)


def dtype_of(path: Path) -> str:
    """The dtype of the first output of an ONNX file. Raises HopgraphError where it cannot be read as one."""
    import onnx

    if not path.is_file():
        raise HopgraphError(Diagnostic("file-missing", f"there is no file `{path}`"))
    try:
        model = onnx.load(path, load_external_data=False)
        return str(onnx.helper.tensor_dtype_to_np_dtype(model.graph.output[0].type.tensor_type.elem_type))
    except Exception as error:  # of protobuf, or of a model without outputs
        reason = str(error).splitlines()[:1] or [type(error).__name__]
        raise HopgraphError(Diagnostic("file-unreadable", f"`{path}` cannot be read as an ONNX model: {reason[0]}")) from None


def require(chosen: Sequence[Candidate]) -> None:
    """Raise HopgraphError where one cannot run: those that were asked for by name."""
    lacking = dict.fromkeys((item.bundle, item.runtime, item.reason) for item in chosen if item.reason)
    if lacking:
        messages = [f"`{runtime}` cannot run `{bundle}` here: {reason}" for bundle, runtime, reason in lacking]
        raise HopgraphError([Diagnostic("runtime-unavailable", message) for message in messages])
