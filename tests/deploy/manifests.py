"""Manifests made by hand, for what is written from a manifest alone."""

from __future__ import annotations

from hopgraph.runtime.manifest import FORMAT, File, Form, Manifest, Parity, Port, Resize, SpecSource, Verdict, Weights


def hashed(path: str, size: int) -> File:
    return File(path, size, f"{sum(path.encode()):064x}")


def small_manifest() -> Manifest:
    """Of a bundle with two seeds, a form that ran nowhere, and one of each kind of statement."""
    graph = Form("onnx", "float32", "model.onnx", ("model.onnx", "model.safetensors"), {}, {}, {"opset": 20})
    measured = {"onnxruntime": Parity(2.3e-7, 1.9e-7, {"accuracy": 0.9722})}
    served = "triton/paramixer/1"
    return Manifest(
        FORMAT,
        "paramixer",
        "symmetric,digits",
        "arXiv:2406.12220",
        SpecSource("specs/paramixer/paramixer.yaml", "hopgraph: 1\n", ("symmetric", "digits"), ("dims.C=16",), "ab" * 32),
        {"C": 16, "classes": 10},
        6_870,
        Port("image", "image", "float32", ("c", "height", "width"), (1, 8, 8), (1, 8, 8), None),
        Port("output", "tensor", "float32", ("classes",), (10,), (10,), None),
        Resize(0.9, "bilinear"),
        (0.3053,),
        (0.3762,),
        tuple("0123456789"),
        None,
        "classification",
        "digits",
        {"accuracy": 0.9722},
        (
            Verdict("stage 1", "guaranteed (any step a > 0)", ()),
            Verdict(
                "stage 2", "none", ("the pull on `x` of synapse `token` is own: no energy has both pulls", "the gain varies along [n, c]")
            ),
        ),
        {"token": 0.0, "channel": 0.73512},
        {"hopgraph": "0.5.0", "python": "3.11.15"},
        (
            Weights("seed-0", 0, {"accuracy": 0.9722}, {}),
            Weights("seed-1", 1, {"accuracy": 0.9694}, {"model.safetensors": "weights/seed-1/model.safetensors"}),
        ),
        (
            Form("pytorch", "float32", "model.safetensors", ("model.safetensors",), {"pytorch": Parity(2.1e-7, None, {})}, {}, {}),
            Form(graph.exporter, graph.dtype, graph.file, graph.files, measured, {}, graph.facts),
            Form("tensorrt", "float32", "model.engine", ("model.engine",), {}, {"tensorrt": "no GPU"}, {}),
            Form("triton", "float32", f"{served}/model.onnx", (f"{served}/model.onnx",), {}, {}, {}),
        ),
        (
            hashed("model.safetensors", 27_900),
            hashed("weights/seed-1/model.safetensors", 27_900),
            hashed("model.onnx", 6_100),
            hashed("model.engine", 1_439_268),
            hashed(f"{served}/model.onnx", 6_100),
            hashed("README.md", 3_000),
        ),
    )
