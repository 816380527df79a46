"""What the outputs of a model mean: classes, next tokens, or the numbers themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Reader, by
from .manifest import Manifest
from .parts import in_parts
from .problems import BundleError
from .record import Array
from .session import Session
from .text import Tokens, window

TOP = 5
"""So many classes or tokens are told."""
LEAK = 1e-2
"""What comes after a place may change a causal model's output there by this share of the largest, which is rounding, and no more."""


@dataclass(frozen=True)
class Share:
    """A class and its probability."""

    label: str
    probability: float


@dataclass(frozen=True)
class Next:
    """A token that may follow: its number, what it stands for, its probability."""

    token: int
    text: str
    probability: float


@dataclass(frozen=True)
class Computed:
    """What the model gave for an input, which `file` names: the output alone, where it has no meaning that is known here."""

    file: str
    output: Array

    def as_json(self) -> dict[str, Any]:
        """The answer as plain data."""
        return {"file": self.file, "output": self.output.tolist()}


@dataclass(frozen=True)
class Classified(Computed):
    """The most probable class of an input, and the most probable ones."""

    label: str
    probability: float
    top: tuple[Share, ...]

    def as_json(self) -> dict[str, Any]:
        """The answer as plain data, without the output that it was made of."""
        return _without_output(self, top=self.top)


@dataclass(frozen=True)
class Continued(Computed):
    """How a text may go on after its last token, and how well the model foresaw it.

    Of its `tokens` the model read the last ones, `read`. `nats_per_token` is the mean of -ln p over those after the first of them,
    none where there is one alone. `note` says where not all were read.
    """

    tokens: int
    read: int
    nats_per_token: float | None
    next: tuple[Next, ...]
    note: str | None

    def as_json(self) -> dict[str, Any]:
        """The answer as plain data, without the output that it was made of."""
        return _without_output(self, next=self.next)


def _without_output(answer: Computed, **listed: Sequence[Share | Next]) -> dict[str, Any]:
    """The fields of an answer that are known, less the output; lists of records as plain data."""
    told = {name: value for name, value in vars(answer).items() if name != "output" and value is not None}
    return told | {name: [dict(vars(item)) for item in records] for name, records in listed.items()}


Fit = Callable[[NDArray[Any], str], NDArray[Any]]
"""An input, and its name, to what the model reads: as many tokens as it reads at once. Raises BundleError."""


@dataclass(frozen=True)
class Kind:
    """One way to answer: `answer` is of a name, an input and the model's output."""

    fit: Fit
    answer: Callable[[str, NDArray[Any], Array], Computed]


def kind_of(session: Session, reader: Reader, top: int | None) -> Kind:
    """How a model's inputs are answered. Raises BundleError where `top` is asked for and has no meaning."""
    manifest, fit = session.manifest, fit_of(reader, session.manifest)
    if _classifies(manifest):
        return Kind(fit, partial(_classified, manifest.labels, top or TOP))
    if isinstance(reader, Tokens) and _speaks(manifest):
        if _causal(session):
            return Kind(fit, partial(_continued, reader, top or TOP))
        fit = _exactly(manifest)
    if top is not None:
        message = f"`top` is for classifiers and language models, and `{manifest.name}` gives {by(manifest.output.shape)} numbers"
        raise BundleError("bad-value", message, helps=("leave it out",))
    return Kind(fit, lambda name, _, output: Computed(name, output))


def _classifies(manifest: Manifest) -> bool:
    """Whether there is a number for each label. Weights from elsewhere have no task."""
    return bool(manifest.labels) and manifest.output.shape == (len(manifest.labels),) and manifest.task in ("classification", "")


def _speaks(manifest: Manifest) -> bool:
    """Whether there is a number for each token of the vocabulary at each place."""
    shape = manifest.output.shape
    return len(shape) == 2 and shape[:1] == manifest.input.shape and shape[1] >= (manifest.input.vocabulary or 0)


def fit_of(reader: Reader, manifest: Manifest) -> Fit:
    """What makes an input as long as the model reads: only texts are longer or shorter. Where lengths vary nothing is filled up."""
    if not isinstance(reader, Tokens):
        return lambda found, name: found
    if not _speaks(manifest):
        return _exactly(manifest)
    (most,) = manifest.input.shape
    return (lambda found, name: found[-most:]) if manifest.input.varies else (lambda found, name: window(found, most))


def _exactly(manifest: Manifest) -> Fit:
    """A model that sees all tokens at once must be given as many as it reads: fillers would change its output."""

    def fit(tokens: NDArray[Any], name: str) -> NDArray[Any]:
        if not manifest.input.holds(tokens.shape):
            message = f"`{name}` has {len(tokens)} tokens, and `{manifest.name}` reads {by(manifest.input.sizes)}, each with sight of all"
            raise BundleError("input-invalid", message, helps=("give as many",))
        return tokens

    return fit


def _causal(session: Session) -> bool:
    """Whether what the model says of a text does not depend on what comes after it: two texts that begin alike are tried."""
    (length,), most = session.manifest.input.shape, session.manifest.input.vocabulary or 1
    half = (length + 1) // 2
    texts = np.stack([np.arange(length) % most] * 2)
    texts[1, half:] = (texts[1, half:] + 1) % most
    first, second = in_parts(session, session.form, texts)[:, :half]
    return not np.abs(first - second).max() > LEAK * np.abs(first).max()


def _classified(labels: tuple[str, ...], top: int, name: str, given: NDArray[Any], output: Array) -> Classified:
    shares = np.exp(_log_softmax(output))
    best = [Share(labels[index], float(shares[index])) for index in _largest(shares, top)]
    return Classified(name, output, best[0].label, best[0].probability, tuple(best))


def _continued(reader: Tokens, top: int, name: str, given: NDArray[Any], output: Array) -> Continued:
    count = min(len(given), len(output))
    logs = _log_softmax(output[:count])
    foreseen = logs[np.arange(count - 1), given[-count:][1:]]
    shares = np.exp(logs[-1])
    following = tuple(Next(token, reader.text(token), float(shares[token])) for token in _largest(shares, top))
    nats = float(-foreseen.mean()) if count > 1 else None
    note = None if count == len(given) else f"the model reads {count} tokens at once: these are the last of {len(given)}"
    return Continued(name, output, len(given), count, nats, following, note)


def _log_softmax(output: Array) -> NDArray[np.float64]:
    """ln(exp(x) / sum exp(x)) along the last axis, in float64."""
    shifted = output.astype(np.float64) - output.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def _largest(shares: NDArray[np.float64], top: int) -> list[int]:
    return [int(index) for index in np.argsort(-shares, kind="stable")[:top]]
