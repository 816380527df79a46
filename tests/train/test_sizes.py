"""How images are brought to a size: what is around their centre, and random pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image, ImageOps

from hopgraph.train.data.sizes import DRAWS, fitted, piece, random_box
from hopgraph.train.recipe import Resize, ResizedCrop

SIDES = some.integers(1, 700)


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    """A smooth image with an edge."""
    rows, columns = np.linspace(0, 9, height)[:, None, None], np.linspace(0, 7, width)[None, :, None]
    waves = 120 + 60 * np.sin(rows + seed + np.arange(3)) + 60 * np.cos(columns * (1 + np.arange(3)))
    return Image.fromarray((waves + 12 * (columns > 4)).clip(0, 255).astype(np.uint8))


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "box", "lanczos"])
def test_an_image_of_the_size_stays_as_it_is(interpolation: str) -> None:
    found = fitted(picture(20, 31), (20, 31), Resize.model_validate({"interpolation": interpolation}))
    assert np.array_equal(array(found), array(picture(20, 31)))


@pytest.mark.parametrize(("height", "width"), [(375, 500), (640, 480), (96, 96)])
def test_seven_eighths_are_the_resize_to_256_and_cut_to_224_of_papers(height: int, width: int) -> None:
    """To rounding: the longer side is not a whole number of pixels there."""
    image = picture(height, width)
    scale = 256 / min(height, width)
    larger = image.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC)
    left, top = (larger.width - 224) // 2, (larger.height - 224) // 2
    wanted = larger.crop((left, top, left + 224, top + 224))
    found = fitted(image, (224, 224), Resize(centre=0.875))
    assert found.size == (224, 224)
    assert np.abs(array(found) - array(wanted)).mean() < 1
    assert np.abs(array(fitted(image, (224, 224), Resize())) - array(wanted)).mean() > 3


def test_what_the_spec_reads_need_not_be_square() -> None:
    found = fitted(picture(90, 60), (30, 40), Resize(interpolation="bilinear"))
    wanted = ImageOps.fit(picture(90, 60), (40, 30), Image.Resampling.BILINEAR)
    assert np.array_equal(array(found), array(wanted))


@settings(max_examples=300, deadline=None)
@given(SIDES, SIDES, some.integers(1, 64), some.integers(1, 64), some.floats(0.01, 1))
def test_every_image_can_be_brought_to_every_size(height: int, width: int, down: int, across: int, centre: float) -> None:
    assert fitted(Image.new("L", (width, height)), (down, across), Resize(centre=centre)).size == (across, down)


@settings(max_examples=300, deadline=None)
@given(SIDES, SIDES, some.integers(0, 10**9))
def test_a_random_piece_is_inside_and_of_an_area_and_a_ratio_that_are_allowed(height: int, width: int, seed: int) -> None:
    crop = ResizedCrop(scale=(0.2, 0.6), ratio=(0.5, 1.5))
    left, top, right, bottom = random_box(width, height, crop, np.random.default_rng(seed).random(DRAWS))
    across, down = right - left, bottom - top
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    if 0.6 < width / height < 1.4 and min(height, width) > 50:  # else it may be the largest that there is
        assert 0.18 < across * down / (width * height) < 0.62
        assert 0.48 < across / down < 1.55
    assert piece(Image.new("L", (width, height)), (5, 4), crop, np.random.default_rng(seed).random(DRAWS)).size == (4, 5)


def test_areas_and_ratios_are_drawn_evenly_and_places_reach_every_edge() -> None:
    draws = np.random.default_rng(0).random((4000, DRAWS))
    crop = ResizedCrop(scale=(0.1, 0.3), ratio=(0.5, 2.0))
    boxes = np.array([random_box(400, 400, crop, row) for row in draws])
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert (across * down / 160_000).mean() == pytest.approx(0.2, abs=0.005)
    assert np.log(across / down).mean() == pytest.approx(0, abs=0.02)
    assert np.log(across / down).std() == pytest.approx(2 * math.log(2) / math.sqrt(12), rel=0.03)
    assert (boxes[:, 0] + boxes[:, 2]).mean() == pytest.approx(400, abs=6)
    assert (boxes.min(0)[:2] <= 2).all()
    assert (boxes.max(0)[2:] >= 398).all()


@pytest.mark.parametrize(
    ("width", "height", "wanted"), [(1000, 10, (493, 0, 506, 10)), (10, 1000, (0, 493, 10, 506)), (1, 1, (0, 0, 1, 1))]
)
def test_where_no_piece_fits_it_is_the_largest_that_is_allowed(width: int, height: int, wanted: tuple[int, ...]) -> None:
    crop = ResizedCrop(scale=(0.9, 1.0))
    assert random_box(width, height, crop, np.random.default_rng(0).random(DRAWS)) == wanted


def test_random_interpolation_is_one_of_two_for_each_image() -> None:
    image, draws = picture(50, 40), np.random.default_rng(0).random((40, DRAWS))
    found = [array(piece(image, (16, 16), ResizedCrop(interpolation="random"), row)) for row in draws]
    kinds = [[array(piece(image, (16, 16), ResizedCrop(interpolation=kind), row)) for row in draws] for kind in ("bilinear", "bicubic")]
    first, second = ([np.array_equal(a, b) for a, b in zip(found, kind, strict=True)] for kind in kinds)
    assert all(a or b for a, b in zip(first, second, strict=True))
    assert 10 < sum(first) < 30
