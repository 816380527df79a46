"""The compiled model: a torch.nn.Module whose forward is the program, with its energy, certificate and spec."""

from __future__ import annotations

import linecache
import types
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Tensor, nn

from hopgraph.errors import At, Diagnostic, HopgraphError
from hopgraph.graph.certificate import Certificate, Verdict
from hopgraph.graph.ham import Ham
from hopgraph.lower.fx import lower
from hopgraph.lower.oracle import Oracle
from hopgraph.lower.parameters import initialise, register
from hopgraph.lower.source import function_source
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.passes.unroll import activation_program, encoder_program, pull_program, update_program
from hopgraph.program.program import Program


class Model(nn.Module):
    """A compiled spec.

    `forward(image)` maps [batch, channels, height, width] to the readout. The parts of it that are worth measuring are
    methods too: `encode`, `update`, `activation`, `pull`. All of them read the same parameters.
    """

    def __init__(self, spec: CheckedSpec, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.program: Program = spec.program
        for parameter in spec.program.parameters:
            tensor = torch.empty(parameter.shape, device=device, dtype=dtype)
            register(self, parameter.stored_name, nn.Parameter(tensor))
        self.reset_parameters()
        self._parts: dict[tuple[str, int, int], Callable[..., Tensor]] = {}
        self._forward = compiled(spec.program, "forward")

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw every parameter anew, as the spec says it starts."""
        for parameter in self.program.parameters:
            tensor = self.get_parameter(parameter.stored_name)
            if not tensor.is_meta:
                initialise(tensor, *parameter.init, generator)

    def forward(self, image: Tensor) -> Tensor:
        """The readout of a batch of inputs."""
        return self._forward(self, image)

    @property
    def ham(self) -> Ham:
        """The graph that was compiled."""
        return self.spec.ham

    @property
    def certificate(self) -> Certificate:
        """The static verdict on energy descent."""
        return self.spec.certificate

    def encode(self, image: Tensor) -> Tensor:
        """The first state of the slow layer, [batch, *axes]."""
        return self._part("encode", 0, 0, lambda: encoder_program(self.ham))(self, image)

    def update(self, state: Tensor, block: int = 0) -> Tensor:
        """One update (one step, all groups) of the slow layer's state in a block."""
        return self._part("update", block, 0, lambda: update_program(self.ham, block))(self, state)

    def activation(self, state: Tensor, block: int = 0, group: int = 0) -> Tensor:
        """g(x) of the slow layer, as a group of a block sees it."""
        return self._part("activation", block, group, lambda: activation_program(self.ham, block, group))(self, state)

    def pull(self, g: Tensor, block: int = 0, group: int = 0) -> Tensor:
        """u(g), the sum of a group's pulls on the slow layer as a function of its activation."""
        return self._part("pull", block, group, lambda: pull_program(self.ham, block, group))(self, g)

    def energy(self, state: Tensor, block: int = 0) -> Tensor:
        """The energy of a block's state, [batch]: the one that the block's updates descend (`certificate.energy`).

        E_h for residual updates, E_eff for decay; fast layers are at their values. Computed from the graph by the oracle.
        Raises HopgraphError with the place in the spec where the block has no energy, or more than one.
        """
        require_energy(self.spec)
        return self.oracle(block).energy(state, self.certificate.energy)

    @property
    def has_energy(self) -> bool:
        """Whether the updates of a block are those of one energy."""
        return single_energy(self.spec)

    def oracle(self, block: int = 0) -> Oracle:
        """The block's energy and pulls by autograd, for checking."""
        return Oracle(self.ham, block, dict(self.named_parameters()))

    def penalty(self) -> Tensor:
        """The sum of lambda |V|^2 over all penalized pulls of all blocks, a scalar to add to the loss."""
        total = torch.zeros((), device=next(self.parameters()).device)
        for parameter in self.program.parameters:
            if parameter.penalty:
                total = total + parameter.penalty * self.get_parameter(parameter.stored_name).square().sum()
        return total

    def _part(self, name: str, block: int, group: int, build: Callable[[], Program]) -> Callable[..., Tensor]:
        key = (name, block, group)
        if key not in self._parts:
            self._parts[key] = compiled(build(), name)
        return self._parts[key]


def require_energy(spec: CheckedSpec) -> None:
    """Raise HopgraphError, naming every place that breaks it, where a block has no energy or more than one."""
    if not single_energy(spec):
        reasons = [reason for reason in spec.certificate.reasons if reason.verdict.rank >= Verdict.SPLITTING.rank]
        found = [Diagnostic("no-energy", reason.text, At(reason.at)).located(spec.loaded) for reason in reasons]
        raise HopgraphError(found)


def single_energy(spec: CheckedSpec) -> bool:
    """Whether all updates of a block are those of one energy: every pull tied, every activation a gradient, one norm."""
    schedule = spec.ham.block.schedule
    return spec.certificate.has_energy and (len(schedule) == 1 or not any(group.own_norms for group in schedule))


def compiled(program: Program, name: str) -> Callable[..., Any]:
    """The function that a program's source defines, taking the module that holds the parameters first."""
    return _function(function_source(lower(program), name), name)


@cache
def _function(source: str, name: str) -> Callable[..., Any]:
    file = f"<hopgraph {name} {abs(hash(source)):x}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    module = types.ModuleType(file)
    module.__dict__.update(torch=torch, F=F)
    exec(compile(source, file, "exec"), module.__dict__)  # noqa: S102 (our own source, from a checked graph)
    return module.__dict__[name]


def compile_model(spec: CheckedSpec, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Model:
    """A model of a checked spec, its parameters drawn anew. `device="meta"` allocates nothing."""
    return Model(spec, device=device, dtype=dtype)
