"""What a server answers in a second, with and without dynamic batching; and what it says to requests that are wrong.

    python -m benchmarks.serving [BUNDLE] [ROUNDS]

Without a bundle, a ParaMixer for 32x32 images (C = 128, 4 blocks) with random weights is exported as ONNX. Both servers run from the
start to the end and are asked in turns, in a random order, by clients in another process, each on a connection of its own, that ask
again as soon as they are answered: one image, in binary. A line gives the median over the rounds of the answers per second, with the
least and the largest, the latencies of all of them, and the rows of a mean batch. The model has one thread less than there are cores.
Timings mean something on a machine that does nothing else.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tritonclient.http import InferInput

from hopgraph.runtime import Bundle, Manifest
from hopgraph.serve.settings import Settings
from tests.serve.bundles import untrained
from tests.serve.faults import FAULTS, Target
from tests.serve.running import Running, connected, received, running

MODEL = ("symmetric", ("dims.C=128", "dims.depth=4"))
CLIENTS = (1, 8, 64)
ROUNDS = 5
SECONDS = 2.0
"""How long clients ask in a round."""
CROWD = 200
"""The clients that ask at once."""
THREADS = str(max(1, (os.cpu_count() or 2) - 1))
"""Of the model: a core is left to the server."""
SERVERS = {"batching": ("--threads", THREADS), "each alone": ("--threads", THREADS, "--no-batching")}


@dataclass
class Measured:
    """What one server answered to so many clients: answers per second by round, all latencies in seconds, and batches."""

    rates: list[float] = field(default_factory=list[float])
    latencies: list[float] = field(default_factory=list[float])
    rows: float = 0.0
    batches: float = 0.0

    def __str__(self) -> str:
        middle, last = np.percentile(np.array(self.latencies) * 1e3, [50, 99])
        rate = f"{statistics.median(self.rates):8.0f} [{min(self.rates):.0f}, {max(self.rates):.0f}]"
        return f"{rate:24} {middle:9.2f} {last:9.2f} {self.rows / self.batches:9.1f}"


def target_of(manifest: Manifest) -> Target:
    """The model of a bundle, for the requests that are wrong."""
    return Target(manifest.name, manifest.input.name, manifest.input.shape, manifest.output.name, Settings.max_body_bytes)


@contextmanager
def served(bundle: Path, options: tuple[str, ...]) -> Generator[Running]:
    """`hopgraph serve`, in a process of its own."""
    with running(["-m", "hopgraph", "serve", str(bundle), "--port", "0", *options], Path.cwd()) as server:
        yield server


# --- the clients, in a process of their own ---------------------------------------------------------------------------


async def _client(server: tuple[str, int], request: bytes, end: float) -> list[float]:
    reader, writer = await asyncio.open_connection(*server)
    seconds: list[float] = []
    while (begun := time.perf_counter()) < end:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 "), head
        await reader.readexactly(int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]))
        seconds.append(time.perf_counter() - begun)
    writer.close()
    return seconds


def ask(server: tuple[str, int], request: bytes, clients: int) -> list[float]:
    """The latencies of all answers that so many clients got."""

    async def together() -> list[list[float]]:
        end = time.perf_counter() + SECONDS
        return await asyncio.gather(*(_client(server, request, end) for _ in range(clients)))

    return [seconds for found in asyncio.run(together()) for seconds in found]


# --- the measurements -------------------------------------------------------------------------------------------------


def request_for(target: Target) -> bytes:
    """One image of noise, as tritonclient would send it."""
    data = np.random.default_rng(0).standard_normal(target.shape).astype("<f4").tobytes()
    body, headers = target.binary(data)
    lines = [f"POST {target.path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode() + body


def measure(servers: dict[str, Running], target: Target, rounds: int) -> dict[tuple[int, str], Measured]:
    """What each server answered to each number of clients."""
    found = {(clients, name): Measured() for clients in CLIENTS for name in servers}
    shuffler, request = random.Random(0), request_for(target)  # noqa: S311 (an order, not a secret)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for server in servers.values():
            pool.submit(ask, (server.host, server.port), request, 8).result()  # to warm up
        for _ in range(rounds):
            for clients, name in shuffler.sample(list(found), len(found)):
                server, measured = servers[name], found[clients, name]
                before = server.statistics()
                latencies = pool.submit(ask, (server.host, server.port), request, clients).result()
                after = server.statistics()
                measured.rates.append(len(latencies) / SECONDS)
                measured.latencies += latencies
                measured.rows += after["inference_count"] - before["inference_count"]
                measured.batches += after["execution_count"] - before["execution_count"]
    return found


def agreement(server: Running, bundle: Bundle) -> float:
    """The largest difference between what tritonclient is answered and what a session gives."""
    port = bundle.manifest.input
    images = np.random.default_rng(1).standard_normal((7, *port.shape)).astype(np.float32)
    tensor = InferInput(port.name, list(images.shape), "FP32")
    tensor.set_data_from_numpy(images)
    with connected(server) as client:
        answered = client.infer(bundle.manifest.name, [tensor]).as_numpy(bundle.manifest.output.name)
    return float(np.abs(answered - bundle.session()(images)).max())


def print_faults(server: Running, target: Target) -> None:
    """Every request that is wrong, and what it got; then what it is like for many clients at once."""
    for fault in FAULTS:
        connection = server.connection()
        fault.send(connection, target)
        answer = received(connection)
        print(f"{fault.name:32} {answer.status}  {answer.json()['error'][:100]}")
    with ThreadPoolExecutor(CROWD) as pool:
        asked = [pool.submit(server.infer, *target.binary(target.numbers(0.5)), target.name) for _ in range(CROWD)]
    statuses = [answer.result().status for answer in asked]
    told = ", ".join(f"{statuses.count(status)} times {status}" for status in sorted(set(statuses)))
    print(f"{f'{CROWD} clients at once':32} {told}")
    print(f"{'afterwards, ready':32} {server.get('/v2/health/ready').status}")


def main() -> None:
    """Measure, and print."""
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        bundle = Bundle.open(sys.argv[1]) if len(sys.argv) > 1 else untrained(Path(folder), *MODEL)
        target = target_of(bundle.manifest)
        with served(bundle.path, SERVERS["batching"]) as first, served(bundle.path, SERVERS["each alone"]) as second:
            print(f"{'clients':8} {'server':12} {'answers/s':24} {'p50 ms':>9} {'p99 ms':>9} {'rows':>9}")
            for (clients, name), measured in measure({"batching": first, "each alone": second}, target, rounds).items():
                print(f"{clients:<8} {name:12} {measured}")
            print(f"\ntritonclient's answer and the session's differ by {agreement(first, bundle):.1e} at most\n")
            print_faults(first, target)


if __name__ == "__main__":
    main()
