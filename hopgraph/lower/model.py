"""The compiled model: a torch.nn.Module whose forward is the program, with its energy, certificate and spec."""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from hopgraph.errors import At, Diagnostic, HopgraphError
from hopgraph.graph.certificate import Certificate, Verdict, holds_its_pulls
from hopgraph.graph.ham import Ham
from hopgraph.lower.kernels import two_layer as two_layer  # registers the operator that a program may call
from hopgraph.lower.oracle import Oracle
from hopgraph.lower.parameters import initialise, register
from hopgraph.lower.source import function_source
from hopgraph.passes.parts import activation_program, encoder_program, pull_program, read_layers, start_program, update_program
from hopgraph.passes.pipeline import CheckedSpec, optimized
from hopgraph.program.program import Program

States = Tensor | Mapping[str, Tensor]
"""The states of a block's slow layers: one tensor [batch, *axes] where it has one such layer, else tensors by their names."""

LARGEST_MODEL = 10**9
"""How many parameters a model may have before it asks to be allowed: 4 GB in float32."""


class Model(nn.Module):
    """A compiled spec.

    `forward(image)` maps [batch, channels, height, width] (or tokens, or a tensor) to the readout. The parts of it that are
    worth measuring are methods too: `encode`, `start`, `update`, `activation`, `pull`. All of them read the same parameters.
    """

    def __init__(self, spec: CheckedSpec, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.program: Program = spec.program
        for parameter in spec.program.parameters:
            register(self, parameter.stored_name, torch.empty(parameter.shape, device=device, dtype=dtype), parameter.trainable)
        self.reset_parameters()
        self._parts: dict[tuple[str, int, int, str], Callable[..., Any]] = {}
        self._forward = compiled(spec.program, "forward")

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw every parameter anew, as the spec says it starts."""
        tensors = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        for parameter in self.program.parameters:
            tensor = tensors[parameter.stored_name]
            if not tensor.is_meta:
                initialise(tensor, *parameter.init, generator)

    def channels_last(self) -> Model:
        """The model itself, its kernels with channels last in memory: so is what convolutions make, and what follows keeps it."""
        for tensor in self.parameters():
            if tensor.dim() == 4:
                tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
        return self

    def stored(self, name: str) -> Tensor:
        """A parameter or a buffer by its stored name."""
        owner, _, leaf = name.rpartition(".")
        return getattr(self.get_submodule(owner), leaf)

    def forward(self, image: Tensor) -> Tensor:
        """The readout of a batch of inputs."""
        return self._forward(self, image)

    @property
    def ham(self) -> Ham:
        """The graph that was compiled."""
        return self.spec.ham

    @property
    def certificate(self) -> Certificate:
        """The static verdict on energy descent, of the weakest block."""
        return self.spec.certificate

    def encode(self, image: Tensor) -> Tensor:
        """The first state of the entry layer, [batch, *axes]."""
        return self._part("encode", 0, 0, "", lambda: self._optimized(encoder_program(self.ham)))(self, image)

    def start(self, entry: Tensor, block: int = 0) -> States:
        """The first states of a block's slow layers, from the entry's."""
        given = self._part("start", block, 0, "", lambda: self._optimized(start_program(self.ham, block)))(self, entry)
        return self._packed(block, given)

    def update(self, state: States, block: int = 0) -> Any:
        """One update (one step, all groups) of the slow states in a block; of the form that `state` has."""
        function = self._part("update", block, 0, "", lambda: self._optimized(update_program(self.ham, block)))
        return self._packed(block, function(self, *self._unpacked(block, state)), state)

    def activation(self, state: States, block: int = 0, group: int = 0) -> Any:
        """g(x) of the slow layers, as a group of a block sees them; of several layers, of those that it reads."""
        function = self._part("activation", block, group, "", lambda: activation_program(self.ham, block, group))
        found = function(self, *self._unpacked(block, state))
        return found if isinstance(state, Tensor) else _named(read_layers(self.ham, block, group), found)

    def pull(self, g: States, block: int = 0, group: int = 0, synapse: str | None = None) -> Any:
        """u(g), the sum of a group's pulls on the layers that it moves (those of one synapse, or all) as a function of activations."""
        function = self._part("pull", block, group, synapse or "", lambda: pull_program(self.ham, block, group, synapse))
        found = function(self, *self._unpacked(block, g))
        moved = self.ham.blocks[block].moved(self.ham.blocks[block].schedule[group])
        return found if isinstance(g, Tensor) else _named([layer.name for layer in moved], found)

    def _optimized(self, program: Program) -> Program:
        """A part as it is in the whole. Activations and pulls stay as they are: what measures them differentiates forward and twice."""
        return optimized(program, self.spec.without)

    def _unpacked(self, block: int, state: States) -> list[Tensor]:
        slow = self.ham.blocks[block].slow
        if isinstance(state, Tensor):
            assert len(slow) == 1, "a block with several slow layers has a state for each, by name"
            return [state]
        return [state[layer.name] for layer in slow]

    def _packed(self, block: int, values: Tensor | tuple[Tensor, ...], like: States | None = None) -> States:
        slow = self.ham.blocks[block].slow
        plain = len(slow) == 1 and not isinstance(like, Mapping)
        return values if plain and isinstance(values, Tensor) else _named([layer.name for layer in slow], values)

    def states(self, block: int, state: States) -> dict[str, Tensor]:
        """States by the names of the layers."""
        return dict(zip((layer.name for layer in self.ham.blocks[block].slow), self._unpacked(block, state), strict=True))

    def energy(self, state: States, block: int = 0, group: int | None = None) -> Tensor:
        """The energy of a block's state, [batch]: the one that the block's updates descend (`certificate.energy`).

        E_h for residual updates, E_eff for decay; fast layers are at their values. Computed from the graph by the oracle.
        With a `group`, the part of it that the group descends, with the group's own norms: where norms differ, there is only that.
        Raises HopgraphError with the place in the spec where the block has no energy, or more than one; of a group, where it shares
        fast layers with pulls of another.
        """
        require_energy(self.spec, block, one=group is None)
        here = self.ham.blocks[block]
        relaxed = block_certificate(self.spec, block).relaxed
        if group is None:
            return self.oracle(block).energy(self.states(block, state), relaxed)
        scheduled = here.schedule[group]
        if not holds_its_pulls(here, scheduled):
            text = "the group shares fast layers or synapses with pulls on its layers that act in another: no energy is its own"
            raise HopgraphError(Diagnostic("no-energy", text, At(scheduled.at)).located(self.spec.loaded))
        decaying = {layer.name for layer in here.moved(scheduled)} if scheduled.form == "decay" else set[str]()
        return self.oracle(block).energy(self.states(block, state), [name for name in relaxed if name in decaying], scheduled)

    @property
    def has_energy(self) -> bool:
        """Whether the updates of every block are those of one energy."""
        return all(single_energy(self.spec, block) for block in range(len(self.ham.blocks)))

    def oracle(self, block: int = 0) -> Oracle:
        """The block's energy and pulls by autograd, for checking."""
        return Oracle(self.ham, block, {**dict(self.named_parameters()), **dict(self.named_buffers())})

    def residual(self, state: States, block: int = 0) -> dict[str, Tensor]:
        """By the first layer of each circle of a block, |g' - g| / |g| after one more iteration, [batch]: what the solution is off by."""
        return self.oracle(block).residuals(self.states(block, state))

    def penalty(self, progress: float = 1.0) -> Tensor:
        """The sum of lambda |V|^2 over all penalized pulls of all blocks, a scalar to add to the loss.

        `progress`, from 0 to 1, is the share of training that is behind: a scheduled lambda follows it. A learned lambda adds
        lambda |V|^2 - prior n log lambda, n the number of elements of V.
        """
        total = torch.zeros((), device=next(self.parameters()).device)
        for parameter in self.program.parameters:
            penalty = parameter.penalty
            if penalty is None:
                continue
            size = self.stored(parameter.stored_name).square().sum()
            if parameter.rate is not None:
                rate = self.stored(parameter.rate)
                total = total + rate.exp() * size - penalty.prior * parameter.size * rate
            elif penalty.at(progress):
                total = total + penalty.at(progress) * size
        return total

    def _part(self, name: str, block: int, group: int, synapse: str, build: Callable[[], Program]) -> Callable[..., Any]:
        key = (name, block, group, synapse)
        if key not in self._parts:
            self._parts[key] = compiled(build(), name)
        return self._parts[key]


def _named(names: Sequence[str], values: Tensor | tuple[Tensor, ...]) -> dict[str, Tensor]:
    """What a program gives, one value or several, by names."""
    return dict(zip(names, (values,) if isinstance(values, Tensor) else values, strict=True))


def stage_of(spec: CheckedSpec, block: int) -> int:
    """The stage that a block, counted over all stages and depths, is in."""
    for index, stage in enumerate(spec.ham.stages):
        if block < stage.block.depth:
            return index
        block -= stage.block.depth
    raise AssertionError("no such block")


def block_certificate(spec: CheckedSpec, block: int) -> Certificate:
    """The certificate of a block, counted over all stages and depths."""
    return spec.certificates[stage_of(spec, block)]


def require_energy(spec: CheckedSpec, block: int = 0, *, one: bool = True) -> None:
    """Raise HopgraphError, naming every place that breaks it, where a block has no energy or, with `one`, more than one."""
    if not (single_energy(spec, block) if one else block_certificate(spec, block).has_energy):
        reasons = [reason for reason in block_certificate(spec, block).reasons if reason.verdict.rank >= Verdict.SPLITTING.rank]
        found = [Diagnostic("no-energy", reason.text, At(reason.at)).located(spec.loaded) for reason in reasons]
        raise HopgraphError(found)


def single_energy(spec: CheckedSpec, block: int = 0) -> bool:
    """Whether all updates of a block are those of one energy: every pull tied, every activation a gradient, one norm."""
    schedule = spec.ham.blocks[block].schedule
    return block_certificate(spec, block).has_energy and (len(schedule) == 1 or not any(group.own_norms for group in schedule))


def compiled(program: Program, name: str) -> Callable[..., Any]:
    """The function that a program's source defines, taking the module that holds the parameters first."""
    return _function(function_source(program, name), name)


@cache
def _function(source: str, name: str) -> Callable[..., Any]:
    file = f"<hopgraph {name} {abs(hash(source)):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = types.ModuleType(file)
    module.__dict__.update(torch=torch, F=F)
    sys.modules[file] = module  # where torch.compile looks for the names that a function reads
    exec(compile(source, file, "exec"), module.__dict__)  # noqa: S102 (our own source, from a checked graph)
    return module.__dict__[name]


def compile_model(
    spec: CheckedSpec, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None, allow_large: bool = False
) -> Model:
    """A model of a checked spec, its parameters drawn anew. `device="meta"` allocates nothing.

    Raises HopgraphError for a model of more than LARGEST_MODEL parameters, before anything is allocated, unless `allow_large`.
    """
    count = spec.parameter_count
    if count > LARGEST_MODEL and not allow_large and str(device) != "meta":
        size = f"{count:,} parameters, {4 * count / 1e9:,.0f} GB in float32"
        message = f"the model has {size}; more than {LARGEST_MODEL:,} are not allocated unasked"
        found = Diagnostic("model-large", message, At(("block",), key=True), helps=("lower the dims, or pass `--allow-large`",))
        raise HopgraphError(found.located(spec.loaded))
    return Model(spec, device=device, dtype=dtype)
