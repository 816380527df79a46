"""`hopgraph serve` over a bundle that `hopgraph export` wrote."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tritonclient.http import InferInput, InferRequestedOutput

from hopgraph.runtime import Bundle
from tests.deploy.conftest import SMALL
from tests.serve.bundles import untrained
from tests.serve.running import DEADLINE, ROOT, Running, connected, running

SERVE = ["-m", "hopgraph", "serve"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return untrained(tmp_path_factory.mktemp("untrained"), "symmetric,digits", SMALL)


@pytest.fixture(scope="module")
def served(bundle: Bundle) -> Iterator[Running]:
    with running([*SERVE, str(bundle.path), "--port", "0", "--threads", "1", "--max-batch", "16"], ROOT) as found:
        yield found


def test_tritonclient_is_answered_what_a_session_gives(bundle: Bundle, served: Running) -> None:
    images = np.random.default_rng(0).standard_normal((40, 1, 8, 8)).astype(np.float32)  # larger than a batch
    wanted = bundle.session(threads=1)(images)
    tensor = InferInput("image", list(images.shape), "FP32")
    tensor.set_data_from_numpy(images)
    name = bundle.manifest.output.name
    with connected(served) as client:
        found = client.infer("paramixer", [tensor]).as_numpy(name)
        best = client.infer("paramixer", [tensor], outputs=[InferRequestedOutput(name, class_count=1)]).as_numpy(name)
    assert np.allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert [text.decode().split(":")[2] for text in best[:, 0]] == [bundle.manifest.labels[index] for index in wanted.argmax(1)]


def test_what_is_served_is_told(bundle: Bundle, served: Running) -> None:
    assert served.get("/v2/models/paramixer").json() == {
        "name": "paramixer",
        "versions": ["1"],
        "platform": "onnxruntime",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 8, 8]}],
        "outputs": [{"name": bundle.manifest.output.name, "datatype": "FP32", "shape": [-1, 10]}],
    }
    assert served.get("/v2/models/paramixer/config").json()["max_batch_size"] == 16


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["{bundle}", "--port", "{port}"], "error[address-unavailable]: the server cannot listen at port {port} of `127.0.0.1`: another"),
        (["{bundle}", "--host", "192.0.2.1"], "error[address-unavailable]: the server cannot listen at port 8000 of `192.0.2.1`: that is"),
        (["nothing"], "error[bundle-damaged]: `nothing` is not a bundle that can be read: there is no such folder"),
    ],
    ids=["a port that is taken", "a host that is none", "no bundle"],
)
def test_what_cannot_be_served_is_told(bundle: Bundle, served: Running, options: list[str], told: str) -> None:
    facts = {"bundle": bundle.path, "port": served.port}
    command = [sys.executable, *SERVE, *(option.format(**facts) for option in options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(told.format(**facts))
    assert "Traceback" not in done.stderr


def test_a_signal_ends_it(bundle: Bundle) -> None:
    with running([*SERVE, str(bundle.path), "--port", "0"], Path.cwd()) as server:
        assert server.get("/v2/health/ready").status == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == (0, "")
