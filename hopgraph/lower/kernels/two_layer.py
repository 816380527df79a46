"""torch.ops.hopgraph.two_layer: u = W^T f(W g + b) + c, the pull of a synapse with hidden neurons on the layer that it reads.

Both products are with one matrix. On a GPU one kernel does them in a pass over W, without writing the hidden values to memory; elsewhere,
and where the kernel does not apply, it is the plain parts. Importing this module registers the operator.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor
from torch.library import Library, custom_op

from hopgraph.lower.kernels import parts
from hopgraph.lower.kernels.tiles import Numbers, Tile, numbers_of, tiles_of

NAME = "hopgraph::two_layer"
LEAST_CAPABILITY = (8, 0)
"""Of the GPUs before it, none has tensor cores for bfloat16, nor the copies to shared memory that hide the loads of W."""


@custom_op(NAME, mutates_args=())
def two_layer(
    g: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    offset: Tensor | None = None,
    activation: str = "gelu",
    transposed: bool = False,
    dim: int = -1,
) -> Tensor:
    """The pull u = W^T f(W g + b) + c.

    g [..., C]; weight [H, C], or [C, H] if `transposed`; bias [H]; offset [C]; `activation` one of `parts.ACTIVATIONS`. With `dim` -2 the
    features are the last axis but one of g, [..., C, D]. Under autocast all of them are cast, as those of F.linear are.
    """
    numbers = numbers_of(g.dtype, tf32=torch.backends.cuda.matmul.fp32_precision == "tf32")
    tile = applicable(numbers, g, weight, bias, offset, dim)
    if tile is None or numbers is None:
        return parts.forward(g, weight, bias, offset, activation, transposed, dim).contiguous()
    from hopgraph.lower.kernels.triton_two_layer import launch

    with torch.cuda.device(g.device):
        return launch(tile, numbers, g, weight, bias, offset, activation, transposed, dim)


def applicable(numbers: Numbers | None, g: Tensor, weight: Tensor, bias: Tensor | None, offset: Tensor | None, dim: int) -> Tile | None:
    """The tile of the kernel; none where the plain parts are taken: off NVIDIA's GPUs, for other dtypes, strided tensors, large C."""
    given = [tensor for tensor in (g, weight, bias, offset) if tensor is not None]
    if numbers is None or g.device.type != "cuda" or not _has_triton() or not g.numel():
        return None
    if {(tensor.dtype, tensor.device) for tensor in given} != {(g.dtype, g.device)} or not all(map(Tensor.is_contiguous, given)):
        return None
    capability, shared = device_limits(g.device.index)
    fitting = tiles_of(numbers, g.size(dim), shared) if capability >= LEAST_CAPABILITY else []
    return fitting[0] if fitting else None


@cache
def _has_triton() -> bool:
    """Whether there is triton, which is not part of torch's builds for CPUs, and CUDA, for which alone the tiles were chosen."""
    return torch.version.cuda is not None and find_spec("triton") is not None


@cache
def device_limits(index: int) -> tuple[tuple[int, int], int]:
    """The capability of a GPU, and the bytes of shared memory that a program may have."""
    found: Any = cast("Any", torch.cuda).get_device_properties(index)  # which has no type
    return (found.major, found.minor), int(getattr(found, "shared_memory_per_block_optin", 48 * 1024))


@two_layer.register_fake
def _fake(g: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(g, memory_format=torch.contiguous_format)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    g, weight, bias, offset, *ctx.how = inputs
    ctx.has_offset = offset is not None
    ctx.save_for_backward(g, weight, bias)


def _backward(ctx: Any, du: Tensor) -> tuple[Any, ...]:
    found = parts.Gradients.of(du, *ctx.saved_tensors, *ctx.how)
    return found.g, found.weight, found.bias, found.offset if ctx.has_offset else None, None, None, None


two_layer.register_autograd(_backward, setup_context=_keep)

# --- autocast -----------------------------------------------------------------------------------------------------------

_LIBRARY = Library("hopgraph", "FRAGMENT")
"""torch.library.register_autocast knows one dtype for good; what is asked for may be float16 or bfloat16."""


def _autocast(device: str) -> Any:
    def cast_first(*given: Any) -> Tensor:
        dtype = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return two_layer(*(_lowered(item, device, dtype) for item in given))

    return cast_first


def _lowered(item: Any, device: str, dtype: torch.dtype) -> Any:
    """A tensor of the device in a dtype, as autocast does it: float64 and integers stay."""
    casts = isinstance(item, Tensor) and item.device.type == device and item.is_floating_point() and item.dtype != torch.float64
    return item.to(dtype) if casts else item


for _device_type, _key in (("cuda", "AutocastCUDA"), ("cpu", "AutocastCPU")):
    _LIBRARY.impl("two_layer", _autocast(_device_type), _key)
