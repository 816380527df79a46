"""Open a bundle and run it: every hash is checked, the best runtime that is present is taken, and nothing falls back in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .answers import Answer, answer_all, inputs_of
from .engine import TENSORRT
from .manifest import Form, Manifest, read_manifest
from .onnx import ONNXRUNTIME
from .parts import in_parts
from .problems import BundleError
from .record import DEVICES, Array, Opening, Predict, Runtime
from .session import Session

RUNTIMES = (TENSORRT, ONNXRUNTIME)
"""Those that need no torch, the best first."""


@dataclass(frozen=True)
class Bundle:
    """A bundle that was opened: its folder and its manifest, every file's hash checked."""

    path: Path
    manifest: Manifest
    _default: list[Session] = field(default_factory=list[Session], compare=False, repr=False)

    @staticmethod
    def open(path: str | Path) -> Bundle:
        """Read a bundle. Raises BundleError where it is missing, damaged or of another version."""
        return Bundle(Path(path), read_manifest(Path(path)))

    def session(
        self,
        runtime: str | Runtime | None = None,
        dtype: str | None = None,
        device: str = "auto",
        threads: int | None = None,
        weights: str | None = None,
    ) -> Session:
        """Open the model with a runtime, or with the best that is present; in a dtype, or in the first that was exported.

        `device` is `auto`, `cpu` or `cuda`; `weights` names a set of weights. Raises BundleError where that cannot be had: a session
        that was asked to run on a GPU never runs elsewhere.
        """
        self._check(device, threads, weights)
        chosen = None if weights is None or weights == self.manifest.weights[0].name else weights
        refused: list[BundleError] = []
        for found, form in self._candidates(runtime, dtype):
            opening = Opening(self.path, self.manifest, form, device, threads, chosen)
            try:
                return Session(self.manifest, form, found, _open(found, opening))
            except BundleError as error:
                if error.code != "runtime-unavailable":
                    raise
                refused.append(error)
        raise _none_of(refused)

    def predict(self, images: object) -> Array:
        """Outputs [count, ...] for images, texts or arrays, by the default session; see :func:`hopgraph.runtime.sources.items`.

        Raises BundleError for the first that cannot be read, and for inputs of several lengths, whose outputs are no one array:
        :meth:`answers` takes them.
        """
        session = self._session()
        return in_parts(session, session.form, inputs_of(self.path, self.manifest, images))

    def answers(self, given: object, top: int | None = None, resize: bool = False, batch: int | None = None) -> Iterator[Answer]:
        """What the outputs mean, an answer to each input as it comes; see :func:`hopgraph.runtime.answers.answer_all`."""
        return answer_all(self._session(), self.path, given, top=top, resize=resize, batch=batch)

    def _session(self) -> Session:
        if not self._default:
            self._default.append(self.session())
        return self._default[0]

    def _check(self, device: str, threads: int | None, weights: str | None) -> None:
        if device not in DEVICES:
            raise BundleError("runtime-unavailable", f"no device is named `{device}`", notes=(f"devices are {', '.join(DEVICES)}",))
        if threads is not None and threads < 1:
            raise BundleError("runtime-unavailable", f"a session cannot have {threads} threads", helps=("give 1 or more",))
        names = [item.name for item in self.manifest.weights]
        if weights is not None and weights not in names:
            raise BundleError("runtime-unknown", f"no weights are named `{weights}`", notes=(f"the bundle has {', '.join(names)}",))

    def _candidates(self, runtime: str | Runtime | None, dtype: str | None) -> list[tuple[Runtime, Form]]:
        """The runtimes that were asked for with the forms that they run, the best first."""
        found = RUNTIMES if runtime is None else (_named(runtime),)
        suited = [(item, form) for item in found for form in [self.manifest.form(item.exporter, dtype)] if form]
        if not suited:
            raise self._no_form([item.name for item in found], dtype)
        return suited

    def _no_form(self, names: Sequence[str], dtype: str | None) -> BundleError:
        wanted = " in " + dtype if dtype else ""
        notes = (f"it has {_listed(f'{form.exporter} {form.dtype}' for form in self.manifest.forms)}",)
        message = f"`{self.path}` has no file{wanted} that {' or '.join(f'`{name}`' for name in names)} can run"
        return BundleError("runtime-unknown", message, notes=notes, helps=("export it again with `--to` and `--dtype`",))


def _open(runtime: Runtime, opening: Opening) -> Predict:
    """Raises BundleError, `runtime-unavailable` where another runtime may do."""
    lacking = runtime.missing()
    if lacking is not None:
        raise BundleError("runtime-unavailable", f"`{runtime.name}` cannot run here: {lacking}")
    if opening.weights is not None and not opening.replaced():
        message = f"`{opening.form.file}` was made from the bundle's own weights, and cannot be run with `{opening.weights}`"
        raise BundleError("runtime-unavailable", message)
    return runtime.open(opening)


def _none_of(refused: Sequence[BundleError]) -> BundleError:
    """The one error, or all in one."""
    if len(refused) == 1:
        return refused[0]
    helps = tuple(dict.fromkeys(text for error in refused for text in error.helps))
    return BundleError("runtime-unavailable", "; ".join(error.message for error in refused), helps=helps)


def _named(runtime: str | Runtime) -> Runtime:
    if isinstance(runtime, Runtime):
        return runtime
    found = next((item for item in RUNTIMES if item.name == runtime), None)
    if found is None:
        notes = (f"there are {_listed(item.name for item in RUNTIMES)}",)
        raise BundleError("runtime-unknown", f"no runtime is named `{runtime}`", notes=notes)
    return found


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
