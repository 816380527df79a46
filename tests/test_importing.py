"""Published weights: where each tensor goes, what is told of a file that does not fit, and the command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from hopgraph.errors import HopgraphError, Source
from hopgraph.passes.pipeline import CheckedSpec, load
from hopgraph.runtime import Bundle
from hopgraph.train.importing import import_weights
from hopgraph.train.run import read_run
from hopgraph.train.tensors import read_tensors

from .deploy.test_cli import Shell

SPEC = """
hopgraph: 1
name: net
input: {tensor: {n: 3, c: 4}}
stages:
  - block: &block
      depth: 2
      axes: {n: 3, c: 4, h: 2, y: 5, m: 6}
      layers:
        x: {axes: [n, c], lagrangian: {layernorm: {over: c, gain: scalar, bias: vector}}}
        f: {axes: [n, h, y], lagrangian: relu, fast: true}
        g: {axes: [n, m], lagrangian: relu, fast: true}
      synapses:
        heads: {factors: {f: f, x: {layer: x, through: [{dense: {c: [h, y]}}]}}, symmetry: own}
        memory: {factors: {g: g, x: {layer: x, through: [{dense: {c: m, bias: true}}]}}, symmetry: own}
  - block: *block
readout: [{mean: n}, {linear: 2}]
weights:
  stages.<stage>.<2 * depth>.gamma: blocks.<block>.x.log_gain
  stages.<stage>.<2 * depth>.delta: blocks.<block>.x.bias
  stages.<stage>.<2 * depth>.head.<h>: {to: blocks.<block>.heads.x.dense.weight, axes: [y, c]}
  stages.<stage>.<2 * depth>.out: {to: blocks.<block>.heads.own_x.x.dense.weight, axes: [c, [h, y]]}
  stages.<stage>.<2 * depth>.fused:
    - {to: blocks.<block>.memory.x.dense.weight, axes: [m, c]}
    - {to: blocks.<block>.memory.own_x.x.dense.weight, axes: [m, c]}
  stages.<stage>.<2 * depth>.b: blocks.<block>.memory.x.dense.bias
  old.weight: readout.linear.weight
  new.weight: readout.linear.weight
  new.bias: readout.linear.bias
  unused: null
"""


def net(old: str = "", new: str = "") -> CheckedSpec:
    text = SPEC.replace(old, new)
    assert not old or text != SPEC
    return load(Source("net.yaml", text))


def tensors() -> dict[str, Tensor]:
    """A file that fits."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    found = {"new.weight": random(2, 4), "new.bias": random(2), "unused": random(7), "x.num_batches_tracked": torch.tensor(3)}
    for owner in ("stages.0.0", "stages.0.2", "stages.1.0", "stages.1.2"):
        found |= {f"{owner}.gamma": random(1).abs(), f"{owner}.delta": random(1, 1, 4), f"{owner}.out": random(4, 10)}
        found |= {f"{owner}.head.{index}": random(5, 4, 1) for index in range(2)}
        found |= {f"{owner}.fused": random(12, 4), f"{owner}.b": random(6)}
    return found


def told(given: dict[str, Tensor], spec: CheckedSpec | None = None) -> str:
    with pytest.raises(HopgraphError) as raised:
        import_weights(spec or net(), given, "net.pt")
    return str(raised.value)


def test_each_tensor_goes_to_its_place() -> None:
    given = tensors()
    found = import_weights(net(), given)
    assert found["blocks.3.x.log_gain"].exp() == pytest.approx(given["stages.1.2.gamma"].item())
    assert torch.equal(found["blocks.1.x.bias"], given["stages.0.2.delta"].flatten())
    assert torch.equal(found["blocks.2.heads.x.dense.weight"][1], given["stages.1.0.head.1"].squeeze(-1))
    assert torch.equal(found["blocks.2.heads.own_x.x.dense.weight"][1, 3], given["stages.1.0.out"][:, 8])
    assert torch.equal(found["blocks.0.memory.own_x.x.dense.weight"], given["stages.0.0.fused"][6:])
    assert torch.equal(found["readout.linear.weight"], given["new.weight"])
    assert set(found) == {parameter.stored_name for parameter in net().program.parameters}


def test_of_several_entries_the_first_counts_whose_tensor_is_there() -> None:
    given = tensors()
    given["old.weight"] = given.pop("new.weight") + 1
    assert torch.equal(import_weights(net(), given)["readout.linear.weight"], given["old.weight"])


def test_without_a_table_the_names_are_the_models_own() -> None:
    spec = load(Source("net.yaml", SPEC[: SPEC.index("weights:")]))
    given = {parameter.stored_name: torch.rand(parameter.shape) for parameter in spec.program.parameters}
    found = import_weights(spec, {**given, "blocks.0.x.log_gain": torch.tensor(0.5)})
    assert torch.equal(found["readout.linear.weight"], given["readout.linear.weight"])
    assert found["blocks.0.x.log_gain"].item() == 0.5


def test_what_is_missing_left_over_and_misshapen_is_told_at_once(update_goldens: bool) -> None:
    given = tensors()
    del given["stages.0.0.out"], given["new.weight"]
    given |= {"stages.1.0.b": torch.zeros(7), "new.bias": torch.zeros(2, dtype=torch.int64), "further": torch.zeros(1)}
    message = told(given) + "\n"
    if update_goldens:
        GOLDEN.write_text(message, encoding="utf-8")
    assert message == GOLDEN.read_text(encoding="utf-8")


GOLDEN = Path(__file__).parent / "golden" / "importing.txt"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("head.<h>:", "head.<y>:", "the layout [y, c] of `stages.<stage>.<2 * depth>.head.<y>`"),
        ("head.<h>:", "head.<heads>:", "`<heads>` should count blocks"),
        ("axes: [c, [h, y]]", "axes: [c, y]", "which has the axes [h, y, c]"),
        ("memory.own_x.x.dense.weight, axes: [m, c]", "memory.own_x.x.dense.weight, axes: [c, m]", "differ in more than their first axis"),
    ],
)
def test_an_entry_that_leads_nowhere_is_told_at_its_place(old: str, new: str, expected: str) -> None:
    given = tensors()
    given |= {f"stages.{stage}.{depth}.head.{index}": torch.zeros(5, 4) for stage in (0, 1) for depth in (0, 2) for index in range(5)}
    message = told(given, net(old, new))
    assert message.startswith("error[weights-table]")
    assert expected in message
    assert "--> net.yaml:" in message


def test_a_tensor_of_which_a_part_has_no_place_is_left_over() -> None:
    message = told(tensors(), net("memory.own_x.x.dense.weight, axes: [m, c]}", "memory.tied_x.dense.weight, axes: [m, c]}"))
    assert "blocks.0.memory.x.dense.weight: no entry of `weights` leads to it" in message
    assert "= note: stages.0.0.fused" in message


def test_a_gain_that_is_kept_positive_takes_no_other() -> None:
    given = tensors()
    given["stages.1.0.gamma"] = torch.tensor([-0.5])
    assert "`blocks.2.x.log_gain` is kept positive, and the tensor for it has -0.5" in told(given)


# --- files ------------------------------------------------------------------------------------------------------------


def test_files_of_every_kind_are_read(tmp_path: Path) -> None:
    given = tensors()
    save_file({name: tensor.contiguous() for name, tensor in given.items()}, tmp_path / "a.safetensors")
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in given.items()}
    np.savez(tmp_path / "a.npz", **arrays)
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in given.items()}}, tmp_path / "a.pth")
    for file in ("a.safetensors", "a.npz", "a.pth"):
        found = read_tensors(tmp_path / file)
        assert set(given) <= set(found)
        assert all(torch.equal(found[name], tensor) for name, tensor in given.items())


class Unsafe:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this ran",))


def test_bad_files_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": Unsafe()}, tmp_path / "unsafe.pt")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    for name in ("text.pt", "text.safetensors", "text.npz"):
        (tmp_path / name).write_text("no tensors", encoding="utf-8")
    expected = {
        "unsafe.pt": "reading it could run code",
        "empty.pt": "holds no tensors by name",
        "text.pt": "reading it could run code",
        "text.safetensors": "is no file of tensors",
        "text.npz": "is no file of tensors",
        "absent.pt": "there is no file",
    }
    for name, message in expected.items():
        with pytest.raises(HopgraphError, match=message):
            read_tensors(tmp_path / name)
    assert "this ran" not in capsys.readouterr().out


# --- the command ------------------------------------------------------------------------------------------------------


def written(folder: Path) -> tuple[Path, Path]:
    (folder / "net.yaml").write_text(SPEC, encoding="utf-8")
    save_file({name: tensor.contiguous() for name, tensor in tensors().items()}, folder / "net.safetensors")
    return folder / "net.yaml", folder / "net.safetensors"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


def test_the_command_writes_a_run_that_exports(shell: Shell, tmp_path: Path) -> None:
    spec, file = written(tmp_path)
    result = shell.json("import-weights", spec, file, "-o", tmp_path / "run", "--json")
    assert result["tensors"] == len(net().program.parameters)
    run = read_run(tmp_path / "run")
    assert run.record.data == "net.safetensors"
    assert run.record.labels == ("0", "1")
    assert torch.equal(run.model.stored("readout.linear.bias"), tensors()["new.bias"])
    shell("export", tmp_path / "run", "--out", tmp_path / "bundle")
    assert Bundle.open(tmp_path / "bundle").manifest.test == {}


def test_labels_and_statistics_come_along(shell: Shell, tmp_path: Path) -> None:
    spec, file = written(tmp_path)
    labels = tmp_path / "labels.txt"
    labels.write_text("cat\ndog\n", encoding="utf-8")
    options = ("--labels", labels, "--mean", "0.5", "--std", "0.25")
    shell("import-weights", spec, file, "-o", tmp_path / "run", *options)
    record = read_run(tmp_path / "run").record
    assert (record.labels, record.mean, record.std) == (("cat", "dog"), (0.5,), (0.25,))
    labels.write_text("cat\n", encoding="utf-8")
    _, err = shell("import-weights", spec, file, "-o", tmp_path / "other", *options, status=1)
    assert "`labels.txt` has 1 labels, and the model gives 2 numbers" in err
    assert not (tmp_path / "other").exists()
    shell("import-weights", spec, file, "-o", tmp_path / "other", "--mean", "half", status=2)
    _, err = shell("import-weights", spec, file, "-o", tmp_path / "other", "--mean", "0.5,0.5", status=1)
    assert "there are 2 numbers for 1 channels" in err


def test_a_file_that_does_not_fit_leaves_nothing(shell: Shell, tmp_path: Path) -> None:
    spec, file = written(tmp_path)
    save_file({"new.weight": torch.zeros(2, 4)}, file)
    _, err = shell("import-weights", spec, file, "-o", tmp_path / "run", status=1)
    assert "error[weights-missing]" in err
    assert not (tmp_path / "run").exists()
