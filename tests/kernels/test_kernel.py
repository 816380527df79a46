"""The kernel of the operator: by Triton's interpreter, compiled for GPUs that are not here, and on the one that is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from hopgraph.export.parity import TOLERANCE
from hopgraph.lower.kernels import parts, two_layer
from hopgraph.lower.kernels.tiles import LEAST, TILES, numbers_of, tiles_of
from hopgraph.passes.fuse_synapses import MOST_FEATURES
from tests.kernels.cases import Case, by_hand, doubles, relative

ROOT = Path(__file__).parents[2]
LIMITS = {80: 163 * 1024, 90: 227 * 1024}
"""The shared memory of a program, in bytes, by the capability."""
FEW_BYTES = 32
"""So much of a thread's registers may be spilled: some four numbers outside of the loop."""
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")


def told(module: str, *arguments: str, **environment: str) -> list[dict[str, Any]]:
    """The lines of JSON of a module that imports triton, in a process of its own."""
    given = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-m", module, *arguments], env=given, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@needs_triton
@pytest.mark.slow
def test_the_interpreted_kernel_computes_the_formula() -> None:
    rows = told("tests.kernels.interpreted", TRITON_INTERPRET="1")
    assert {row["activation"] for row in rows} == set(parts.ACTIVATIONS)
    assert {(row["transposed"], row["dim"], row["bias"], row["dtype"]) for row in rows} == {
        (transposed, dim, bias, dtype)
        for transposed in (False, True)
        for dim in (-1, -2)
        for bias in (False, True)
        for dtype in ("float32", "float16")
    }
    assert [row for row in rows if not row["error"] <= TOLERANCE[row["dtype"]]] == []


@needs_triton
@pytest.mark.slow
def test_every_tile_compiles_for_gpus_and_fits(tmp_path: Path) -> None:
    rows = told("tests.kernels.ahead", *map(str, LIMITS), TRITON_CACHE_DIR=str(tmp_path))
    tiles = sum(len(tiles) for sizes in TILES.values() for tiles in sizes.values())
    sizes = sum(map(len, TILES.values()))
    assert len(rows) == len(LIMITS) * tiles + 2 * sizes
    for row in rows:
        assert row["shared"] <= row["bound"] <= LIMITS[row["capability"]], row
        assert row["spilled"] <= FEW_BYTES, row
        assert row["tensor_cores"] == (row["numbers"] != "ieee"), row


def test_the_pass_leaves_what_no_tile_is_for() -> None:
    assert max(size for sizes in TILES.values() for size in sizes) == MOST_FEATURES
    assert min(size for sizes in TILES.values() for size in sizes) == LEAST


LARGE, ODD = Case(features=64, hidden=256, rows=(4, 196)), Case(features=196, hidden=50, rows=(3, 40))
ON_GPU = (
    *(replace(ODD, activation=name) for name in parts.ACTIVATIONS),
    *(replace(LARGE, transposed=transposed, dim=dim) for transposed in (False, True) for dim in (-1, -2)),
    replace(ODD, transposed=True, dim=-2, bias=False, offset=False),
    Case(features=5, hidden=7),
)
"""A few: each is a kernel of its own, which takes a second to compile."""


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", ON_GPU, ids=str)
def test_the_kernel_equals_the_parts_on_a_gpu(case: Case, dtype: str) -> None:
    tensors: list[Any] = case.tensors(DTYPES[dtype], "cuda")
    kind = numbers_of(DTYPES[dtype], tf32=False)
    g, weight, bias, offset = tensors
    assert two_layer.applicable(kind, g, weight, bias, offset, case.dim) is not None
    results: list[list[torch.Tensor]] = []
    for function, given in ((torch.ops.hopgraph.two_layer, tensors), (None, doubles(tensors))):
        leaves: list[Any] = [tensor if tensor is None else tensor.requires_grad_() for tensor in given]
        u = by_hand(case, *leaves) if function is None else function(*leaves, *case.how)
        slopes = (1 + torch.arange(u.numel(), device="cuda").cos() / 2).to(DTYPES[dtype]).view(u.shape).to(u.dtype)
        wanted = [tensor for tensor in leaves if tensor is not None]
        results.append([u.detach(), *torch.autograd.grad((u * slopes).sum(), wanted)])
    for found, wanted in zip(*results, strict=True):
        assert relative(found, wanted) <= 2 * TOLERANCE[dtype]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_tile_that_fits_computes_the_same_on_a_gpu(dtype: str) -> None:
    from hopgraph.lower.kernels.triton_two_layer import launch

    kind = numbers_of(DTYPES[dtype], tf32=False)
    assert kind is not None
    _, shared = two_layer.device_limits(0)
    for features in TILES[kind]:
        case = Case(features=features, hidden=3 * features + 5, rows=(3, 67))
        tensors: list[Any] = case.tensors(DTYPES[dtype], "cuda")
        g, weight, bias, offset = tensors
        given: list[Any] = doubles(tensors)
        for tile in tiles_of(kind, features, shared):
            found = launch(tile, kind, g, weight, bias, offset, *case.how)
            assert relative(found, by_hand(case, *given)) <= TOLERANCE[dtype], (features, tile)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_compiled_function_computes_the_same_on_a_gpu() -> None:
    case = Case(features=64, hidden=256, rows=(4, 196))
    tensors: list[Any] = case.tensors(torch.float32, "cuda")

    def function(*given: Any) -> torch.Tensor:
        return torch.ops.hopgraph.two_layer(*given, *case.how).sin()

    compiled = torch.compile(function, fullgraph=True)
    with torch.autocast("cuda", dtype=torch.bfloat16):
        assert relative(compiled(*tensors), function(*tensors).double()) <= TOLERANCE["bfloat16"]
