"""An exporter of one's own: the weights as a NumPy archive, and a runtime for it.

A package makes it appear in `hopgraph export --to npz`, in bundles and in `hopgraph bench` by an entry point in its pyproject.toml:

    [project.entry-points."hopgraph.exporters"]
    npz = "my_package:EXPORTER"

What it writes is tested like any other form: one that does not compute what the model computes is not kept.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import hopgraph
from hopgraph.export.exporter import Built, Exporter, Request
from hopgraph.export.manifest import spec_of
from hopgraph.lower.model import Model
from hopgraph.runtime import Array, BundleError, Opening, Predict, Runtime

FILE = "model.npz"


def missing() -> str | None:
    """Nothing is missing: NumPy is a dependency of hopgraph."""
    return None


def build(request: Request, folder: Path) -> Built:
    """Write every weight under its stored name."""
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in request.weights.items()}
    np.savez(folder / FILE, **arrays)
    return Built(FILE, (FILE,), {"tensors": len(arrays)})


def open_archive(opening: Opening) -> Predict:
    """Run the archive's weights in the model that the manifest describes."""
    if opening.device == "cuda" or opening.weights is not None:
        raise BundleError("runtime-unavailable", f"`{FILE}` is run on the CPU, with the weights that it holds")
    if opening.threads is not None:
        torch.set_num_threads(opening.threads)
    return predictor(hopgraph.compile(spec_of(opening.manifest)), opening.file)


def predictor(model: Model, file: Path) -> Predict:
    """A function from inputs [batch, ...] to outputs [batch, ...], by a model with the weights of an archive."""
    with np.load(file) as archive:
        model.load_state_dict({name: torch.from_numpy(archive[name]) for name in archive.files})
    model.eval()

    def predict(inputs: NDArray[Any]) -> Array:
        with torch.inference_mode():
            return model(torch.from_numpy(inputs)).numpy()

    return predict


EXPORTER = Exporter("npz", ("float32",), missing, build, (Runtime("npz", "npz", missing, open_archive),))


def main() -> None:
    """Write a model's archive and run it."""
    spec = hopgraph.load("paramixer", "broken,digits")
    model = hopgraph.compile(spec)
    images = np.random.default_rng(0).standard_normal((2, 1, 8, 8), dtype=np.float32)
    with tempfile.TemporaryDirectory() as name:
        built = EXPORTER.build(Request(spec, dict(model.state_dict())), Path(name))
        predicted = predictor(hopgraph.compile(spec), Path(name) / built.file)(images)
    with torch.no_grad():
        difference = np.abs(predicted - model(torch.from_numpy(images)).numpy()).max()
    print(f"largest difference to the model: {difference:.1e}")


if __name__ == "__main__":
    main()
