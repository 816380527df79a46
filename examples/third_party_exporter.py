"""An exporter of one's own: the weights as a NumPy archive, and a runtime for it in plain NumPy terms.

A package makes it appear in `--to npz` by an entry point in its pyproject.toml:

    [project.entry-points."hopgraph.exporters"]
    npz = "my_package:EXPORTER"
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hopgraph
from hopgraph.export.exporter import Array, Exporter, Predict, Request, Runtime
from hopgraph.passes.pipeline import CheckedSpec


def missing() -> str | None:
    """Nothing is missing: NumPy is a dependency of hopgraph."""
    return None


def build(request: Request, folder: Path) -> dict[str, Any]:
    """Write every weight under its stored name."""
    arrays = {name: tensor.numpy() for name, tensor in request.weights.items()}
    np.savez(folder / EXPORTER.file, **arrays)  # pyright: ignore[reportArgumentType]
    return {"dtype": "float32"}


def open_archive(file: Path, spec: CheckedSpec, threads: int | None) -> Predict:
    """Run the archive's weights in the compiled model."""
    model = hopgraph.compile(spec).eval()
    with np.load(file) as archive:
        model.load_state_dict({name: torch.from_numpy(archive[name]) for name in archive.files})

    def predict(images: Array) -> Array:
        with torch.inference_mode():
            return model(torch.from_numpy(images)).numpy()

    return predict


EXPORTER = Exporter("npz", "model.npz", missing, build, (Runtime("npz", missing, open_archive),))


def main() -> None:
    """Export a model with it and run the file."""
    spec = hopgraph.load("paramixer", "broken,digits")
    model = hopgraph.compile(spec)
    images = np.random.default_rng(0).standard_normal((2, 1, 8, 8), dtype=np.float32)
    with tempfile.TemporaryDirectory() as name:
        EXPORTER.build(Request(spec, {key: tensor.detach() for key, tensor in model.named_parameters()}), Path(name))
        predicted = EXPORTER.runtimes[0].open(Path(name) / EXPORTER.file, spec, None)(images)
    with torch.no_grad():
        difference = np.abs(predicted - model(torch.from_numpy(images)).numpy()).max()
    print(f"largest difference to the model: {difference:.1e}")


if __name__ == "__main__":
    main()
