"""The command line as a user meets it: every command, `--json`, exit statuses, and nothing half-written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hopgraph
from hopgraph import cli
from hopgraph.runtime import Bundle
from hopgraph.train.data import Images
from tests.deploy.conftest import SMALL

SETTINGS = [word for setting in SMALL for word in ("--set", setting)]


class Shell:
    """Runs commands in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: str | Path, status: int = 0) -> tuple[str, str]:
        """Standard output and standard error of a command that must exit with `status`."""
        self.monkeypatch.setattr(sys, "argv", ["hopgraph", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
            raise SystemExit(0)
        out, err = self.capsys.readouterr()
        assert (stopped.value.code or 0) == status, out + err
        assert "Traceback" not in out + err
        return out, err

    def json(self, *words: str | Path) -> Any:
        """What a command prints as JSON."""
        return json.loads(self(*words, "--json")[0])


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


def test_check_says_what_the_spec_is_and_checks_its_variants(shell: Shell) -> None:
    out, _ = shell("check", "paramixer")
    assert "specs/paramixer/paramixer.yaml: correct, and so are its variants symmetric, asymmetric, broken, vanilla" in out
    assert "8,550,930 parameters; [channels=3, height=32, width=32] -> [classes=10]" in out
    assert "2,423,531,520 FLOPs an example" in out
    facts = shell.json("check", "paramixer", "--variant", "broken")
    assert facts["certificate"] == "none"
    assert facts["parameters"] == 17_070_610


def test_show_prints_layers_synapses_and_pulls(shell: Shell) -> None:
    out, _ = shell("show", "paramixer", "--variant", "asymmetric,digits")
    assert "layer x [n=16, c=64], slow: layernorm" in out
    assert "synapse channel: E = - sum h[n,m] (x[n,c] dense c->m)[n,m]" in out
    assert "pull on x: penalized, lambda 0.001" in out
    assert re.search(r"certificate: none\n +the pull on `x` of synapse `token` is penalized.*paramixer.yaml:\d+:\d+\)", out)
    facts = shell.json("show", "paramixer", "--variant", "digits")
    assert [layer["kind"] for layer in facts["stages"][0]["layers"]] == ["slow", "fast", "fast"]
    assert sum(facts["parameters_by_part"].values()) == facts["parameters"]


@pytest.mark.parametrize(
    ("form", "word"), [("latex", "\\\\begin{document}"), ("unicode", "E = "), ("mermaid", "flowchart"), ("svg", "<svg"), ("json", "{")]
)
def test_show_writes_every_format(shell: Shell, tmp_path: Path, form: str, word: str) -> None:
    out, _ = shell("show", "paramixer", "--format", form)
    assert word.replace("\\\\", "\\") in out
    shell("show", "paramixer", "--format", form, "-o", tmp_path / "shown")
    assert (tmp_path / "shown").read_text(encoding="utf-8") == out


def test_the_schema_is_written(shell: Shell, tmp_path: Path) -> None:
    out, _ = shell("schema")
    assert json.loads(out)["$schema"].startswith("https://json-schema.org/")
    shell("schema", "-o", tmp_path / "schema.json")
    assert (tmp_path / "schema.json").read_text(encoding="utf-8") == out


def test_a_code_is_explained_and_an_unknown_one_gets_a_suggestion(shell: Shell) -> None:
    out, _ = shell("explain", "fast-cycle")
    assert out.startswith("# fast-cycle: ")
    everything, _ = shell("explain")
    assert "axes-mismatch" in everything
    _, err = shell("explain", "fast-circle", status=1)
    assert "error[code-unknown]" in err
    assert "fast-cycle" in err


def test_dims_are_scaled_to_equal_parameters(shell: Shell) -> None:
    setting = "iso_params={match: broken, by: [Ns, Nc]}"
    out, _ = shell("check", "paramixer", "--variant", "symmetric,digits", "--set", setting)
    assert "iso_params: Ns 32 -> 64, Nc 256 -> 512; 136,270 parameters against 136,270 of `broken` (+0.00%)" in out
    shown, _ = shell("show", "paramixer", "--variant", "symmetric,digits", "--set", setting)
    assert "136,270 parameters" in shown


def test_a_very_large_model_is_allocated_only_on_request(shell: Shell) -> None:
    _, err = shell("verify", "paramixer", "--variant", "digits", "--set", "dims.C=20000", status=1)
    assert "error[model-large]" in err
    assert "--allow-large" in err


def test_recall_brings_back_stored_patterns(shell: Shell, tmp_path: Path) -> None:
    patterns = torch.randn(5, 60, generator=torch.Generator().manual_seed(0)).sign()
    np.save(tmp_path / "patterns.npy", patterns.numpy())
    out, _ = shell("recall", "hopfield", "--patterns", tmp_path / "patterns.npy", "--corrupt", "0.2", "-o", tmp_path / "states.npy")
    assert "1.000" in out
    assert np.allclose(np.load(tmp_path / "states.npy"), patterns.numpy(), atol=1e-6)
    traced, _ = shell("recall", "hopfield", "--patterns", tmp_path / "patterns.npy", "--corrupt", "0.2", "--trace")
    assert len(traced.splitlines()) >= 5
    facts = shell.json("recall", "hopfield", "--patterns", tmp_path / "patterns.npy", "--corrupt", "0.2")
    assert facts
    _, err = shell("recall", "hopfield", "--patterns", tmp_path / "none.npy", status=1)
    assert "error[file-missing]" in err
    shell("recall", "hopfield", status=2)


@pytest.mark.parametrize("variant", ["digits", "asymmetric,digits", "vanilla,digits"])
def test_compile_writes_a_module_that_computes_the_same_to_the_bit(shell: Shell, tmp_path: Path, variant: str) -> None:
    shell("compile", "paramixer", "--variant", variant, *SETTINGS, "-o", tmp_path / "model.py")
    text = (tmp_path / "model.py").read_text()
    assert set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)) == {"torch"}
    assert "# [batch, k=8, c=16]" in text
    torch.manual_seed(0)
    model = hopgraph.compile("paramixer", variant, SMALL)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(torch.randn_like(tensor) / 4)
    images = torch.randn(3, 1, 8, 8)
    torch.save({"state": model.state_dict(), "images": images, "wanted": model(images).detach()}, tmp_path / "case.pt")
    script = (
        "import sys, torch, model\n"
        "case = torch.load('case.pt', weights_only=True)\n"
        "net = model.Paramixer(); net.load_state_dict(case['state'])\n"
        "assert torch.equal(net(case['images']), case['wanted'])\n"
        "assert 'hopgraph' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_compile_prints_what_a_pass_makes(shell: Shell) -> None:
    out, _ = shell("compile", "paramixer", "--variant", "digits", "--dump-after", "order-fast")
    assert "fast_order" in out
    _, err = shell("compile", "paramixer", "--dump-after", "order-fats", status=1)
    assert "error[pass-unknown]: no pass is named `order-fats`" in err
    assert "order-fast" in err
    shell("compile", "paramixer", status=2)


def test_verify_reports_the_measured_laws(shell: Shell) -> None:
    results = {item["variant"]: item for item in shell.json("verify", "paramixer", *SETTINGS)}
    assert set(results) == {"default", "symmetric", "asymmetric", "broken", "vanilla", "relu"}
    assert all(item["update_error"] <= 1e-10 and item["passed"] for item in results.values())
    assert results["default"]["asymmetry"] <= 1e-12
    assert results["broken"]["asymmetry"] > 0.3
    assert results["vanilla"]["asymmetry"] > 0.3
    assert results["relu"]["energy_steps"] == 50
    assert results["relu"]["energy_rise"] == 0
    assert results["relu"]["energy_fall"] > 0
    assert results["broken"]["energy_rise"] is None
    out, _ = shell("verify", "paramixer", "--variant", "relu,digits", *SETTINGS)
    assert "as promised" in out


@pytest.mark.slow
def test_verify_at_the_shipped_sizes(shell: Shell) -> None:
    results = {item["variant"]: item for item in shell.json("verify", "paramixer")}
    assert all(item["update_error"] <= 1e-10 and item["passed"] for item in results.values())


def test_the_whole_path(shell: Shell, tmp_path: Path, digits: Images) -> None:
    words = ["train", "paramixer", "--variant", "broken,digits", *SETTINGS, "--epochs", "3", "--seed", "7"]
    record = shell.json(*words, "--out", tmp_path / "run")
    assert record["seed"] == 7
    assert record["history"][-1]["test"]["accuracy"] > 0.5
    manifest = shell.json("export", tmp_path / "run", "--to", "onnx,tensorrt", "--out", tmp_path / "bundle")
    assert manifest["test"] == record["history"][-1]["test"]
    timings = shell.json("bench", tmp_path / "bundle", "--runtime", "onnxruntime", "--batch", "2")["timings"]
    assert timings[0]["ratio"] == 1
    pixels = digits.test.inputs[0, 0].numpy() * digits.std[0] + digits.mean[0]
    np.save(tmp_path / "digit.npy", pixels.astype(np.float32))
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(tmp_path / "digit.png")
    wanted = json.loads((tmp_path / "run" / "run.json").read_text())["labels"]
    for runtime in ("pytorch", "onnxruntime"):
        out, _ = shell("predict", tmp_path / "bundle", tmp_path / "digit.npy", tmp_path / "digit.png", "--runtime", runtime, "--top", "10")
        answers = [json.loads(line) for line in out.splitlines()]
        assert len(answers) == 2
        assert answers[0]["label"] == answers[1]["label"]
        assert answers[0]["label"] in wanted
        first, second = ({share["label"]: share["probability"] for share in answer["top"]} for answer in answers)
        assert sum(first.values()) == pytest.approx(1, abs=1e-5)
        assert first == pytest.approx(second, abs=0.05)


def test_compare_prints_one_table(shell: Shell, tmp_path: Path) -> None:
    words = ["--variant", "digits", *SETTINGS, "--variants", "symmetric,broken", "--seeds", "0", "--epochs", "1"]
    out, _ = shell("compare", "paramixer", *words, "--out", tmp_path / "out")
    assert "symmetric" in out
    assert "test accuracy" in out
    assert (tmp_path / "out" / "report.html").is_file()
    again, _ = shell("compare", "paramixer", *words, "--no-bench", "--out", tmp_path / "out")
    assert "test accuracy" in again
    assert "latency" not in again
    _, err = shell("compare", "paramixer", *words, "--learning-rate", "1e-3", "--out", tmp_path / "out", status=1)
    assert "error[file-exists]" in err
    assert "is a run with another recipe" in err


def test_compare_sweeps_and_matches_parameters(shell: Shell, tmp_path: Path) -> None:
    words = ["--variant", "digits", *SETTINGS, "--variants", "symmetric,broken", "--seeds", "0", "--epochs", "1", "--no-bench"]
    more = ["--sweep", "block.symmetry.penalized=0,1e-3", "--iso-params", "broken", "--iso-by", "Ns,Nc"]
    found = shell.json("compare", "paramixer", *words, *more, "--set", "recipe.batch_size=128", "--out", tmp_path / "out")
    assert [row["variant"] for row in found["rows"]] == ["symmetric", "broken", "penalized=0", "penalized=1e-3", "symmetric (iso)"]
    assert found["recipe"]["batch_size"] == 128
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == [
        "broken-0",
        "penalized=0-0",
        "penalized=1e-3-0",
        "symmetric-0",
        "symmetric-iso-0",
    ]


BAD = {
    "a missing file": (["check", "nowhere.yaml"], "error[file-missing]: there is no file `nowhere.yaml`"),
    "an unknown name": (["check", "paramixr"], "rename it to `paramixer`"),
    "an unknown variant": (["show", "paramixer", "--variant", "broke"], "error[variant-unknown]"),
    "an unknown place": (["check", "paramixer", "--set", "dims.D=3"], "error"),
    "a dim that does not fit": (["check", "paramixer", "--set", "dims.patch=5"], "error[dim-value]"),
    "unknown data": (["train", "paramixer", "--variant", "digits", "--data", "digit", "--out", "run"], "rename it to `digits`"),
    "data of another shape": (["train", "paramixer", "--out", "run"], "error[data-shape]"),
    "no such run": (["export", "run", "--out", "bundle"], "error[run-damaged]"),
    "no such bundle": (["bench", "bundle"], "error[bundle-damaged]"),
    "an unknown engine": (["compare", "paramixer", "--variants", "broken", "--engine", "rey", "--out", "out"], "rename it to `ray`"),
    "a sweep of nothing": (["compare", "paramixer", "--sweep", "dims.C", "--out", "out"], "a sweep is written `path=value,value`"),
    "nothing to compare": (["compare", "paramixer", "--variants", ",", "--out", "out"], "error[variant-unknown]"),
    "an unknown format": (["compare", "paramixer", "--variants", "broken", "--to", "onx", "--out", "out"], "error[exporter-unknown]"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_diagnostic_and_leaves_nothing(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    words, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    out, err = shell(*words, status=1)
    assert message in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_json_too_where_json_is_asked_for(shell: Shell) -> None:
    out, _ = shell("check", "paramixer", "--set", "dims.C=0.5", "--json", status=1)
    (error,) = json.loads(out)["errors"]
    assert error["code"] == "bad-value"
    assert error["file"] == "--set"


USAGE = [
    ["chek"],
    ["check"],
    ["check", "paramixer", "--nonsense"],
    ["train", "paramixer"],
    ["train", "paramixer", "--epochs", "0", "--out", "run"],
    ["train", "paramixer", "--seed", "x", "--out", "run"],
    ["bench", "bundle", "--batch", "0"],
    ["export", "run", "--steps", "twice", "--out", "bundle"],
    ["export", "run", "--batches", "64,1,2", "--out", "bundle"],
    ["predict", "bundle"],
    ["serve", "bundle", "--port", "70000"],
    ["compare", "paramixer", "--variants", "broken", "--seeds", "0,0", "--out", "out"],
    ["compare", "paramixer", "--variants", "broken", "--seeds", "a", "--out", "out"],
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_wrong_usage_exits_with_2(shell: Shell, words: list[str]) -> None:
    shell(*words, status=2)


IMAGES = {
    "missing": (None, "error[file-missing]"),
    "no image": (b"hello", "error[image-unreadable]"),
    "empty": (b"", "error[image-unreadable]"),
}


@pytest.mark.parametrize("suffix", [".png", ".npy"])
@pytest.mark.parametrize("name", IMAGES)
def test_files_that_are_no_images(shell: Shell, tmp_path: Path, bundles: dict[str, Bundle], name: str, suffix: str) -> None:
    content, message = IMAGES[name]
    file = tmp_path / f"image{suffix}"
    if content is not None:
        file.write_bytes(content)
    out, err = shell("predict", bundles["broken"].path, file, status=1)
    assert message in err
    assert json.loads(out)["file"] == str(file)
    assert "error" in json.loads(out)


def test_images_of_the_wrong_shape_or_content(shell: Shell, tmp_path: Path, bundles: dict[str, Bundle]) -> None:
    path = bundles["broken"].path
    Image.new("RGB", (32, 16)).save(tmp_path / "large.png")
    _, err = shell("predict", path, tmp_path / "large.png", status=1)
    assert "is 1 x 16 x 32, and the model reads 1 x 8 x 8 (channels x height x width)" in err
    np.save(tmp_path / "nan.npy", np.full((8, 8), np.nan))
    _, err = shell("predict", path, tmp_path / "nan.npy", status=1)
    assert "not finite" in err
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    _, err = shell("predict", path, tmp_path / "words.npy", status=1)
    assert "error[input-invalid]" in err
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    shell("predict", path, tmp_path / "objects.npy", status=1)


def test_an_unknown_runtime(shell: Shell, bundles: dict[str, Bundle]) -> None:
    for command in (["predict", "x.png"], ["serve"]):
        _, err = shell(command[0], bundles["broken"].path, *command[1:], "--runtime", "onnxruntim", status=1)
        assert "error[runtime-unknown]: no runtime is named `onnxruntim`" in err
    _, err = shell("bench", bundles["broken"].path, "--runtime", "onnxruntim", status=1)
    assert "error[runtime-unknown]: no runtime is named `onnxruntim`" in err
    assert "rename it to `onnxruntime`" in err


def test_version_and_help(shell: Shell) -> None:
    out, _ = shell("--version")
    assert out == f"hopgraph {hopgraph.__version__}\n"
    out, _ = shell("--help")
    for command in ("check", "show", "compile", "verify", "train", "export", "bench", "predict", "serve", "compare"):
        assert command in out


@pytest.mark.slow
def test_check_starts_in_a_quarter_of_the_time_of_importing_torch() -> None:
    """Whole processes, interleaved, medians, each with the bytecode that its first run leaves."""
    cached = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    commands = {"check": ["-m", "hopgraph", "check", "paramixer"], "torch": ["-c", "import torch"]}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(8):
        for name, words in commands.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, capture_output=True, env=cached)
            seconds[name] += [time.perf_counter() - begun] if turn else []
    assert median(seconds["check"]) <= 0.25 * median(seconds["torch"])
