"""What a model is trained to do with a data set: one record for each kind of task, chosen by what the spec reads and gives.

| task | the spec reads | it gives | data |
|---|---|---|---|
| classification | an image, or a tensor of as many elements | a number for each class | images |
| reconstruction | the same | as many elements as it reads | images |
| language | tokens [T], 256 or more of them | [T, V] | a text |
| retrieval | a tensor [n, c] | a score for each of the n positions, or for all but the first | lists |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Generator, Tensor

from hopgraph.errors import At, Diagnostic, HopgraphError
from hopgraph.graph.ham import Ham
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import BYTES, Data, Examples, Images, Lists, Text

Part = Literal["train", "test"]

Sums = dict[str, tuple[Tensor, Tensor | int]]
"""By the name of what is measured, two sums over a batch: their quotient over all batches is the measured value."""


@dataclass(frozen=True)
class Task:
    """One kind of task.

    `misfit` says why a spec and a data set of the class `reads` do not go together for it, None where they do. `draw` makes the
    examples of a part of the data, in training anew for each epoch. `loss` is what is minimized, `measure` what is told.
    """

    name: str
    reads: type[Data]
    misfit: Callable[[CheckedSpec, Any], Diagnostic | None]
    draw: Callable[[Ham, Any, Part, Generator], Examples]
    loss: Callable[[Tensor, Tensor], Tensor]
    measure: Callable[[Tensor, Tensor], Sums]


def choose_task(spec: CheckedSpec, data: Data) -> Task:
    """The task that a spec has with a data set. Raises HopgraphError where it has none: the first kind says why."""
    kinds = [task for task in TASKS.values() if isinstance(data, task.reads)]
    misfits = [task.misfit(spec, data) for task in kinds]
    for task, misfit in zip(kinds, misfits, strict=True):
        if misfit is None:
            return task
    assert misfits[0] is not None
    raise HopgraphError(misfits[0].located(spec.loaded))


# --- what does not fit ------------------------------------------------------------------------------------------------

_KINDS = {"image": "an image", "tokens": "tokens", "tensor": "a tensor"}


def _misfit(spec: CheckedSpec, data: Data, message: str, at: str, *helps: str) -> Diagnostic:
    """A diagnostic at a field of the spec, with the variants that fit the data, where the spec has the first and they were not chosen."""
    known = spec.variant_names if data.variants[0] in spec.variant_names else []
    fitting = [name for name in data.variants if name in known and name not in spec.loaded.variants]
    variants = (f"add `--variant {','.join(fitting)}`",) if fitting else ()
    ham = spec.ham
    note = f"`{spec.name}` reads {_KINDS[ham.input.kind]} {_axes(ham.input.axes)} and gives {_axes(ham.output)}"
    return Diagnostic("data-shape", message, At((at,)), notes=(note,), helps=(*variants, *helps))


def _other_kind(spec: CheckedSpec, data: Data, what: str, *helps: str) -> Diagnostic:
    return _misfit(spec, data, f"`{data.name}` holds {what}, and `{spec.name}` reads {_KINDS[spec.ham.input.kind]}", "input", *helps)


def _axes(axes: dict[str, int]) -> str:
    return f"[{', '.join(f'{axis}={size}' for axis, size in axes.items())}]"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "one"


def _gives(ham: Ham) -> tuple[int, ...]:
    return tuple(ham.output.values())


# --- images -----------------------------------------------------------------------------------------------------------


def _unreadable(spec: CheckedSpec, data: Images) -> Diagnostic | None:
    """Why a spec does not read the images: it reads them as they are, or as a tensor of as many elements."""
    given, wanted = data.shape, spec.ham.input.shape
    if spec.ham.input.kind == "tokens":
        return _other_kind(spec, data, "images", "give a text, as `--data FILE.txt`")
    if spec.ham.input.kind == "image" and wanted != given:
        message = f"the images of `{data.name}` are {_by(given)}, and `{spec.name}` reads {_by(wanted)} (channels x height x width)"
        return _misfit(spec, data, message, "input", "set the dims with `--set dims.NAME=VALUE`")
    if math.prod(wanted) != math.prod(given):
        numbers = f"{_by(given)}, {math.prod(given)} numbers"
        message = f"the images of `{data.name}` are {numbers}, and `{spec.name}` reads a tensor of {_by(wanted)}"
        return _misfit(spec, data, message, "input", "set the dims with `--set dims.NAME=VALUE`")
    return None


def _read(ham: Ham, images: Tensor) -> Tensor:
    """Images as the model reads them: the elements of a tensor are theirs in the order channels, height, width."""
    return images.reshape(-1, *ham.input.shape)


def _no_classification(spec: CheckedSpec, data: Images) -> Diagnostic | None:
    unreadable = _unreadable(spec, data)
    if unreadable is None and _gives(spec.ham) != (len(data.labels),):
        message = f"`{data.name}` has {len(data.labels)} classes, and `{spec.name}` gives {_by(_gives(spec.ham))} numbers for an image"
        return _misfit(spec, data, message, "readout", f"end the readout with `linear: {len(data.labels)}`")
    return unreadable


def _labelled(ham: Ham, data: Images, part: Part, generator: Generator) -> Examples:
    found = data.train if part == "train" else data.test
    return Examples(_read(ham, found.inputs), found.targets)


def _hits(outputs: Tensor, targets: Tensor) -> Sums:
    return {"accuracy": ((outputs.argmax(-1) == targets).sum(), targets.numel())}


def _no_reconstruction(spec: CheckedSpec, data: Images) -> Diagnostic | None:
    unreadable = _unreadable(spec, data)
    if unreadable is None and math.prod(_gives(spec.ham)) != math.prod(data.shape):
        message = f"the images of `{data.name}` are {_by(data.shape)}, and `{spec.name}` gives {_by(_gives(spec.ham))} numbers"
        return _misfit(spec, data, message, "readout")
    return unreadable


def _corrupted(ham: Ham, data: Images, part: Part, generator: Generator) -> Examples:
    """Images of which a random half of the elements is 0, the mean of the data, and the images as they were."""
    clean = _read(ham, (data.train if part == "train" else data.test).inputs)
    size = math.prod(clean.shape[1:])
    ranks = torch.rand(len(clean), size, generator=generator).argsort(1)
    kept = (ranks >= size // 2).reshape(clean.shape)
    return Examples(clean * kept, _laid_out(clean, ham).reshape(-1, *_gives(ham)))


def _laid_out(images: Tensor, ham: Ham) -> Tensor:
    """Images in the order of the output's elements: patch by patch, row by row, [c, h, w] inside, where it has patches."""
    size = _patch(ham)
    return images if size is None else F.unfold(images, size, stride=size).mT


def _patch(ham: Ham) -> int | None:
    """The side of the square patches that the output [patches, c p p] is made of, if it is."""
    gives, reads = _gives(ham), ham.input.shape
    if ham.input.kind != "image" or len(gives) != 2:
        return None
    channels, height, width = reads
    side = math.isqrt(gives[1] // channels)
    fits = side > 0 and channels * side * side == gives[1] and height % side == 0 and width % side == 0
    return side if fits else None


def _squares(outputs: Tensor, targets: Tensor) -> Sums:
    """The squared error, relative to that of answering the mean of the training data, 0, everywhere."""
    return {"relative_error": ((outputs - targets).square().sum(), targets.square().sum())}


# --- texts ------------------------------------------------------------------------------------------------------------


def _no_language(spec: CheckedSpec, data: Text) -> Diagnostic | None:
    given = spec.ham.input
    if given.vocabulary is None:
        return _other_kind(spec, data, "text", "give a data set of images, as `--data digits`")
    (length,) = given.shape
    if given.vocabulary < BYTES:
        message = f"a text is bytes, {BYTES} different tokens, and `{spec.name}` reads {given.vocabulary}"
        return _misfit(spec, data, message, "input", f"set the vocabulary to {BYTES}")
    if len(_gives(spec.ham)) != 2 or _gives(spec.ham)[0] != length or _gives(spec.ham)[1] < BYTES:
        message = f"`{spec.name}` gives {_by(_gives(spec.ham))} numbers for {length} tokens, and a byte may be followed by {BYTES} others"
        return _misfit(spec, data, message, "readout", f"end the readout with `linear: {given.vocabulary}`, on the axis of the tokens")
    shorter = min(len(data.train), len(data.test))
    if shorter <= length:
        parts = f"{len(data.train)} bytes for training and {len(data.test)} for validation"
        message = f"`{data.name}` has {parts}, and `{spec.name}` reads {length} and is asked for the next"
        return _misfit(spec, data, message, "input", f"give a text of {10 * (length + 1)} bytes or more, or lower the length")
    return None


def _windows(ham: Ham, data: Text, part: Part, generator: Generator) -> Examples:
    """Windows of T + 1 bytes, T apart, so that every byte but the first is asked for once; what is left at the end is not used."""
    (length,) = ham.input.shape
    windows = (data.train if part == "train" else data.test).unfold(0, length + 1, length).long()
    return Examples(windows[:, :-1], windows[:, 1:])


def _next_token(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())


def _next_bytes(outputs: Tensor, targets: Tensor) -> Sums:
    return {"nats_per_byte": (_next_token(outputs, targets) * targets.numel(), targets.numel()), **_hits(outputs, targets)}


# --- lists ------------------------------------------------------------------------------------------------------------


def _no_retrieval(spec: CheckedSpec, data: Lists) -> Diagnostic | None:
    ham, size, most = spec.ham, data.train.inputs.shape[1], data.classes + 1
    if ham.input.kind != "tensor":
        return _other_kind(spec, data, "lists of vectors", "give another data set")
    if len(ham.input.shape) != 2 or ham.input.shape[1] != size or not 3 <= ham.input.shape[0] <= most:
        wanted = f"lists of 3 to {most} vectors of {size} numbers"
        message = f"`{data.name}` is {wanted}, and `{spec.name}` reads a tensor of {_by(ham.input.shape)}"
        return _misfit(spec, data, message, "input", "set the dims with `--set dims.NAME=VALUE`")
    count, scores = ham.input.shape[0], math.prod(_gives(ham))
    if _gives(ham)[:1] not in ((count,), (count - 1,)) or scores != _gives(ham)[0]:
        message = f"`{spec.name}` gives {_by(_gives(ham))} numbers for {count} vectors, and should give a score for each"
        return _misfit(spec, data, message, "readout", "end the readout with `linear: 1`, on the axis of the vectors")
    return None


def _drawn(ham: Ham, data: Lists, part: Part, generator: Generator) -> Examples:
    """For each vector as the query a list: it, then vectors of different classes, one of them of its own. The target is 1 at that one."""
    found, count = data.train if part == "train" else data.test, ham.input.shape[0]
    labels, rows = found.targets, torch.arange(len(found))
    order = torch.rand(len(found), data.classes, generator=generator)
    order[rows, labels] = -1.0  # the query's own class is always among the chosen
    chosen = order.argsort(1)[:, : count - 1]
    shuffled = chosen.gather(1, torch.rand(chosen.shape, generator=generator).argsort(1))
    lists = torch.cat([rows[:, None], _members(labels, shuffled, rows, generator)], 1)
    return Examples(found.inputs[lists], (shuffled == labels[:, None]).float())


def _members(labels: Tensor, classes: Tensor, queries: Tensor, generator: Generator) -> Tensor:
    """For each of the classes [count, k] the number of a random one of its members that is not the query."""
    by_class, sizes = labels.argsort(stable=True), labels.bincount()
    starts = sizes.cumsum(0) - sizes
    places = by_class.argsort()[queries][:, None] - starts[labels[queries]][:, None]  # the query's place inside its class
    own = classes == labels[queries][:, None]
    picks = (torch.rand(classes.shape, generator=generator) * (sizes[classes] - own.long())).long()
    picks = picks + (own & (picks >= places)).long()
    return by_class[starts[classes] + picks]


def _scores(outputs: Tensor, targets: Tensor) -> Tensor:
    """The scores of the places after the query's own, which may have one too."""
    return outputs.flatten(1)[:, -targets.shape[1] :]


def _place(outputs: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(_scores(outputs, targets), targets)


def _places(outputs: Tensor, targets: Tensor) -> Sums:
    return _hits(_scores(outputs, targets), targets.argmax(1))


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("classification", Images, _no_classification, _labelled, F.cross_entropy, _hits),
        Task("reconstruction", Images, _no_reconstruction, _corrupted, F.mse_loss, _squares),
        Task("language", Text, _no_language, _windows, _next_token, _next_bytes),
        Task("retrieval", Lists, _no_retrieval, _drawn, _place, _places),
    )
}
"""Every kind by name. Where several take the same data, the first that fits is chosen."""
