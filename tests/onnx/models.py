"""Small models with random weights, written as ONNX and opened as a bundle's form is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import torch
from numpy.typing import NDArray

import hopgraph
from exporters.onnx import write_graph
from exporters.onnx.opsets import NEWEST
from hopgraph.export import parity
from hopgraph.export.exporter import Built, Options, Request
from hopgraph.frontend.library import shipped
from hopgraph.lower.model import Model
from hopgraph.lower.verify import randomise
from hopgraph.runtime import Array, Form, Manifest, Opening
from hopgraph.runtime.manifest import Weights
from hopgraph.runtime.onnx import ONNXRUNTIME
from hopgraph.show.catalogue import SMALL, small_of
from tests.deploy.manifests import small_manifest

CONSTRUCTS = sorted((Path(__file__).parents[1] / "constructs").glob("*.yaml"))
"""Specs that together use the whole language."""


@dataclass(frozen=True)
class Case:
    """A spec with a variant."""

    spec: str
    variant: str | None = None
    settings: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((Path(self.spec).stem, self.variant or "", *self.settings))

    def model(self, seed: int = 1) -> Model:
        """The model with random weights, none at its initial value."""
        model = hopgraph.compile(self.spec, self.variant, self.settings)
        randomise(model, torch.Generator().manual_seed(seed))
        return model.eval()


def families(forms: tuple[str, ...]) -> list[Case]:
    """Every shipped spec in its small sizes: as it is, and in those of the forms that it declares."""
    found: list[Case] = []
    for name in shipped():
        declared = hopgraph.load(name).variant_names
        small = small_of(declared)
        found += [Case(name, small), *(Case(name, f"{form},{small}") for form in forms if form in declared)]
    return found


def constructs() -> list[Case]:
    """Every construct in each of its variants."""
    return [Case(str(path), variant) for path in CONSTRUCTS for variant in (None, *hopgraph.load(path).variant_names)]


def forms_of(case: Case) -> list[Case]:
    """A shipped spec in every variant that it declares, in its small size."""
    declared = hopgraph.load(case.spec).variant_names
    return [Case(case.spec, f"{form},{case.variant}") for form in declared if form not in SMALL]


@dataclass(frozen=True)
class Written:
    """A model that was written to a folder."""

    model: Model
    folder: Path
    dtype: str
    built: Built

    @property
    def graph(self) -> onnx.GraphProto:
        """The graph without its weights."""
        return onnx.load(self.folder / self.built.file, load_external_data=False).graph

    def opening(self, device: str = "auto", threads: int | None = 1, weights: str | None = None, **files: str) -> Opening:
        """What a runtime is asked to open; `files` are those of a further set of weights, by the words before `.safetensors`."""
        form = Form("onnx", self.dtype, self.built.file, self.built.files, {}, {}, self.built.facts)
        other = Weights("other", 1, {}, {f"{name.replace('_', '.')}.safetensors": file for name, file in files.items()})
        manifest: Manifest = replace(small_manifest(), forms=(form,), weights=(Weights("own", 0, {}, {}), other))
        return Opening(self.folder, manifest, form, device, threads, weights)

    def run(self, inputs: list[NDArray[Any]], **about: Any) -> list[Array]:
        """The outputs of ONNX Runtime."""
        predict = ONNXRUNTIME.open(self.opening(**about))
        return [predict(batch) for batch in inputs]

    def error(self) -> float:
        """The largest relative error of ONNX Runtime, against the model in float64."""
        inputs = parity.sample_inputs(self.model)
        return parity.relative_error(self.run(inputs), parity.reference(self.model, inputs))


def write(model: Model, folder: Path, dtype: str = "float32", steps: str = "unroll", newest: int = NEWEST) -> Written:
    """Write a model to a folder."""
    request = Request(model.spec, dict(model.state_dict()), dtype, Options(steps=steps))
    return Written(model, folder, dtype, write_graph(request, folder, newest))
