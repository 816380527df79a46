"""The process that trains among others: what torchrun says of them, and the signal that asks it to stop."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from lightning_fabric.strategies.strategy import Strategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from hopgraph.errors import Diagnostic, HopgraphError
from hopgraph.train.recipe import Recipe

StrategyName = Literal["ddp", "fsdp"]
"""What several processes do with the weights: `ddp` keeps all of them on each, `fsdp` shards them and the optimizer's moments."""

TERMINATED = 128 + signal.SIGTERM
"""The exit status of a process that SIGTERM ended: 143."""


def processes() -> int:
    """How many processes train together: those that torchrun started, else this one alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def make_fabric(recipe: Recipe, strategy: StrategyName) -> Fabric:
    """Fabric on the devices of this process, joined with those that torchrun started."""
    count = processes()
    if count == 1:
        return Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    local = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    chosen = _sharded(count) if strategy == "fsdp" else DDPStrategy()
    fabric = Fabric(accelerator="auto", devices=local, num_nodes=count // local, strategy=chosen, precision=recipe.precision)
    fabric.launch()
    return fabric


def leave() -> None:
    """End the connection to the other processes, if there is one.

    What held it must be gone: its threads would otherwise be alive when the interpreter ends, and now and then abort the process.
    """
    if torch.distributed.is_initialized():
        gc.collect()
        torch.distributed.destroy_process_group()


def require_precision(recipe: Recipe, strategy: StrategyName) -> None:
    """Raise HopgraphError where the recipe's precision, or shards, cannot be had: Fabric would take another precision."""
    if strategy == "fsdp" and processes() == 1:
        helps = ("start it by `torchrun --nproc-per-node N -m hopgraph train …`",)
        message = "`fsdp` shards weights over several processes, and there is one"
        raise HopgraphError(Diagnostic("strategy-unavailable", message, helps=helps))
    if strategy == "fsdp" and recipe.precision not in ("32-true", "bf16-mixed"):
        message = f"`fsdp` does not know the precision `{recipe.precision}`"
        raise HopgraphError(Diagnostic("precision-unavailable", message, helps=("set `precision` to `32-true` or `bf16-mixed`",)))
    if recipe.precision == "16-mixed" and not torch.cuda.is_available():
        helps = ("set `precision` to `bf16-mixed`, which a CPU has too",)
        raise HopgraphError(Diagnostic("precision-unavailable", "the precision `16-mixed` needs a GPU, and there is none", helps=helps))


def _sharded(count: int) -> Strategy:
    """One shard of every tensor for each process. The model is one unit: its weights are gathered for a forward pass as a whole."""

    def shard(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
        numbers = {parameter for parameter in module.parameters() if parameter.ndim == 0}  # nothing to shard
        return fully_shard(module, mesh=mesh["data_parallel"], ignored_params=numbers)  # pyright: ignore[reportReturnType]

    return ModelParallelStrategy(parallelize_fn=shard, data_parallel_size=count, tensor_parallel_size=1)


def whole(tensor: Tensor) -> Tensor:
    """A tensor with all its shards. Every process must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, given: Tensor) -> Tensor:
    """A whole tensor on the device and in the shards of another one."""
    moved = tensor.to(given.device)
    return distribute_tensor(moved, given.device_mesh, given.placements) if isinstance(given, DTensor) else moved


def average_gradients(tensors: Sequence[Tensor]) -> None:
    """Have all processes agree on the gradients of what is not sharded."""
    found = [tensor.grad for tensor in tensors if tensor.grad is not None and not isinstance(tensor, DTensor)]
    if found:
        together = torch.stack(found)
        torch.distributed.all_reduce(together)
        for gradient, mean in zip(found, together / torch.distributed.get_world_size(), strict=True):
            gradient.copy_(mean)


def clip_gradients(tensors: Sequence[Tensor], most: float) -> None:
    """Bring the norm of the whole gradient down to `most`, sharded or not: torch's own function takes one kind only."""
    sharded = [tensor for tensor in tensors if isinstance(tensor, DTensor) and tensor.grad is not None]
    others = [tensor for tensor in tensors if not isinstance(tensor, DTensor) and tensor.grad is not None]
    norms = [whole(get_total_norm([tensor.grad for tensor in part if tensor.grad is not None])) for part in (sharded, others)]
    norm = torch.stack(norms).square().sum().sqrt()
    for part in (sharded, others):
        clip_grads_with_norm_(part, most, norm, foreach=False)


def gathered(value: Any) -> list[Any]:
    """What every process has, in their order. Every process must ask for it."""
    if not torch.distributed.is_initialized():
        return [value]
    found: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, value)
    return found


class Stop:
    """Whether SIGTERM has asked this process to stop."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def heard(self) -> Generator[None]:
        """Listen for it. Python lets the main thread alone do so; in another one the signal does what it did."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGTERM, self._ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _ask(self, number: int, frame: object) -> None:
        self.asked = True
