"""The trial of what exporters wrote: each form is run by its own runtimes, at random inputs and at real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.exporter import Options, Request, find_exporter
from hopgraph.export.lengths import Lengths
from hopgraph.export.parity import BATCHES, Reference, through
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.runtime import BundleError, Opening, Predict, Runtime
from hopgraph.runtime.manifest import Form, Manifest, Parity
from hopgraph.train.data import Data
from hopgraph.train.evaluate import evaluate
from hopgraph.train.recipe import Recipe
from hopgraph.train.run import Run
from hopgraph.train.tasks import Part, Task, choose_task, first_inputs, fit_data

EXAMPLES = 64
"""So many real inputs are given to exporters that calibrate."""


@dataclass(frozen=True)
class Trial:
    """What forms are tested with: the reference of each set of weights, the test split where data are at hand, lengths that vary."""

    spec: CheckedSpec
    task: Task | None
    data: Data | None
    batches: tuple[int, int, int]
    lengths: Lengths | None = None

    @staticmethod
    def of(run: Run, data: Data | None, options: Options) -> Trial:
        """With the data as the spec of a run reads them. Raises HopgraphError where they do not fit it, or a dim cannot vary."""
        spec = run.spec
        fitted = None if data is None else fit_data(spec, data, Recipe.model_validate(run.record.recipe))
        lengths = None if options.dynamic is None else Lengths.of(spec, options.dynamic)
        return Trial(spec, None if fitted is None else choose_task(spec, fitted), fitted, options.batches, lengths)

    def inputs(self, part: Part, count: int) -> NDArray[Any] | None:
        """The first inputs of a part of the data, as the model reads them, not augmented."""
        if self.task is None or self.data is None:
            return None
        return first_inputs(self.task, self.spec, self.data, count, part).numpy()

    def reference(self, model: Model) -> Reference:
        """What forms of a model are compared with."""
        whole = Reference.of(model, self.inputs("test", EXAMPLES), self.batches[-1], self.batches[0])
        if self.lengths is None:
            return whole
        return replace(whole, shorter={length: self._shorter(model, self.lengths, length) for length in self.lengths.shorter})

    def _shorter(self, model: Model, lengths: Lengths, length: int) -> Reference:
        """The model at a shorter length; real inputs are cut to it."""
        other, given = compile_model(lengths.shorter[length], allow_large=True), self.inputs("test", EXAMPLES)
        other.load_state_dict(model.state_dict())
        cut = None if given is None else given.take(range(length), axis=1 + lengths.axis)
        return Reference.of(other, cut, max(BATCHES), self.batches[0])

    def measured(self, predict: Predict) -> dict[str, float]:
        """What the task measures on the test split; nothing without data."""
        if self.task is None or self.data is None:
            return {}
        return evaluate(self.task, self.spec, self.data, through(predict))

    def request(self, run: Run, dtype: str, options: Options) -> Request:
        """What an exporter is asked for."""
        given = self.inputs("train", EXAMPLES)
        return Request(run.spec, dict(run.model.state_dict()), dtype, options, () if given is None else (given,))

    def of_form(self, form: Form, folder: Path, manifest: Manifest, reference: Reference) -> Form:
        """The form with what its runtimes here made of it. Raises HopgraphError where one misses its parity."""
        for runtime in find_exporter(form.exporter).runtimes:
            predict, lacking = _opened(runtime, Opening(folder, manifest, form))
            if predict is None:
                form = replace(form, not_run={**form.not_run, runtime.name: lacking})
                continue
            random, real = reference.check(form.file, predict, form.dtype)
            form = replace(form, parity={**form.parity, runtime.name: Parity(random, real, self.measured(predict))})
        return form


def check_weights(form: Form, folder: Path, manifest: Manifest, name: str, reference: Reference) -> None:
    """Run a form with other weights, by every runtime that ran it with its own. Raises HopgraphError where one misses its parity."""
    for runtime in find_exporter(form.exporter).runtimes:
        if runtime.name in form.parity:
            predict, lacking = _opened(runtime, Opening(folder, manifest, form, weights=name))
            if predict is None:
                message = f"`{form.file}` cannot be run with the weights `{name}`: {lacking}"
                raise HopgraphError(Diagnostic("exporter-failed", message))
            reference.check(f"{form.file} with the weights `{name}`", predict, form.dtype)


def _opened(runtime: Runtime, opening: Opening) -> tuple[Predict | None, str]:
    """What predicts, or why it cannot run on this machine. Raises HopgraphError for any other failure."""
    lacking = runtime.missing()
    if lacking is not None:
        return None, lacking
    try:
        return runtime.open(opening), ""
    except BundleError as error:
        if error.code == "runtime-unavailable":
            return None, error.message
        raise HopgraphError(Diagnostic(error.code, error.message, notes=error.notes, helps=error.helps)) from None
