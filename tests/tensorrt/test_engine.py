"""The runtime of engines, held against a driver and a package that queue work, bound memory and check addresses."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from hopgraph.runtime import engine as runtime
from hopgraph.runtime.caches import cache_folder
from hopgraph.runtime.manifest import File, Form, Manifest
from hopgraph.runtime.problems import BundleError
from hopgraph.runtime.record import Opening, Predict
from tests.tensorrt.fakes import FakeDriver, FakePackage, Kind, expected

FACTS: dict[str, Any] = {"package": "tensorrt_rtx", "version": "1.7.1.116", "targets": ["SM80+"]}


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeDriver:
    found = FakeDriver()
    monkeypatch.setattr(runtime, "library", lambda: found)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return found


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver) -> FakePackage:
    return install(monkeypatch, driver, "tensorrt_rtx", "1.7.1.116")


def install(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver, name: str, version: str) -> FakePackage:
    found = FakePackage(name, version, driver)
    monkeypatch.setitem(sys.modules, name, found)
    return found


def only_installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def find(name: str) -> str | None:
        return name if name in names else None

    monkeypatch.setattr(runtime, "find_spec", find)


def opening(folder: Path, facts: dict[str, Any] = FACTS, content: bytes = b"engine", **changes: Any) -> Opening:
    (folder / "model.engine").write_bytes(content)
    form = Form("tensorrt", "float32", "model.engine", ("model.engine",), {}, {}, facts)
    manifest = cast("Manifest", SimpleNamespace(files=(File("model.engine", len(content), "abc123"),)))
    return Opening(folder, manifest, form, **changes)


def opened(folder: Path, **changes: Any) -> Predict:
    return runtime.open_engine(opening(folder, **changes))


def batch(size: int) -> np.ndarray:
    return np.random.default_rng(size).standard_normal((size, 3)).astype(np.float32)


def refusal(folder: Path, **changes: Any) -> BundleError:
    with pytest.raises(BundleError) as caught:
        opened(folder, **changes)
    return caught.value


def test_batches_go_through(tmp_path: Path, package: FakePackage) -> None:
    predict = opened(tmp_path)
    for size in (2, 8, 3, 8):
        np.testing.assert_array_equal(predict(batch(size)), expected(batch(size)))


def test_inputs_need_not_be_contiguous(tmp_path: Path, package: FakePackage) -> None:
    turned = np.asfortranarray(batch(4))
    np.testing.assert_array_equal(opened(tmp_path)(turned), expected(turned))


def test_an_output_of_float16_leaves_as_float32(tmp_path: Path, package: FakePackage) -> None:
    package.output = (Kind.HALF, np.float16)
    outputs = opened(tmp_path)(batch(4))
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs, expected(batch(4)).astype(np.float16))


def test_buffers_are_used_again_and_given_back(tmp_path: Path, package: FakePackage, driver: FakeDriver) -> None:
    free = driver.free
    predict = opened(tmp_path)
    predict(batch(2))
    predict(batch(8))
    assert free - driver.free == 8 * (3 + 2) * 4
    package.contexts.clear()
    del predict
    gc.collect()
    assert driver.free == free
    assert driver.streams == {}


def test_threads_take_turns(tmp_path: Path, package: FakePackage) -> None:
    predict = opened(tmp_path)
    found: dict[int, np.ndarray] = {}

    def run(size: int) -> None:
        found[size] = predict(batch(size))

    threads = [threading.Thread(target=run, args=(size,)) for size in range(2, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(2, 9))
    for size, outputs in found.items():
        np.testing.assert_array_equal(outputs, expected(batch(size)))


@pytest.mark.parametrize(("size", "told"), [(9, "the largest is 8"), (1, "the smallest is 2"), (0, "the smallest is 2")])
def test_a_batch_beyond_the_profile_is_refused(tmp_path: Path, package: FakePackage, size: int, told: str) -> None:
    predict = opened(tmp_path)
    with pytest.raises(BundleError, match=f"a batch of {size} .*{told}") as caught:
        predict(batch(size))
    assert caught.value.code == "input-invalid"
    np.testing.assert_array_equal(predict(batch(4)), expected(batch(4)))


def test_the_context_of_the_thread_is_left_as_it_was(tmp_path: Path, package: FakePackage, driver: FakeDriver) -> None:
    predict = opened(tmp_path)
    predict(batch(2))
    assert driver.current == []


def test_the_cpu_is_refused(tmp_path: Path, package: FakePackage) -> None:
    error = refusal(tmp_path, device="cpu")
    assert (error.code, error.message) == ("runtime-unavailable", "`model.engine` runs on a GPU only")


def test_other_weights_are_refused(tmp_path: Path, package: FakePackage) -> None:
    error = refusal(tmp_path, weights="seed1")
    assert error.code == "runtime-unavailable"
    assert error.message == "`model.engine` holds the weights that it was built with, and cannot take those of `seed1`"


def test_another_version_is_refused_by_both_names(tmp_path: Path, package: FakePackage) -> None:
    error = refusal(tmp_path, facts={**FACTS, "version": "1.6.0.1"})
    assert error.code == "runtime-unavailable"
    assert error.message == (
        "`model.engine` was built by tensorrt_rtx 1.6.0.1, and no other version can run it: here is tensorrt_rtx 1.7.1.116"
    )
    assert package.contexts == []


def test_the_other_package_is_refused(tmp_path: Path, package: FakePackage, monkeypatch: pytest.MonkeyPatch) -> None:
    only_installed(monkeypatch, "tensorrt_rtx")
    error = refusal(tmp_path, facts={**FACTS, "package": "tensorrt", "version": "11.0.0.1"})
    assert error.code == "runtime-unavailable"
    assert error.message.endswith("was built by tensorrt 11.0.0.1, and no other version can run it: tensorrt is not installed here")


@pytest.mark.parametrize("change", [{"package": "os"}, {"package": None}, {"version": 10}, {"targets": "SM86"}])
def test_a_manifest_names_the_package_and_no_other_module(tmp_path: Path, package: FakePackage, change: dict[str, Any]) -> None:
    assert refusal(tmp_path, facts={**FACTS, **change}).code == "bundle-damaged"


@pytest.mark.parametrize(
    ("targets", "capability", "fits"),
    [
        (["SM86"], 86, True),
        (["SM86"], 89, False),
        (["SM86", "SM89"], 89, True),
        (["SM80+"], 120, True),
        (["SM80+"], 75, False),
        (["SM120"], 120, True),
        (["all"], 86, False),
    ],
)
def test_the_gpu_must_be_a_target(
    tmp_path: Path, package: FakePackage, driver: FakeDriver, targets: list[str], capability: int, fits: bool
) -> None:
    driver.capability = capability
    if fits:
        assert opened(tmp_path, facts={**FACTS, "targets": targets})(batch(2)).shape == (2, 2)
        return
    error = refusal(tmp_path, facts={**FACTS, "targets": targets})
    assert error.code == "runtime-unavailable"
    assert error.message == f"`model.engine` was built for {', '.join(targets)}, and the GPU here is SM{capability}"


def test_what_the_package_says_is_told(tmp_path: Path, package: FakePackage) -> None:
    error = refusal(tmp_path, content=b"no engine")
    assert (error.code, error.notes) == ("runtime-unavailable", ("Magic tag does not match",))


def test_an_engine_that_does_not_run_is_an_error(tmp_path: Path, package: FakePackage) -> None:
    package.refusing = "run"
    predict = opened(tmp_path)
    with pytest.raises(BundleError, match="the engine does not run"):
        predict(batch(2))


def test_an_input_that_the_engine_does_not_read_is_an_error(tmp_path: Path, package: FakePackage) -> None:
    predict = opened(tmp_path)
    with pytest.raises(BundleError, match=r"does not take inputs of \(2, 4\)"):
        predict(np.zeros((2, 4), dtype=np.float32))


def test_a_type_that_no_bundle_has_is_an_error(tmp_path: Path, package: FakePackage) -> None:
    package.output = (Kind.BF16, np.float32)
    assert refusal(tmp_path).code == "bundle-damaged"


def test_too_little_memory_is_told(tmp_path: Path, package: FakePackage, driver: FakeDriver) -> None:
    driver.free = 150
    predict = opened(tmp_path)
    with pytest.raises(BundleError, match=r"CUDA refuses cuMemAlloc_v2: out of memory \(2\)"):
        predict(batch(8))
    assert driver.current == []
    np.testing.assert_array_equal(predict(batch(4)), expected(batch(4)))


def test_what_was_compiled_is_kept_for_the_next_start(tmp_path: Path, package: FakePackage) -> None:
    predict = opened(tmp_path)
    stored = cache_folder() / "abc123.runtime"
    assert not stored.exists()
    predict(batch(2))
    assert stored.read_bytes() == b"kernels 1"
    stored.write_bytes(b"kernels 9")
    opened(tmp_path)(batch(2))
    assert stored.read_bytes() == b"kernels 9"
    assert [context.cache and context.cache.kernels for context in package.contexts] == [1, 9]


def test_a_cache_of_another_gpu_is_made_anew(tmp_path: Path, package: FakePackage) -> None:
    stored = cache_folder() / "abc123.runtime"
    stored.parent.mkdir(parents=True)
    stored.write_bytes(b"of another GPU")
    opened(tmp_path)(batch(2))
    assert stored.read_bytes() == b"kernels 1"


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, package: FakePackage) -> None:
    cache_folder().parent.mkdir(parents=True, exist_ok=True)
    cache_folder().write_text("a file in the way")
    assert opened(tmp_path)(batch(2)).shape == (2, 2)


def test_tensorrt_has_no_such_cache(tmp_path: Path, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, driver, "tensorrt", "10.13.0.35")
    predict = opened(tmp_path, facts={"package": "tensorrt", "version": "10.13.0.35", "targets": ["SM86"]})
    np.testing.assert_array_equal(predict(batch(4)), expected(batch(4)))
    assert not cache_folder().exists()


def test_missing_says_what_is_lacking(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver, package: FakePackage) -> None:
    assert runtime.missing() is None
    driver.count = 0
    assert runtime.missing() == "no GPU"
    monkeypatch.setattr(runtime, "library", lambda: None)
    assert runtime.missing() == "no GPU"
    only_installed(monkeypatch)
    assert str(runtime.missing()).startswith("neither tensorrt nor tensorrt_rtx is installed")
