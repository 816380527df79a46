"""python -m tests.kernels.ahead 80 90: the kernel compiled for GPUs that are not here, with every tile; as JSON, what each needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia import compiler as nvidia
from triton.compiler import ASTSource

from hopgraph.lower.kernels.tiles import TILES, Numbers, Tile, padded
from hopgraph.lower.kernels.triton_two_layer import two_layer_kernel

KERNEL: Any = two_layer_kernel


def compiled(capability: int, numbers: Numbers, features: int, tile: Tile, transposed: bool, inner: int) -> dict[str, Any]:
    """Bytes of shared memory, registers of a thread, bytes spilled, and whether the products are the tensor cores'."""
    pointer = "*bf16" if numbers == "half" else "*fp32"
    constants: dict[str, Any] = {
        "features": features,
        "hidden": 4 * features,
        "inner": inner,
        "transposed": transposed,
        "has_bias": True,
        "has_offset": True,
        "activation": "gelu",
        "precision": "tf32" if numbers == "tf32" else "ieee",
        "block_rows": tile.rows,
        "block_units": tile.units,
        "block_features": padded(features),
    }
    names: list[str] = KERNEL.arg_names
    signature = {name: "constexpr" if name in constants else "i32" if name == "rows" else pointer for name in names}
    aligned = {(index,): [["tt.divisibility", 16]] for index, name in enumerate(names) if name not in constants}
    source = ASTSource(KERNEL, signature, {(names.index(name),): value for name, value in constants.items()}, aligned)
    options = {"num_warps": tile.warps, "num_stages": tile.stages, "enable_fp_fusion": True}
    found = cast("Any", triton).compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    return {"shared": found.metadata.shared, **assembled(found.asm["ptx"], capability)}


def assembled(text: str, capability: int) -> dict[str, Any]:
    """What NVIDIA's assembler says of the code."""
    assembler = nvidia.get_ptxas(capability).path
    (architecture,) = re.findall(r"\.target (\S+)", text)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.ptx"
        file.write_text(text, encoding="utf-8")
        command = [assembler, "-v", f"--gpu-name={architecture}", str(file), "-o", str(file.with_suffix(".cubin"))]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    registers, spills = re.findall(r"Used (\d+) registers", told), re.findall(r"(\d+) bytes spill", told)
    return {"registers": int(registers[0]), "spilled": max(map(int, spills)), "tensor_cores": "mma" in text}


def rows(capabilities: list[int]) -> Iterator[dict[str, Any]]:
    """Every tile; for the last GPU the first of each size also in the other layouts, and with features that do not fill it."""
    for capability, (numbers, sizes) in product(capabilities, TILES.items()):
        for size, tiles in sizes.items():
            cases = [(tile, size, False, 1) for tile in tiles]
            others = [(tiles[0], size, True, 512), (tiles[0], 3 * size // 4, False, 1)] if capability == capabilities[-1] else []
            for tile, features, transposed, inner in [*cases, *others]:
                about = {"capability": capability, "numbers": numbers, "features": features, "tile": asdict(tile)}
                about |= {"transposed": transposed, "inner": inner, "bound": tile.shared(numbers, features)}
                yield {**about, **compiled(capability, numbers, features, tile, transposed, inner)}


if __name__ == "__main__":
    for row in rows(list(map(int, sys.argv[1:]))):
        print(json.dumps(row), flush=True)
