"""Random changes of images, each image with changes and magnitudes of its own: the RandAugment of published training recipes.

Fifteen changes, each applied with a probability of one half where it is drawn, the severity growing with the magnitude in all of
them (what `rand-m9-mstd0.5-inc1` names). Pixels are numbers from 0 to 1. What a move uncovers is filled with the mean of the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hopgraph.train.recipe import RandAugment

APPLIED = 0.5
"""The probability that a change that was drawn is applied."""
LARGEST = 10.0
"""The largest magnitude."""
DEGREES, SHEAR, SHIFT, STRENGTH, ADDED = 30.0, 0.3, 0.45, 0.9, 110
"""What the largest magnitude stands for: an angle, a shear, a share of a side, a factor's distance from 1, levels of 255."""


@dataclass(frozen=True)
class Drawn:
    """What a change of images [b, c, h, w] is given of each: a severity from 0 to 1 and a sign, both [b], and the fill [c] of all."""

    severity: Tensor
    sign: Tensor
    fill: Tensor


Change = Callable[[Tensor, Drawn], Tensor]


def randaugment(images: Tensor, settings: RandAugment, fill: Tensor, draws: np.random.Generator) -> Tensor:
    """Images [b, c, h, w] from 0 to 1, each changed by so many random changes, one after another."""
    images = images.clone()
    for _ in range(settings.operations):
        kinds = draws.integers(len(CHANGES), size=len(images))
        kinds[draws.random(len(images)) >= APPLIED] = -1
        severity = (draws.normal(settings.magnitude, settings.std, len(images)) / LARGEST).clip(0, 1)
        sign = draws.choice((-1.0, 1.0), len(images))
        for number, change in enumerate(CHANGES.values()):
            chosen = np.flatnonzero(kinds == number)
            if len(chosen):
                rows = torch.from_numpy(chosen).to(images.device)
                drawn = Drawn(_like(images, severity[chosen]), _like(images, sign[chosen]), fill)
                images[rows] = change(images[rows], drawn)
    return images


def _like(images: Tensor, values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(images)


# --- what moves pixels ------------------------------------------------------------------------------------------------


def _moved(images: Tensor, linear: Tensor, shift: Tensor, fill: Tensor) -> Tensor:
    """Images whose pixel at x is seen at `linear` x + `shift`: [b, 2, 2] and [b, 2], x to the right and then down."""
    from kornia.geometry.transform import warp_affine

    size = (images.shape[2], images.shape[3])
    return warp_affine(images, torch.cat([linear, shift[..., None]], 2), size, padding_mode="fill", fill_value=fill)


def _linear(drawn: Drawn, *entries: Tensor | float) -> Tensor:
    """A 2 by 2 matrix for each image, from its four entries."""
    ones = torch.ones_like(drawn.severity)
    return torch.stack([ones * entry for entry in entries], 1).reshape(-1, 2, 2)


def _rotated(images: Tensor, drawn: Drawn) -> Tensor:
    angle = drawn.sign * drawn.severity * math.radians(DEGREES)
    linear = _linear(drawn, angle.cos(), angle.sin(), -angle.sin(), angle.cos())
    centre = images.new_tensor(((images.shape[3] - 1) / 2, (images.shape[2] - 1) / 2))
    return _moved(images, linear, centre - linear @ centre, drawn.fill)


def _sheared(axis: int) -> Change:
    def change(images: Tensor, drawn: Drawn) -> Tensor:
        amount = drawn.sign * drawn.severity * SHEAR
        entries = (1.0, amount, 0.0, 1.0) if axis == 0 else (1.0, 0.0, amount, 1.0)
        return _moved(images, _linear(drawn, *entries), images.new_zeros(len(images), 2), drawn.fill)

    return change


def _translated(axis: int) -> Change:
    def change(images: Tensor, drawn: Drawn) -> Tensor:
        shift = images.new_zeros(len(images), 2)
        shift[:, axis] = drawn.sign * drawn.severity * SHIFT * images.shape[3 - axis]
        return _moved(images, _linear(drawn, 1.0, 0.0, 0.0, 1.0), shift, drawn.fill)

    return change


# --- what changes their values ----------------------------------------------------------------------------------------


def _each(values: Tensor) -> Tensor:
    """A number for each image, for all of its pixels."""
    return values[:, None, None, None]


def _levels(images: Tensor) -> Tensor:
    """Pixels as the nearest of the levels 0 to 255."""
    return (images * 255).round().clamp(0, 255)


def _stretched(images: Tensor, drawn: Drawn) -> Tensor:
    """Each channel from 0 to 1; one that is constant stays."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    return torch.where(high > low, (images - low) / (high - low).clamp(min=1e-6), images)


def _equalized(images: Tensor, drawn: Drawn) -> Tensor:
    from kornia.enhance import equalize

    return equalize(_levels(images) / 255)  # it cuts off what is between two levels


def _inverted(images: Tensor, drawn: Drawn) -> Tensor:
    return 1 - images


def _posterized(images: Tensor, drawn: Drawn) -> Tensor:
    """The four highest bits of each level, or fewer."""
    kept = 4 - (drawn.severity * 4).int()
    step = _each(2.0 ** (8 - kept))
    return (_levels(images) / step).floor() * step / 255


def _solarized(images: Tensor, drawn: Drawn) -> Tensor:
    """Values from a threshold on are inverted, the more the lower it is."""
    threshold = 256 - (drawn.severity * 256).floor()
    return torch.where(_levels(images) < _each(threshold), images, 1 - images)


def _brightened(images: Tensor, drawn: Drawn) -> Tensor:
    """The darker half of the values, raised."""
    added = (drawn.severity * ADDED).floor()
    return torch.where(_levels(images) < 128, (images + _each(added) / 255).clamp(max=1), images)


def _factor(drawn: Drawn) -> Tensor:
    """How strong a quality becomes: 1 changes nothing."""
    return (1 + drawn.sign * drawn.severity * STRENGTH).clamp(min=0.1)


def _coloured(images: Tensor, drawn: Drawn) -> Tensor:
    from kornia.enhance import adjust_saturation_with_gray_subtraction

    return adjust_saturation_with_gray_subtraction(images, _factor(drawn))


def _contrasted(images: Tensor, drawn: Drawn) -> Tensor:
    from kornia.enhance import adjust_contrast_with_mean_subtraction

    return adjust_contrast_with_mean_subtraction(images, _factor(drawn))


def _lit(images: Tensor, drawn: Drawn) -> Tensor:
    from kornia.enhance import adjust_brightness_accumulative

    return adjust_brightness_accumulative(images, _factor(drawn))


def _sharpened(images: Tensor, drawn: Drawn) -> Tensor:
    from kornia.enhance import sharpness

    return sharpness(images, _factor(drawn)) if min(images.shape[2:]) >= 3 else images  # all pixels of a smaller one are borders


CHANGES: dict[str, Change] = {
    "auto_contrast": _stretched,
    "equalize": _equalized,
    "invert": _inverted,
    "rotate": _rotated,
    "posterize": _posterized,
    "solarize": _solarized,
    "solarize_add": _brightened,
    "color": _coloured,
    "contrast": _contrasted,
    "brightness": _lit,
    "sharpness": _sharpened,
    "shear_x": _sheared(0),
    "shear_y": _sheared(1),
    "translate_x": _translated(0),
    "translate_y": _translated(1),
}
"""Every change by name. One more is one more function; all are drawn equally often."""
