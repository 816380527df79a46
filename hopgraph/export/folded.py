"""`fold`: a run of a spec to one of its folded form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.export.parity import TOLERANCE, reference, relative_error, sample_inputs
from hopgraph.files import require_free
from hopgraph.lower.fold import folded_model
from hopgraph.train.run import Run, SpecText, write_run


def fold_run(run: Run, out: Path, force: bool = False) -> Run:
    """Write the folded form of a run. Raises HopgraphError, where it does not compute what the run computes too."""
    require_free(out, force)
    model = folded_model(run.model)
    inputs = sample_inputs(run.model)
    error = relative_error(list(reference(model, inputs)), reference(run.model, inputs))
    if not error <= TOLERANCE["float32"]:
        message = f"the folded model differs from the run's by {error:.1e} (relative), and may by {TOLERANCE['float32']:.0e}"
        raise HopgraphError(Diagnostic("parity", message, helps=("this is a defect of the fold: please report it",)))
    record = replace(run.record, spec=SpecText.of(model.spec))
    write_run(out, record, model.state_dict(), force)
    return Run(out, record, model.spec, model)
