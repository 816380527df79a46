"""fold: batch norms, scales and parallel branches into the linear maps beside them. Does nothing unless the spec says `fold: true`.

In evaluation a batch norm is g x + s, so a chain of maps has a shorter form that computes the same:

- a dense map or a convolution, then a norm or a scale: rows scaled, and a bias;
- a norm or a scale, then a dense map or a convolution: columns scaled, and a bias. A norm stays before padding, whose zeros it shifts;
- a sum of convolutions (small kernels inside the largest), dense maps, norms, scales and the identity: one map.

The encoder, `down` and the readout fold by the same rules. What no map beside it can take in stays, as a norm before a mean does in
the published form of FFNet. Every pull is folded by itself, from the tensors that it reads, so its symmetry stays what it was: the
adjoint of a folded map is the folded adjoint.

A rule gives a :class:`Piece`: a map together with its weights as a function of the old ones. This pass reads the maps alone, and
:mod:`hopgraph.lower.fold` the weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from hopgraph.energy.maps.windows import windows
from hopgraph.energy.records import Axes, ParameterSpec, Sizes
from hopgraph.errors import Findings
from hopgraph.frontend.ends import ENDS
from hopgraph.graph.ham import ChainMap, EndOp, Ham, Stage, Synapse, labelled
from hopgraph.passes.base import Pass

if TYPE_CHECKING:
    from torch import Tensor

Step = ChainMap | EndOp
Weights = dict[str, "Tensor"]
"""The tensors of one step, by the names of its fields."""
Read = Callable[[str, Step], Weights]
"""The tensors of a step of the unfolded chain, from its path there."""


@dataclass(frozen=True)
class Piece:
    """A step of a folded chain, and its weights from those of the unfolded one. A sum has pieces for its branches."""

    step: Step
    weights: Callable[[Read], Weights]
    branches: tuple[tuple[Piece, ...], ...] = ()


def run(ham: Ham, findings: Findings) -> Ham:
    """The folded form of every chain."""
    if not ham.fold or findings.found:
        return ham
    return replace(ham, encoder=_folded(ham.encoder), stages=tuple(map(_stage, ham.stages)), readout=_folded(ham.readout))


def _stage(stage: Stage) -> Stage:
    synapses = tuple(_synapse(synapse, stage.block.axes) for synapse in stage.block.synapses)
    return Stage(_folded(stage.down), replace(stage.block, synapses=synapses))


def _synapse(synapse: Synapse, sizes: Sizes) -> Synapse:
    factors = tuple(replace(factor, chain=_folded(factor.chain, sizes)) for factor in synapse.factors)
    pulls = tuple(replace(pull, returns=pull.returns and _folded(pull.returns, sizes)) for pull in synapse.pulls)
    return replace(synapse, factors=factors, pulls=pulls)


def _folded(chain: Sequence[Step], sizes: Sizes | None = None) -> tuple[Any, ...]:
    return _steps(pieces(chain, sizes or {}))


# --- chains -----------------------------------------------------------------------------------------------------------


def pieces(chain: Sequence[Step], sizes: Sizes, path: str = "") -> tuple[Piece, ...]:
    """The folded form of a chain of maps or of operations: its sums first, then each norm and scale into a map beside it."""
    found = [_piece(step, f"{path}{label}.", sizes) for label, step in _labels(chain)]
    index = 0
    while index < len(found):
        taken = _taken_in(found, index, sizes)
        if taken is None:
            index += 1
        else:
            place, found[place] = taken
            del found[index]
            index = 0
    return tuple(replace(piece, step=step) for piece, step in zip(found, _renamed(_steps(found)), strict=True))


def _piece(step: Step, path: str, sizes: Sizes) -> Piece:
    if step.kind != "sum":
        return Piece(step, lambda read: read(path, step))
    return _merged(step, [pieces(branch, sizes, f"{path}{index}.") for index, branch in enumerate(step.branches)], sizes)


def walk(folded: Sequence[Piece], path: str = "") -> Iterator[tuple[str, Piece]]:
    """Every piece with the path of its weights in the folded chain, those inside sums too."""
    for (label, _), piece in zip(_labels(_steps(folded)), folded, strict=True):
        yield f"{path}{label}.", piece
        for index, branch in enumerate(piece.branches):
            yield from walk(branch, f"{path}{label}.{index}.")


def parameters(step: Step, sizes: Sizes) -> dict[str, ParameterSpec]:
    """The tensors of a step by the names that they are stored under. A sum has none but those of its branches."""
    if step.kind == "sum":
        return {}
    found = ENDS[step.kind].parameters(step.options, step.source) if isinstance(step, EndOp) else _of_map(step, sizes)
    return {f"log_{name}" if spec.positive else name: spec for name, spec in found.items()}


def _of_map(step: ChainMap, sizes: Sizes) -> dict[str, ParameterSpec]:
    return step.record.parameters(step.options, step.signature(sizes))


def _steps(folded: Sequence[Piece]) -> tuple[Step, ...]:
    return tuple(piece.step for piece in folded)


def _labels(chain: Sequence[Step]) -> Sequence[tuple[str, Step]]:
    """The steps of a chain with the labels that their weights have."""
    return [(end.name, end) for end in chain if isinstance(end, EndOp)] or labelled(cast("tuple[ChainMap, ...]", tuple(chain)))


def _renamed(chain: Sequence[Step]) -> Iterator[Step]:
    """The steps, operations named after their kinds anew: a chain may have lost some."""
    for index, step in enumerate(chain):
        count = sum(other.kind == step.kind for other in chain[: index + 1])
        yield replace(step, name=step.kind if count == 1 else f"{step.kind}_{count}") if isinstance(step, EndOp) else step


# --- what the rules see of a step -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tap:
    """A kernel along one axis: its place k in window i reads position i stride + k dilation - before."""

    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0


@dataclass(frozen=True)
class Affine:
    """A step y = W x + b, W the product of the tensors `fields`, each with labels for its axes; `bias` are those of b.

    The label of an axis is its name, with a prime for an axis of y that W sums to. `reads` and `gives` are the labels of the axes
    of x and y that W has: along all others it is the identity. `taps` are the kernels by the labels of their places. `values`
    gives the fields, and b as `bias`; `shifts` says whether there is one.
    """

    fields: dict[str, Axes]
    bias: Axes
    sizes: dict[str, int]
    reads: dict[str, str]
    gives: dict[str, str]
    taps: dict[str, Tap]
    shifts: bool
    values: Callable[[Read], Weights]

    @property
    def padded(self) -> bool:
        """Whether it reads zeros around its input."""
        return any(tap.before or tap.after for tap in self.taps.values())

    @property
    def extent(self) -> tuple[int, int, int]:
        """How large it is, by its kernels and its weights: no map fits into a smaller one."""
        return len(self.taps), math.prod(tap.kernel for tap in self.taps.values()), math.prod(self.sizes.values())

    def ones(self, labels: Axes, like: Tensor) -> tuple[Tensor, Axes]:
        """A tensor of ones over some labels, with these."""
        return like.new_ones([self.sizes[label] for label in labels]), labels


LINEAR = ("dense", "conv", "linear", "patch_embed")
DIAGONAL = ("batch_norm", "scale")
_BOUND = ("mask", "toeplitz", "spectral", "tied")
"""Options of maps whose matrix is not free: it is made of the weights, or another's."""


def _seen(piece: Piece, sizes: Sizes, kinds: Sequence[str]) -> Affine | None:
    """A step as an affine map, if it is one of these kinds and its weights may be changed freely."""
    step = piece.step
    if step.kind not in kinds or any(step.options.get(name) for name in _BOUND):
        return None
    if step.kind == "scale" and step.options["factor"] is not None:
        return _number(step.options["factor"])
    specs = {name: spec for name, spec in parameters(step, sizes).items() if spec.trainable}
    per, old, new = _roles(step, specs)
    names = {axis: f"{axis}'" for axis in new if axis not in old}
    if isinstance(step, EndOp) and step.kind in LINEAR:
        names = {"out": per[0] if per else f"{new[0]}'", "in": old[0] if old else "in", "row": "row_kernel", "column": "column_kernel"}
    fields = {name: tuple(names.get(axis, axis) for axis in spec.axes) for name, spec in specs.items() if name != "bias"}
    known = {label: size for name, axes in fields.items() for label, size in zip(axes, specs[name].shape, strict=True)}
    reads = {axis: axis for axis in (*per, *old)}
    gives = {axis: axis for axis in per} | {axis: f"{axis}'" for axis in new}
    values = _norm_values(piece) if step.kind == "batch_norm" else piece.weights
    return Affine(fields, tuple(gives.values()), known, reads, gives, _taps(step), "bias" in specs, values)


def _roles(step: Step, specs: dict[str, ParameterSpec]) -> tuple[Axes, Axes, Axes]:
    """The axes along which W is diagonal, those that it sums over, and those that they become."""
    options = step.options
    if step.kind in DIAGONAL:
        return next(iter(specs.values())).axes, (), ()
    if isinstance(step, ChainMap):
        mapped = options["map"] if step.kind == "conv" else options["axes"]
        return tuple(options["per"]), tuple(mapped), tuple(mapped.values()) if step.kind == "conv" else next(iter(mapped.values()))
    place = -1 if step.kind == "linear" else 0
    old, new = list(step.source.items())[place], list(step.target.items())[-1 if step.kind == "patch_embed" else place]
    if not options.get("depthwise"):
        return (), old[:1], new[:1]
    return (old[:1], (), ()) if old == new else ((), (), new[:1])


def _taps(step: Step) -> dict[str, Tap]:
    options, square = step.options, ("row_kernel", "column_kernel")
    if step.kind == "patch_embed":
        return dict.fromkeys(square, Tap(options["size"], options["size"]))
    if step.kind != "conv":
        return {}
    if isinstance(step, EndOp):
        return dict.fromkeys(square, Tap(options["kernel"], options["stride"] or 1, 1, options["padding"], options["padding"]))
    seen = windows(options)
    rows = zip(seen.over, seen.kernel, seen.stride, seen.dilation, seen.pads, strict=True)
    return {f"{axis}_kernel": Tap(kernel, stride, dilation, *pads) for axis, kernel, stride, dilation, pads in rows}


def _norm_values(piece: Piece) -> Callable[[Read], Weights]:
    def values(read: Read) -> Weights:
        known = piece.weights(read)
        gain = known["weight"] / (known["running_var"] + piece.step.options["eps"]).sqrt()
        return {"weight": gain, "bias": known["bias"] - gain * known["running_mean"]}

    return values


def _number(factor: float) -> Affine:
    """The map f x."""

    def values(read: Read) -> Weights:
        import torch

        return {"gain": torch.tensor(factor, dtype=torch.float64)}

    return Affine({"gain": ()}, (), {}, {}, {}, {}, False, values)


def _contracted(out: Axes, *factors: tuple[Tensor, Axes]) -> Tensor:
    """The product of tensors with labelled axes, summed over the labels that are not in `out`."""
    import torch

    letters: dict[str, str] = {}
    terms = ["".join(letters.setdefault(label, chr(ord("a") + len(letters))) for label in axes) for axes in (*(f[1] for f in factors), out)]
    return torch.einsum(f"{','.join(terms[:-1])}->{terms[-1]}", *(tensor for tensor, _ in factors))


def _biased(step: Step, shifts: bool) -> Step:
    """The step with a bias where it needs one. Patches always have one, and no option."""
    return replace(step, options={**step.options, "bias": True}) if shifts and "bias" in step.options else step


def _sum(*parts: Tensor | None) -> Weights:
    """The bias that some parts add up to, if there are any."""
    given = [part for part in parts if part is not None]
    return {"bias": sum(given[1:], given[0])} if given else {}


# --- a norm or a scale into a map beside it ---------------------------------------------------------------------------


def _taken_in(found: Sequence[Piece], index: int, sizes: Sizes) -> tuple[int, Piece] | None:
    """The place of the map that takes in the norm or scale at `index`, the one before it if possible, and what it becomes."""
    diagonal = _seen(found[index], sizes, DIAGONAL)
    for way in (-1, 1) if diagonal else ():
        place = index + way
        linear = _seen(found[place], sizes, LINEAR) if 0 <= place < len(found) else None
        if diagonal and linear and not (way == 1 and diagonal.shifts and linear.padded):
            labels = tuple((linear.reads if way == 1 else linear.gives).get(axis, "") for axis in diagonal.reads)
            field = next((name for name, own in linear.fields.items() if set(labels) <= set(own)), None)
            if field is not None:
                return place, _scaled(found[place], linear, diagonal, field, labels, first=way == 1)
    return None


def _scaled(piece: Piece, linear: Affine, diagonal: Affine, field: str, labels: Axes, *, first: bool) -> Piece:
    """W (g x + s) + b where the diagonal is `first`, else g (W x + b) + s. One tensor of W takes g in, at its `labels`."""

    def weights(read: Read) -> Weights:
        known, given = linear.values(read), diagonal.values(read)
        gain, shift, bias = given[next(iter(diagonal.fields))], given.get("bias"), known.get("bias")
        scaled = _contracted(linear.fields[field], (known[field], linear.fields[field]), (gain, labels))
        if bias is not None and not first:
            bias = _contracted(linear.bias, (bias, linear.bias), (gain, labels))
        if shift is not None:
            inside = [(known[name], own) for name, own in linear.fields.items()] if first else [linear.ones(linear.bias, shift)]
            shift = _contracted(linear.bias, (shift, labels), *inside)
        return {**known, field: scaled, **_sum(bias, shift)}

    return Piece(_biased(piece.step, diagonal.shifts), weights)


# --- a sum into its largest branch ------------------------------------------------------------------------------------


def _merged(step: Step, branches: Sequence[tuple[Piece, ...]], sizes: Sizes) -> Piece:
    """A sum with every branch inside a larger linear one into which it fits; that one alone, where all of them do."""
    left = dict(enumerate(branches))
    single = {index: branch[0] for index, branch in left.items() if len(branch) == 1}
    seen = {index: found for index, piece in single.items() if (found := _seen(piece, sizes, LINEAR + DIAGONAL))}
    seen |= {index: _number(1.0) for index, branch in left.items() if not branch}
    hosts = [index for index, piece in single.items() if piece.step.kind in LINEAR and index in seen and "weight" in seen[index].fields]
    for host in sorted(hosts, key=lambda index: seen[index].extent, reverse=True):
        for index in [other for other in seen if other != host and {other, host} <= left.keys()]:
            places = _places(seen[host], seen[index])
            if places is not None:
                linear = _seen(left[host][0], sizes, LINEAR)
                assert linear is not None
                left[host] = (_added(left[host][0], linear, seen[index], places),)
                del left[index]
    if len(left) == 1:
        ((piece,),) = left.values()
        return piece
    return Piece(replace(cast("Any", step), branches=tuple(map(_steps, left.values()))), lambda read: {}, tuple(left.values()))


def _places(host: Affine, other: Affine) -> dict[str, list[int]] | None:
    """For each kernel of the host, where in it the places of the other's lie; None where the other is no part of such a map.

    Along each axis the two are alike, or the other is diagonal, by its own tensors or as the identity, where the host can be.
    """
    for axis in {**host.reads, **host.gives, **other.reads, **other.gives}:
        wide, pair = (host.reads.get(axis), host.gives.get(axis)), (other.reads.get(axis), other.gives.get(axis))
        if pair != wide and (None in wide or pair not in ((axis, axis), (None, None))):
            return None
    found: dict[str, list[int]] = {}
    for label, wide in host.taps.items():
        tap = other.taps.get(label, Tap())
        positions = [divmod(place * tap.dilation - tap.before + wide.before, wide.dilation) for place in range(tap.kernel)]
        if tap.stride != wide.stride or any(between or not 0 <= place < wide.kernel for place, between in positions):
            return None
        found[label] = [place for place, _ in positions]
    return found if other.taps.keys() <= host.taps.keys() else None


def _added(piece: Piece, host: Affine, other: Affine, places: dict[str, list[int]]) -> Piece:
    """The host with another added to it: at its places in the host's kernels, on the diagonals of the host where it is diagonal."""
    labels = host.fields["weight"]
    square = [axis for axis, label in host.gives.items() if host.reads.get(axis, label) != label and other.gives.get(axis, axis) == axis]

    def weights(read: Read) -> Weights:
        known, given = host.values(read), other.values(read)
        weight, shift = known["weight"], given.get("bias")
        factors = [(given[name], tuple(f"{label}'" if label in places else label for label in own)) for name, own in other.fields.items()]
        factors += [(weight.new_ones(host.sizes[axis]).diag(), (host.gives[axis], axis)) for axis in square]
        for label, inside in places.items():
            at = weight.new_zeros(host.sizes[label], len(inside))
            at[inside, range(len(inside))] = 1
            factors.append((at, (label, f"{label}'")))
        if shift is not None:
            shift = _contracted(host.bias, (shift, tuple(host.gives[axis] for axis in other.gives)), host.ones(host.bias, shift))
        return {"weight": weight + _contracted(labels, *factors, host.ones(labels, weight)), **_sum(known.get("bias"), shift)}

    return Piece(_biased(piece.step, other.shifts), weights)


def ensures(ham: Ham) -> list[str]:
    """Nothing is left that could be folded."""
    return [] if run(ham, Findings()) == ham else ["something could still be folded"]


PASS = Pass("fold", run, ensures)
