"""One file of weights: the state of the model, what is computed from it, and graphs that do not depend on its values."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from onnx.external_data_helper import ExternalDataInfo
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]

import hopgraph
from hopgraph.export.parity import TOLERANCE, reference, relative_error, sample_inputs
from hopgraph.export.weights import COMPUTED, WEIGHTS, read_places, read_state, write_weights
from hopgraph.lower.model import Model
from hopgraph.runtime import BundleError
from tests.onnx.models import Case, Written, write

SMALL = ("dims.C=16", "dims.depth=2")
CASES = [
    Case("paramixer", "symmetric,digits", SMALL),
    Case("paramixer", "asymmetric,digits", SMALL),
    Case("paramixer", "vanilla,digits", SMALL),
    Case("vit", "digits"),
    Case("convmixer", "digits"),
    Case("imixer", "digits"),
]


def externals(written: Written) -> dict[str, ExternalDataInfo]:
    return {tensor.name: ExternalDataInfo(tensor) for tensor in written.graph.initializer if tensor.external_data}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_other_weights_give_the_same_graph_and_the_other_run_s_outputs(case: Case, dtype: str, tmp_path: Path) -> None:
    """Also of a model at its initial values, where many tensors are equal."""
    fresh, trained = hopgraph.compile(case.spec, case.variant, case.settings).eval(), case.model(2)
    (tmp_path / "other").mkdir()
    own, other = write(fresh, tmp_path, dtype), write(trained, tmp_path / "other", dtype)
    assert digest(tmp_path / own.built.file) == digest(tmp_path / "other" / other.built.file)
    weights = own.built.files[1]
    files = {weights.removesuffix(".safetensors").replace(".", "_"): f"other/{weights}"}
    inputs = sample_inputs(trained)
    assert relative_error(own.run(inputs), reference(fresh, inputs)) <= TOLERANCE[dtype]
    assert relative_error(own.run(inputs, weights="other", **files), reference(trained, inputs)) <= TOLERANCE[dtype]


def test_two_norms_that_start_equal_stay_two(tmp_path: Path) -> None:
    """The two norms of a block are equal at the start, then only one of them is changed in the file."""
    model = hopgraph.compile("paramixer", "vanilla,digits", SMALL).eval()
    written = write(model, tmp_path)
    gains = [name for name in externals(written) if "x_gain" in name]
    assert len(gains) == 2 * len(model.ham.blocks)
    assert len({externals(written)[name].offset for name in gains}) == len(gains)
    for name, tensor in model.state_dict().items():
        tensor.mul_(3.0 if name.endswith("norm_0_x.bias") else 1.0).add_(0.5 if name.endswith("norm_0_x.log_gain") else 0.0)
    (tmp_path / WEIGHTS).unlink()
    write_weights(tmp_path, model.spec, model.state_dict())
    assert written.error() <= TOLERANCE["float32"]


def test_equal_weights_give_equal_files_that_name_no_machine(tmp_path: Path) -> None:
    model = Case("paramixer", "asymmetric,digits", SMALL).model()
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        for dtype in ("float32", "float16", "bfloat16"):
            write(model, folder, dtype)
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert first == second
    assert len(first) == 6
    for content in first.values():
        assert str(Path.home()).encode() not in content
        assert str(Path(__file__).resolve().parents[2]).encode() not in content
        assert str(tmp_path).encode() not in content


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_file_holds_the_state_and_apart_from_it_what_is_computed(case: Case, tmp_path: Path) -> None:
    model = case.model()
    write_weights(tmp_path, model.spec, model.state_dict())
    tensors, state = load_file(tmp_path / WEIGHTS), model.state_dict()
    assert {name for name in tensors if not name.startswith(COMPUTED)} == set(state)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in state.items())
    found = read_state(tmp_path / WEIGHTS, state)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_a_file_without_the_state_is_told(tmp_path: Path) -> None:
    model = Case("paramixer", "symmetric,digits", SMALL).model()
    write_weights(tmp_path, model.spec, model.state_dict())
    with pytest.raises(BundleError, match=r"`model.safetensors` does not hold the weights of the model"):
        read_state(tmp_path / WEIGHTS, ["blocks.7.token.x.dense.weight"])
    (tmp_path / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(BundleError, match="does not hold"):
        read_state(tmp_path / WEIGHTS, [])


def test_penalized_weights_are_added_up_beforehand(tmp_path: Path) -> None:
    model = Case("paramixer", "asymmetric,digits", SMALL).model()
    write_weights(tmp_path, model.spec, model.state_dict())
    tensors = load_file(tmp_path / WEIGHTS)
    base, departure = (tensors[f"blocks.0.token.{name}x.dense.weight"] for name in ("", "penalized_x."))
    torch.testing.assert_close(tensors[f"{COMPUTED}blocks_0_token_penalized_x_x_dense_weight"], base + departure)


def bytes_of(written: Written, info: ExternalDataInfo) -> bytes:
    content = (written.folder / info.location).read_bytes()
    assert info.offset is not None
    assert info.length is not None
    return content[info.offset : info.offset + info.length]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_initializers_point_at_the_tensors_of_their_names(case: Case, tmp_path: Path) -> None:
    """A name in brackets is the same tensor, seen in another shape."""
    written = write(case.model(), tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    for name, info in externals(written).items():
        assert bytes_of(written, info) == tensors[name.split("[")[0]].numpy().tobytes()


def large(model: Model) -> int:
    """The number of the parameters that are matrices or kernels."""
    return sum(len(parameter.shape) > 1 for parameter in model.program.parameters)


TIED = [Case("paramixer", "symmetric,digits"), Case("vit", "symmetric,digits"), Case("ffnet", "symmetric,digits")]


@pytest.mark.parametrize("case", TIED, ids=str)
def test_a_tied_weight_stands_once_and_no_weight_is_inside_the_graph(case: Case, tmp_path: Path) -> None:
    model = case.model()
    written = write(model, tmp_path)
    stored = read_places(tmp_path / WEIGHTS)
    read = {name.split("[")[0] for name in externals(written)}
    assert written.built.facts["shared"]
    assert sum(len(stored[name].shape) > 1 for name in read) <= large(model)
    size = sum(4 * tensor.numel() for tensor in model.state_dict().values())
    assert size <= sum(place.length for place in stored.values()) < 1.02 * size
    inside = [tensor for tensor in written.graph.initializer if not tensor.external_data]
    assert sum(tensor.ByteSize() for tensor in inside) < 20_000


def test_float16_has_what_its_graph_reads_and_statistics_in_float32(tmp_path: Path) -> None:
    written = write(Case("convmixer", "digits").model(), tmp_path, "float16")
    places = read_places(tmp_path / "model.float16.safetensors")
    assert set(places) == {name.split("[")[0] for name in externals(written)}
    exact = {name for name, place in places.items() if place.dtype == "F32"}
    assert {name.split(".")[-1] for name in exact} == {"weight:float32", "bias:float32", "running_mean:float32", "running_var:float32"}
    assert {place.dtype for name, place in places.items() if name not in exact} == {"F16"}
