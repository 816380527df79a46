"""How an image is brought to a size: around its centre, as for the test, or by a random piece of it, as in training."""

from __future__ import annotations

import math

import numpy as np
from PIL.Image import Image, Resampling

from hopgraph.runtime.images import fitted as fitted_by
from hopgraph.train.recipe import Resize, ResizedCrop

TRIALS = 10
"""So many random pieces are tried; where none is inside the image, the largest one around its centre is taken."""
DRAWS = 2 * TRIALS + 3
"""Numbers from 0 to 1 by which a piece is drawn: areas, ratios, its place in both directions, and its interpolation."""

Size = tuple[int, int]
"""Height and width."""
Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def fitted(image: Image, size: Size, settings: Resize) -> Image:
    """What is around the centre of an image, scaled to a size, as a bundle of the run does it."""
    return fitted_by(image, size, settings.centre, settings.interpolation)


def piece(image: Image, size: Size, settings: ResizedCrop, draws: np.ndarray) -> Image:
    """A random piece of an image, drawn by `DRAWS` numbers from 0 to 1, scaled to a size."""
    height, width = size
    method = settings.interpolation
    if method == "random":
        method = "bilinear" if draws[-1] < 0.5 else "bicubic"
    return image.resize((width, height), _method(method), box=random_box(image.width, image.height, settings, draws))


def random_box(width: int, height: int, settings: ResizedCrop, draws: np.ndarray) -> Box:
    """The piece of an image of so many pixels: of an area and a ratio that are drawn together, until it fits, and then of a place."""
    (least, most), (narrow, wide) = settings.scale, settings.ratio
    area = width * height * (least + (most - least) * draws[:TRIALS])
    ratio = np.exp(math.log(narrow) + (math.log(wide) - math.log(narrow)) * draws[TRIALS : 2 * TRIALS])
    sizes = np.stack([np.sqrt(area * ratio), np.sqrt(area / ratio)], 1).round()
    fits = ((sizes >= 1) & (sizes <= (width, height))).all(1)
    if not fits.any():
        return _largest(width, height, settings)
    across, down = sizes[fits.argmax()]
    left, top = np.floor(draws[2 * TRIALS : 2 * TRIALS + 2] * (width - across + 1, height - down + 1))
    return float(left), float(top), float(left + across), float(top + down)


def _largest(width: int, height: int, settings: ResizedCrop) -> Box:
    """The largest piece around the centre whose ratio is allowed."""
    across = min(width, max(1, round(height * settings.ratio[1])))
    down = min(height, max(1, round(width / settings.ratio[0])))
    left, top = (width - across) // 2, (height - down) // 2
    return left, top, left + across, top + down


def _method(interpolation: str) -> Resampling:
    return Resampling[interpolation.upper()]
