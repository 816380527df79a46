"""What a model is trained to do with a data set: one record for each kind of task, chosen by what the spec reads and gives.

| task | the spec reads | it gives | data |
|---|---|---|---|
| classification | an image, or a tensor of as many elements | a number for each class | images |
| reconstruction | the same | as many elements as it reads | images |
| language | tokens [T], 256 or more of them | [T, V] | a text, as bytes where they are 256, else by a tokenizer |
| retrieval | a tensor [n, c] | a score for each of the n positions, or for all but the first | lists |
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 (the name that torch's own documentation uses)
from torch import Generator, Tensor

from hopgraph.errors import At, Diagnostic, HopgraphError, by
from hopgraph.graph.ham import Ham
from hopgraph.passes.pipeline import CheckedSpec
from hopgraph.train.data import BYTES, SPLIT_SEED, Data, Examples, ImageData, Images, Lists, Stream, Streamed, Text
from hopgraph.train.data.refusals import invalid
from hopgraph.train.data.stream import RESIZE
from hopgraph.train.data.streamed import kept, resized
from hopgraph.train.data.tokens import tokenized
from hopgraph.train.recipe import Augment, Recipe

Part = Literal["train", "test"]

CHUNK = 4096
"""So many images are corrupted at once."""

Sums = dict[str, tuple[Tensor, Tensor | int]]
"""By the name of what is measured, two sums over a batch: their quotient over all batches is the measured value."""


class Loss(Protocol):
    """What is minimized: of outputs and targets, these smoothed so much."""

    def __call__(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0, /) -> Tensor:
        """The mean over a batch."""
        ...


@dataclass(frozen=True)
class Task:
    """One kind of task.

    `misfit` says why a spec and a data set of the class `reads` do not go together for it, None where they do. `draw` makes the
    examples of a part of the data, in training anew for each epoch, and `prepare` a batch of their inputs, on the device where it is,
    what the model reads. `loss` is what is minimized, its targets smoothed where the task has classes, and `measure` what is told.
    """

    name: str
    reads: type[Data]
    misfit: Callable[[CheckedSpec, Any], Diagnostic | None]
    draw: Callable[[Ham, Any, Part, Generator], Examples | Stream]
    prepare: Callable[[Ham, Any, Tensor], Tensor]
    loss: Loss
    measure: Callable[[Any, Tensor, Tensor], Sums]
    augments: bool = False
    smooths: bool = True


def choose_task(spec: CheckedSpec, data: Data) -> Task:
    """The task that a spec has with a data set. Raises HopgraphError where it has none: the first kind says why."""
    kinds = [task for task in TASKS.values() if isinstance(data, task.reads)]
    misfits = [task.misfit(spec, data) for task in kinds]
    for task, misfit in zip(kinds, misfits, strict=True):
        if misfit is None:
            return task
    assert misfits[0] is not None
    raise HopgraphError(misfits[0].located(spec.loaded))


def fit_data(spec: CheckedSpec, data: Data, recipe: Recipe | None = None) -> Data:
    """The data as a spec reads them. Raises HopgraphError.

    A text is read by a tokenizer where the vocabulary is larger than the bytes, images in the size that a recipe has them brought to.
    """
    vocabulary = spec.ham.input.vocabulary
    if isinstance(data, Text) and data.lengths is None and vocabulary is not None and vocabulary > BYTES:
        return tokenized(data, vocabulary)
    if isinstance(data, ImageData) and recipe is not None and spec.ham.input.kind != "tokens":
        return _sized(spec, data, recipe)
    return data


def _sized(spec: CheckedSpec, data: ImageData, recipe: Recipe) -> ImageData:
    """Images in the height and the width that a spec reads, where a recipe says how."""
    asked = [name for name, field in (("resize", recipe.resize), ("augment.resized_crop", recipe.augment.resized_crop)) if field]
    if not asked:
        return data
    if spec.ham.input.kind != "image":
        message = f"the recipe's `{asked[0]}` needs a height and a width, and `{spec.name}` reads a tensor of {_by(spec.ham.input.shape)}"
        raise HopgraphError(Diagnostic("bad-value", message, helps=("leave it out, or let the spec read an image",)))
    _, height, width = spec.ham.input.shape
    return resized(data, (height, width), recipe)


def require_recipe(task: Task, data: Data, recipe: Recipe) -> None:
    """Raise HopgraphError where a recipe asks for what the task cannot do."""
    asked: list[str] = []
    if recipe.resize and not isinstance(data, ImageData):
        asked.append("resize")
    if recipe.augment != Augment() and not task.augments:
        asked.append("augment")
    if recipe.label_smoothing and not task.smooths:
        asked.append("label_smoothing")
    if asked:
        message = f"the recipe's `{asked[0]}` has no meaning for {task.name}, the task with `{data.name}`"
        raise HopgraphError(Diagnostic("bad-value", message, helps=("leave it out, or choose another recipe",)))


def first_inputs(task: Task, spec: CheckedSpec, data: Data, count: int, part: Part = "test") -> Tensor:
    """The first inputs of a part of the data, as a model reads them, on the CPU."""
    examples = task.draw(spec.ham, data, part, torch.Generator().manual_seed(SPLIT_SEED))
    first = torch.arange(min(count, len(examples)))
    return task.prepare(spec.ham, data, (examples.take(first) if isinstance(examples, Stream) else examples.part(first)).inputs)


# --- what does not fit ------------------------------------------------------------------------------------------------

_KINDS = {"image": "an image", "tokens": "tokens", "tensor": "a tensor"}


def _misfit(spec: CheckedSpec, data: Data, message: str, at: str, *helps: str) -> Diagnostic:
    """A diagnostic at a field of the spec, with the variants that fit the data, where the spec has the first and they were not chosen."""
    known = spec.variant_names if data.variants and data.variants[0] in spec.variant_names else []
    fitting = [name for name in data.variants if name in known and name not in spec.loaded.variants]
    variants = (f"add `--variant {','.join(fitting)}`",) if fitting else ()
    ham = spec.ham
    note = f"`{spec.name}` reads {_KINDS[ham.input.kind]} {_axes(ham.input.axes)} and gives {_axes(ham.output)}"
    return Diagnostic("data-shape", message, At((at,)), notes=(note,), helps=(*variants, *helps))


def _other_kind(spec: CheckedSpec, data: Data, what: str, *helps: str) -> Diagnostic:
    return _misfit(spec, data, f"`{data.name}` holds {what}, and `{spec.name}` reads {_KINDS[spec.ham.input.kind]}", "input", *helps)


def _axes(axes: dict[str, int]) -> str:
    return f"[{', '.join(f'{axis}={size}' for axis, size in axes.items())}]"


_by = partial(by, none="one")


def _gives(ham: Ham) -> tuple[int, ...]:
    return tuple(ham.output.values())


# --- images -----------------------------------------------------------------------------------------------------------


def _unreadable(spec: CheckedSpec, data: ImageData) -> Diagnostic | None:
    """Why a spec does not read the images: it reads them as they are, or as a tensor of as many elements."""
    given, wanted = data.shape, spec.ham.input.shape
    if spec.ham.input.kind == "tokens":
        return _other_kind(spec, data, "images", "give a text, as `--data FILE.txt`")
    if isinstance(data, Streamed) and data.unequal:
        return data.unequal
    if spec.ham.input.kind == "image" and wanted != given:
        message = f"the images of `{data.name}` are {_by(given)}, and `{spec.name}` reads {_by(wanted)} (channels x height x width)"
        resize = (RESIZE,) if wanted[0] == given[0] else ()
        return _misfit(spec, data, message, "input", "set the dims with `--set dims.NAME=VALUE`", *resize)
    if math.prod(wanted) != math.prod(given):
        numbers = f"{_by(given)}, {math.prod(given)} numbers"
        message = f"the images of `{data.name}` are {numbers}, and `{spec.name}` reads a tensor of {_by(wanted)}"
        return _misfit(spec, data, message, "input", "set the dims with `--set dims.NAME=VALUE`")
    return None


def _read(ham: Ham, images: Tensor) -> Tensor:
    """Images as the model reads them: the elements of a tensor are theirs in the order channels, height, width."""
    return images.reshape(-1, *ham.input.shape)


def _no_classification(spec: CheckedSpec, data: ImageData) -> Diagnostic | None:
    unreadable = _unreadable(spec, data)
    if unreadable is None and _gives(spec.ham) != (len(data.labels),):
        message = f"`{data.name}` has {len(data.labels)} classes, and `{spec.name}` gives {_by(_gives(spec.ham))} numbers for an image"
        return _misfit(spec, data, message, "readout", f"end the readout with `linear: {len(data.labels)}`")
    return unreadable


def _labelled(ham: Ham, data: Images | Streamed, part: Part, generator: Generator) -> Examples | Stream:
    return data.train if part == "train" else data.test


def _normalized(ham: Ham, data: ImageData, inputs: Tensor) -> Tensor:
    return _read(ham, data.normalized(inputs))


def _class(outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross entropy with class numbers, or with the probability of each class."""
    return F.cross_entropy(outputs, targets, label_smoothing=smoothing)


def _hits(data: Data, outputs: Tensor, targets: Tensor) -> Sums:
    """How often the largest output is that of the class, of probabilities the most probable one."""
    classes = targets.argmax(-1) if targets.is_floating_point() else targets
    return {"accuracy": ((outputs.argmax(-1) == classes).sum(), classes.numel())}


def _no_reconstruction(spec: CheckedSpec, data: ImageData) -> Diagnostic | None:
    unreadable = _unreadable(spec, data)
    if unreadable is None and math.prod(_gives(spec.ham)) != math.prod(data.shape):
        message = f"the images of `{data.name}` are {_by(data.shape)}, and `{spec.name}` gives {_by(_gives(spec.ham))} numbers"
        return _misfit(spec, data, message, "readout")
    return unreadable


def _corrupted(ham: Ham, data: Images | Streamed, part: Part, generator: Generator) -> Examples:
    """Images of which a random half of the elements is 0, the mean of the data, and the images as they were. Raises HopgraphError."""
    found = kept(data) if isinstance(data, Streamed) else data
    if isinstance(found, Streamed):
        size = f"{found.bytes / 2**30:.1f} GiB"
        raise invalid(f"`{data.name}` takes {size}, which is more than memory holds: reconstruction is not streamed", "take fewer images")
    images = (found.train if part == "train" else found.test).inputs
    starts = range(0, len(images), CHUNK)
    parts = [_half(_normalized(ham, data, images[start : start + CHUNK]), ham, generator) for start in starts]
    return Examples(torch.cat([part.inputs for part in parts]), torch.cat([part.targets for part in parts]))


def _half(clean: Tensor, ham: Ham, generator: Generator) -> Examples:
    size = math.prod(clean.shape[1:])
    ranks = torch.rand(len(clean), size, generator=generator).argsort(1)
    kept = (ranks >= size // 2).reshape(clean.shape)
    return Examples(clean * kept, _laid_out(clean, ham).reshape(-1, *_gives(ham)))


def _as_it_is(ham: Ham, data: Data, inputs: Tensor) -> Tensor:
    return inputs


def _square(outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    assert not smoothing, "require_recipe refuses it"
    return F.mse_loss(outputs, targets)


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


def _squares(data: Data, outputs: Tensor, targets: Tensor) -> Sums:
    """The squared error, relative to that of answering the mean of the training data, 0, everywhere."""
    return {"relative_error": ((outputs - targets).square().sum(), targets.square().sum())}


# --- texts ------------------------------------------------------------------------------------------------------------


def _no_language(spec: CheckedSpec, data: Text) -> Diagnostic | None:
    given = spec.ham.input
    if given.vocabulary is None:
        return _other_kind(spec, data, "text", "give a data set of images, as `--data digits`")
    (length,) = given.shape
    if given.vocabulary < data.vocabulary:
        message = f"a text is bytes, {BYTES} different tokens, and `{spec.name}` reads {given.vocabulary}"
        return _misfit(spec, data, message, "input", f"set the vocabulary to {BYTES}, or to more for a tokenizer of byte pairs")
    if len(_gives(spec.ham)) != 2 or _gives(spec.ham)[0] != length or _gives(spec.ham)[1] < data.vocabulary:
        gives, unit = _by(_gives(spec.ham)), _unit(data)
        message = f"`{spec.name}` gives {gives} numbers for {length} tokens, and a {unit} may be followed by {data.vocabulary} others"
        return _misfit(spec, data, message, "readout", f"end the readout with `linear: {given.vocabulary}`, on the axis of the tokens")
    shorter = min(len(data.train), len(data.test))
    if shorter <= length:
        parts = f"{len(data.train)} {_unit(data)}s for training and {len(data.test)} for validation"
        message = f"`{data.name}` has {parts}, and `{spec.name}` reads {length} and is asked for the next"
        return _misfit(spec, data, message, "input", f"give a text of {10 * (length + 1)} {_unit(data)}s or more, or lower the length")
    return None


def _unit(data: Text) -> str:
    return "byte" if data.lengths is None else "token"


def _windows(ham: Ham, data: Text, part: Part, generator: Generator) -> Examples:
    """Windows of T + 1 tokens, T apart, so that every token but the first is asked for once; what is left at the end is not used."""
    (length,) = ham.input.shape
    windows = (data.train if part == "train" else data.test).unfold(0, length + 1, length)
    return Examples(windows[:, :-1], windows[:, 1:])


def _tokens(ham: Ham, data: Text, inputs: Tensor) -> Tensor:
    return inputs.long()


def _next_token(outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    return F.cross_entropy(outputs.flatten(0, -2), targets.flatten().long(), label_smoothing=smoothing)


def _surprise(data: Text, outputs: Tensor, targets: Tensor) -> Sums:
    """Nats per byte, which compares whatever the tokens are, and per token where they are not the bytes."""
    count, hits = targets.numel(), _hits(data, outputs, targets)
    nats = _next_token(outputs, targets) * count
    if data.lengths is None:
        return {"nats_per_byte": (nats, count), **hits}
    lengths = data.lengths.to(targets.device)[targets.long()].sum()
    return {"nats_per_byte": (nats, lengths), "nats_per_token": (nats, count), **hits}


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


def _place(outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
    return F.cross_entropy(_scores(outputs, targets), targets, label_smoothing=smoothing)


def _places(data: Lists, outputs: Tensor, targets: Tensor) -> Sums:
    return _hits(data, _scores(outputs, targets), targets)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("classification", ImageData, _no_classification, _labelled, _normalized, _class, _hits, augments=True),
        Task("reconstruction", ImageData, _no_reconstruction, _corrupted, _as_it_is, _square, _squares, smooths=False),
        Task("language", Text, _no_language, _windows, _tokens, _next_token, _surprise),
        Task("retrieval", Lists, _no_retrieval, _drawn, _as_it_is, _place, _places),
    )
}
"""Every kind by name. Where several take the same data, the first that fits is chosen."""
