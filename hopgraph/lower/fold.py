"""The weights of a folded model, from those of the model as it was trained: see the pass `fold`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from hopgraph.energy.records import Sizes
from hopgraph.graph.ham import Ham, Synapse
from hopgraph.lower.model import Model, compile_model
from hopgraph.passes.fold import Piece, Read, Step, parameters, pieces, walk
from hopgraph.passes.pipeline import CheckedSpec, load

State = Mapping[str, Tensor]
Named = Iterator[tuple[str, Tensor]]


def folded_model(model: Model) -> Model:
    """The folded form of a model, in evaluation: its spec with `fold: true`, its weights computed from the model's."""
    loaded = model.spec.loaded
    spec = load(loaded.source, loaded.variants, (*loaded.settings, "fold=true"))
    folded = compile_model(spec, dtype=next(model.parameters()).dtype, allow_large=True)
    folded.load_state_dict(folded_state(model.ham, spec, model.state_dict()))
    return folded.eval()


def folded_state(ham: Ham, spec: CheckedSpec, state: State) -> dict[str, Tensor]:
    """The state of a folded spec from that of the graph before. Computed in float64; what the fold leaves alone is copied."""
    wanted = {parameter.stored_name: parameter for parameter in spec.program.parameters}
    exact = {name: tensor.double() for name, tensor in state.items()}
    found = {name: tensor for name, tensor in _computed(ham, exact) if name in wanted}
    return {name: found[name].to(next(iter(state.values())).dtype) if name in found else state[name] for name in wanted}


def _computed(ham: Ham, state: State) -> Named:
    """Every tensor of a folded chain, those that no pull reads too."""
    parts = {"encoder": ham.encoder, "readout": ham.readout}
    parts |= {f"down_{index}": stage.down for index, stage in enumerate(ham.stages)}
    for part, chain in parts.items():
        yield from _tensors(pieces(chain, {}), {}, f"{part}.", _reader(state, {}, f"{part}."))
    for index, block in enumerate(ham.blocks):
        for synapse in block.synapses:
            yield from _synapse(synapse, f"blocks.{index}.{synapse.name}.", block.axes, state)


def _synapse(synapse: Synapse, prefix: str, sizes: Sizes, state: State) -> Named:
    for pull in synapse.pulls:
        if pull.returns is not None:
            path = f"{prefix}return_{pull.factor}."
            yield from _tensors(pieces(pull.returns, sizes), sizes, path, _reader(state, sizes, path))
    for factor in synapse.factors:
        folded, path = pieces(factor.chain, sizes), f"{prefix}{factor.name}."
        base = _reader(state, sizes, path)
        yield from _tensors(folded, sizes, path, base)
        for pull in synapse.pulls:
            other = f"{prefix}{pull.symmetry}_{pull.factor}.{factor.name}."
            forward = pull.factor != factor.name
            if pull.symmetry == "own":
                yield from _tensors(folded, sizes, other, _reader(state, sizes, path, other, forward=forward))
            elif pull.symmetry == "penalized":
                whole = _reader(state, sizes, path, other, forward=forward, departs=True)
                yield from _tensors(folded, sizes, other, whole, base)


def _tensors(folded: Sequence[Piece], sizes: Sizes, prefix: str, read: Read, less: Read | None = None) -> Named:
    """The tensors of a folded chain; of penalized departures, what the folded W + V is more than the folded W, `less`."""
    for path, piece in walk(folded):
        given, base = piece.weights(read), piece.weights(less) if less else {}
        for field, spec in parameters(piece.step, sizes).items():
            yield f"{prefix}{path}{field}", given[field] - base[field] if less and spec.trainable else given[field]


def _reader(state: State, sizes: Sizes, base: str, other: str = "", *, forward: bool = True, departs: bool = False) -> Read:
    """What a pull reads: the base, or its own copies or base + V under `other`; an adjoint reads the buffers of the base.

    A tensor that no pull reads is no parameter. What it starts as will do: it is in nothing that is wanted, or it cancels.
    """

    def read(path: str, step: Step) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for field, spec in parameters(step, sizes).items():
            start = torch.full(spec.shape, spec.init[1], dtype=torch.float64)
            found[field] = state.get(f"{base}{path}{field}", start)
            if other and departs and spec.trainable:
                found[field] = found[field] + state.get(f"{other}{path}{field}", 0 * start)
            elif other and (spec.trainable or forward):
                found[field] = state.get(f"{other}{path}{field}", start)
        return found

    return read
