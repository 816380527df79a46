"""The runtime alone: what it loads, and the small distribution, which works where there is no torch, no pydantic and no hopgraph."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hopgraph.runtime import Bundle
from hopgraph.version import __version__

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / "hopgraph" / "runtime").glob("*.py"))
REFUSE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "hopgraph", "exporters", "pydantic", "typer", "rich", "yaml", "networkx", "onnx"}:
            raise ImportError(f"{name} must not be imported here")
sys.meta_path.insert(0, Refuse())
"""
"""What makes it impossible to import what `hopgraph-runtime` does not depend on."""


def run(code: str, *words: object, path: Path = ROOT) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False, cwd=path, env={"PYTHONPATH": str(path)}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source distribution that it was built from."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT / "runtime")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel was unpacked to."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_the_runtimes_own_files(installed: Path) -> None:
    assert {path.name.partition("-")[0] for path in installed.iterdir()} == {"hopgraph_runtime"}
    package = installed / "hopgraph_runtime"
    assert sorted(path.name for path in package.iterdir()) == sorted([*FILES, "LICENSE", "py.typed"])
    assert all((package / name).read_bytes() == (ROOT / "hopgraph" / "runtime" / name).read_bytes() for name in FILES)
    metadata = (installed / f"hopgraph_runtime-{__version__}.dist-info" / "METADATA").read_text(encoding="utf-8")
    assert f"\nVersion: {__version__}\n" in metadata
    required = {line.split(":")[1].split(">")[0].strip() for line in metadata.splitlines() if line.startswith("Requires-Dist")}
    assert required == {"numpy", "pillow", "onnxruntime", "onnxruntime-gpu", "tensorrt", "tokenizers"}


def test_the_wheel_is_the_same_from_the_repository(installed: Path, tmp_path: Path) -> None:
    """`built` made it from the source distribution; `pip install ./runtime` does not."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT / "runtime")]
    subprocess.run(command, capture_output=True, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        assert set(archive.namelist()) == {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}


def test_it_predicts_without_torch(installed: Path, classifier: Bundle, pictures: Path) -> None:
    code = REFUSE + (
        "import json; from pathlib import Path; from hopgraph_runtime import Bundle, __file__ as file\n"
        "outputs = Bundle.open(sys.argv[1]).predict(Path(sys.argv[2]))\n"
        "print(json.dumps([outputs.tolist(), file, sorted(name for name in sys.modules if name.partition('.')[0] == 'torch')]))"
    )
    outputs, file, torch = json.loads(run(code, classifier.path, pictures, path=installed))
    assert Path(file).is_relative_to(installed)
    assert torch == []
    assert np.array_equal(np.array(outputs, np.float32), classifier.predict(pictures))


def test_it_says_what_the_model_says(installed: Path, classifier: Bundle, pictures: Path) -> None:
    """The command of the small distribution against the model itself, compiled from the run by torch."""
    import torch

    from hopgraph.train.run import read_run

    out = run(REFUSE + "from hopgraph_runtime.__main__ import main; sys.exit(main())", classifier.path, pictures, path=installed)
    pixels = np.stack([np.asarray(Image.open(path)) for path in sorted(pictures.iterdir())])[:, None]
    (mean,), (std,) = classifier.manifest.mean, classifier.manifest.std
    with torch.no_grad():
        shares = read_run(classifier.path.parent / "run").model(torch.from_numpy((pixels / 255 - mean) / std).float()).softmax(-1)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["label"] for line in lines] == [classifier.manifest.labels[int(row.argmax())] for row in shares]
    assert [line["probability"] for line in lines] == pytest.approx([float(row.max()) for row in shares], rel=1e-4)


def test_texts_too(installed: Path, speaker: Bundle) -> None:
    code = REFUSE + "from hopgraph_runtime.__main__ import main; sys.exit(main())"
    (line,) = run(code, speaker.path, "--text", "the layers", path=installed).splitlines()
    assert json.loads(line)["next"]


@pytest.mark.parametrize("then", ["", "Bundle.open(sys.argv[1]).predict(Path(sys.argv[2]))"], ids=["imported", "after a prediction"])
def test_the_runtime_of_the_full_package_loads_no_torch(classifier: Bundle, pictures: Path, then: str) -> None:
    code = (
        f"import sys, json; from pathlib import Path; from hopgraph.runtime import Bundle\n{then}\nprint(json.dumps(sorted(sys.modules)))"
    )
    modules = json.loads(run(code, classifier.path, pictures))
    assert {"torch", "pydantic", "typer", "yaml", "onnx", "hopgraph.passes", "hopgraph.lower"}.isdisjoint(modules)
    assert "hopgraph.runtime.bundle" in modules
    assert ("onnxruntime" in modules) == bool(then)
    assert ("PIL" in modules) == bool(then)
