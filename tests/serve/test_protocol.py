"""The open inference protocol, as Triton's own client and as plain HTTP speak it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from hopgraph.version import __version__
from tests.serve.conftest import Starter
from tests.serve.faults import Target
from tests.serve.running import Running, connected

IMAGES: NDArray[np.float32] = np.arange(18, dtype=np.float32).reshape(3, 1, 2, 3)
SUMS = IMAGES.reshape(3, -1).sum(1)


@pytest.fixture
def client(server: Running) -> Iterator[Any]:
    with connected(server) as found:
        yield found


def given(images: NDArray[Any], name: str = "image", datatype: str = "FP32", binary: bool = True) -> list[Any]:
    tensor = InferInput(name, list(images.shape), datatype)
    tensor.set_data_from_numpy(images, binary_data=binary)
    return [tensor]


def test_health_and_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("stub")
    assert client.is_model_ready("stub", "1")
    assert not client.is_model_ready("other")
    assert not client.is_model_ready("stub", "2")
    metadata = client.get_server_metadata()
    assert (metadata["name"], metadata["version"]) == ("hopgraph", __version__)
    assert "binary_tensor_data" in metadata["extensions"]
    assert client.get_model_metadata("stub") == client.get_model_metadata("stub", "1")
    assert client.get_model_metadata("stub") == {
        "name": "stub",
        "versions": ["1"],
        "platform": "stub",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": [-1, 1, 2, 3]}],
        "outputs": [{"name": "numbers", "datatype": "FP32", "shape": [-1, 3]}],
    }
    config = client.get_model_config("stub")
    assert (config["max_batch_size"], config["dynamic_batching"]) == (64, {"max_queue_delay_microseconds": 0})
    assert config["input"] == [{"name": "image", "data_type": "TYPE_FP32", "dims": [1, 2, 3]}]
    assert client.get_model_repository_index() == [{"name": "stub", "version": "1", "state": "READY"}]


@pytest.mark.parametrize("binary_input", [True, False])
@pytest.mark.parametrize("binary_output", [True, False, None])
def test_inference(client: Any, binary_input: bool, binary_output: bool | None) -> None:
    outputs = None if binary_output is None else [InferRequestedOutput("numbers", binary_data=binary_output)]
    result = client.infer("stub", given(IMAGES, binary=binary_input), outputs=outputs, request_id="seven", model_version="1")
    assert np.array_equal(result.as_numpy("numbers"), np.stack([SUMS, IMAGES.reshape(3, -1).max(1), [3, 3, 3]], 1))
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == ("stub", "1", "seven")
    assert ("data" in response["outputs"][0]) == (binary_output is False)


@pytest.mark.parametrize("asked", ["gzip", "deflate", None])
@pytest.mark.parametrize("sent", ["gzip", "deflate", None])
def test_compression_either_way(client: Any, sent: str | None, asked: str | None) -> None:
    images = np.repeat(IMAGES, 100, axis=0)  # large enough to be compressed
    result = client.infer("stub", given(images), request_compression_algorithm=sent, response_compression_algorithm=asked)
    assert np.array_equal(result.as_numpy("numbers")[:, 0], np.repeat(SUMS, 100))


def test_a_large_answer_is_compressed_where_that_is_accepted(server: Running, target: Target) -> None:
    rows = {"inputs": [target.tensor(shape=[100, 1, 2, 3], data=[0.0] * 600)]}
    plain = server.infer(rows)
    for accepted, inflate in (("gzip", gzip.decompress), ("deflate", zlib.decompress), ("br, gzip;q=0.5", gzip.decompress)):
        squeezed = server.infer(rows, {"Accept-Encoding": accepted})
        assert squeezed.headers["content-encoding"] == accepted.split(", ")[-1].split(";")[0]
        assert inflate(squeezed.body) == plain.body
    for accepted in ("br", "identity", "gzip;q=0"):
        assert "content-encoding" not in server.infer(rows, {"Accept-Encoding": accepted}).headers
    assert "content-encoding" not in server.infer(target.body(), {"Accept-Encoding": "gzip"}).headers


def test_classification(client: Any) -> None:
    for binary in (True, False):
        output = InferRequestedOutput("numbers", binary_data=binary, class_count=2)
        found = client.infer("stub", given(IMAGES[1:]), outputs=[output]).as_numpy("numbers")
        texts = [[text.decode() if binary else text for text in row] for row in found]
        assert texts == [["51.000000:0:sum", "11.000000:1:greatest"], ["87.000000:0:sum", "17.000000:1:greatest"]]


def test_requests_in_flight_of_one_client(server: Running) -> None:
    with connected(server, concurrency=8) as client:
        asked = [client.async_infer("stub", given(IMAGES + number)) for number in range(24)]
        for number, request in enumerate(asked):
            assert np.array_equal(request.get_result().as_numpy("numbers")[:, 0], SUMS + 6 * number)


def test_statistics(serving: Starter, target: Target) -> None:
    server = serving()
    assert server.infer({"inputs": [target.tensor(shape=[3, 1, 2, 3], data=[0.0] * 18)]}).status == 200
    assert server.infer(target.body()).status == 200
    assert server.infer(b"").status == 400
    with connected(server) as client:
        (found,) = client.get_inference_statistics("stub", "1")["model_stats"]
        assert client.get_inference_statistics()["model_stats"] == client.get_inference_statistics("stub")["model_stats"] == [found]
    counts = {name: duration["count"] for name, duration in found["inference_stats"].items()}
    assert counts == {"success": 2, "fail": 1, "queue": 2, "compute_input": 0, "compute_infer": 2, "compute_output": 0}
    assert (found["inference_count"], found["execution_count"]) == (4, 2)
    assert 0 < found["inference_stats"]["compute_infer"]["ns"] < found["inference_stats"]["success"]["ns"]
    assert found["last_inference"] > 1.7e12


def test_what_the_server_does_not_have_is_told(client: Any) -> None:
    with pytest.raises(InferenceServerException, match=r"\[404\] there is nothing at /v2/systemsharedmemory/status"):
        client.get_system_shared_memory_status()
    with pytest.raises(InferenceServerException, match=r"\[404\] no model is named `other`; this server has `stub`"):
        client.infer("other", given(IMAGES))
    with pytest.raises(InferenceServerException, match=r"\[400\] the model reads FP32, and `image` is INT64"):
        client.infer("stub", given(IMAGES.astype(np.int64), datatype="INT64"))


def test_plain_json_with_nested_data(server: Running, target: Target) -> None:
    answer = server.infer({"id": "a", **target.body(data=[[[[1, 2.5, 3], [4, 5, 6]]]]), "model_name": "stub"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "model_name": "stub",
        "model_version": "1",
        "id": "a",
        "outputs": [{"name": "numbers", "datatype": "FP32", "shape": [1, 3], "data": [21.5, 6.0, 1.0]}],
    }


def test_an_answer_in_binary_says_where_it_begins(server: Running, target: Target) -> None:
    body, headers = target.binary(target.numbers(7.0, rows=2), rows=2)
    text = body[: int(headers["Inference-Header-Content-Length"])]
    asked = json.dumps({**json.loads(text), "parameters": {"binary_data_output": True}}).encode()
    answer = server.infer(asked + body[len(text) :], {"Inference-Header-Content-Length": str(len(asked))})
    assert answer.headers["content-type"] == "application/octet-stream"
    end = int(answer.headers["inference-header-content-length"])
    output = json.loads(answer.body[:end])["outputs"][0]
    assert output == {"name": "numbers", "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": 24}}
    assert np.array_equal(np.frombuffer(answer.body[end:], "<f4").reshape(2, 3), [[7, 7, 2], [7, 7, 2]])


def test_numbers_that_json_cannot_hold(server: Running, target: Target) -> None:
    answer = server.infer(target.body(data=[300.0, 0, 0, 0, 0, 0]))
    assert answer.status == 400
    assert answer.json() == {"error": "the outputs hold numbers that are not finite, which JSON cannot hold: ask for them in binary"}
    asked = {**target.body(data=[300.0, 0, 0, 0, 0, 0]), "parameters": {"binary_data_output": True}}
    assert np.frombuffer(server.infer(asked).body[-12:], "<f4").tolist() == [np.inf, np.inf, 1.0]


def test_a_form_is_given_as_many_rows_as_it_takes(serving: Starter, target: Target) -> None:
    server = serving("engine")
    with connected(server) as client:
        assert client.get_model_config("stub")["max_batch_size"] == 5
        for rows in (1, 2, 5, 12):
            images = np.arange(rows * 6, dtype=np.float32).reshape(rows, 1, 2, 3)
            sums = client.infer("stub", given(images)).as_numpy("numbers")[:, 0]
            assert np.array_equal(sums, images.reshape(rows, 6).sum(1))


def test_tokens(serving: Starter) -> None:
    server = serving("tokens")
    tokens = np.array([[0, 1, 2, 6]])
    with connected(server) as client:
        found = client.infer("stub", given(tokens, "tokens", "INT64")).as_numpy("numbers")
        assert np.array_equal(found, np.stack([tokens, 2 * tokens], -1))
        assert np.array_equal(found, client.infer("stub", given(tokens, "tokens", "INT64", binary=False)).as_numpy("numbers"))
        for wrong, told in ((7, "the token 7 is not one of the model's"), (-1, "the token -1 is not one of the model's")):
            with pytest.raises(InferenceServerException, match=told):
                client.infer("stub", given(tokens.clip(0, 5) * 0 + wrong, "tokens", "INT64"))
        output = InferRequestedOutput("numbers", class_count=1)
        with pytest.raises(InferenceServerException, match="an output of 4 x 2 numbers has no such count of classes"):
            client.infer("stub", given(tokens, "tokens", "INT64"), outputs=[output])
    fractions = {"inputs": [{"name": "tokens", "shape": [1, 4], "datatype": "INT64", "data": [0.5, 1, 2, 3]}]}
    assert server.infer(fractions).json() == {"error": "the model reads tokens, which are integers, and was given float64"}
