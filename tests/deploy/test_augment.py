"""What a recipe does to batches of images: held against Pillow, against what it should leave alone, and repeatable to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from hopgraph.train.data import Examples, Images
from hopgraph.train.data.augment import Augmenter, augmenter
from hopgraph.train.data.randaugment import CHANGES, Drawn, randaugment
from hopgraph.train.recipe import Augment, RandAugment

COUNT, CLASSES, HEIGHT, WIDTH = 64, 5, 12, 10
ALL = {"crop": 2, "flip": 0.5, "randaugment": RandAugment(), "erase": 0.25, "mixup": 0.8, "cutmix": 1.0}


def photographs(count: int = COUNT, channels: int = 3, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Tensor:
    """Smooth random bytes [count, channels, height, width] that are nowhere 0."""
    coarse = torch.rand(count, channels, 3, 3, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, size, mode="bicubic", align_corners=True)
    return (smooth * 255).clamp(1, 255).to(torch.uint8)


def images(channels: int = 3) -> Images:
    examples = Examples(photographs(channels=channels), torch.arange(COUNT) % CLASSES)
    mean, std = (0.5, 0.4, 0.3)[:channels], (0.2, 0.25, 0.3)[:channels]
    return Images(name="photographs", train=examples, test=examples, mean=mean, std=std, labels=tuple("abcde"))


def augmented(seed: int = 0, channels: int = 3, **settings: object) -> tuple[Tensor, Tensor]:
    data = images(channels)
    change = augmenter(Augment.model_validate(settings), data)
    assert isinstance(change, Augmenter)
    return change(data.train.inputs, data.train.targets, torch.Generator().manual_seed(seed))


def pixels(channels: int = 3) -> Tensor:
    return images(channels).train.inputs.float() / 255


# --- crop, flip, erase, mix -------------------------------------------------------------------------------------------


def test_a_recipe_without_augmentation_has_none() -> None:
    assert augmenter(Augment(), images()) is None


@pytest.mark.parametrize("channels", [1, 3])
def test_everything_at_once_repeats_to_the_bit_and_needs_no_other_generator(channels: int) -> None:
    torch.manual_seed(1)
    first = augmented(3, channels, **ALL)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again, other = augmented(3, channels, **ALL), augmented(4, channels, **ALL)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == (COUNT, channels, HEIGHT, WIDTH)
    assert first[0].isfinite().all()


def test_a_saved_state_goes_on_with_what_would_have_been_drawn() -> None:
    data, generator = images(), torch.Generator().manual_seed(0)
    change = Augmenter(Augment.model_validate(ALL), data)
    change(data.train.inputs, data.train.targets, generator)
    state = generator.get_state()
    expected = change(data.train.inputs, data.train.targets, generator)
    found = change(data.train.inputs, data.train.targets, torch.Generator().set_state(state))
    assert torch.equal(expected[0], found[0])


def test_the_batch_itself_is_left_as_it_is() -> None:
    data = images()
    before = data.train.inputs.clone()
    Augmenter(Augment.model_validate(ALL), data)(data.train.inputs, data.train.targets, torch.Generator())
    assert torch.equal(data.train.inputs, before)
    floats = before.float() / 255
    kept = floats.clone()
    Augmenter(Augment.model_validate(ALL), data)(floats, data.train.targets, torch.Generator())
    assert torch.equal(floats, kept)


def test_a_crop_moves_each_image_and_brings_black_in() -> None:
    found, targets = augmented(crop=2)
    padded = torch.nn.functional.pad(pixels(), (2, 2, 2, 2))
    windows = {(top, left): padded[:, :, top : top + HEIGHT, left : left + WIDTH] for top in range(5) for left in range(5)}
    places = [next(place for place, window in windows.items() if torch.equal(window[n], found[n])) for n in range(COUNT)]
    assert {top for top, _ in places} == {left for _, left in places} == set(range(5))
    assert torch.equal(targets, images().train.targets)


def test_a_flip_mirrors_some() -> None:
    found, _ = augmented(flip=0.25)
    flipped = [torch.equal(found[n], pixels()[n].flip(2)) for n in range(COUNT)]
    same = [torch.equal(found[n], pixels()[n]) for n in range(COUNT)]
    assert all(a != b for a, b in zip(flipped, same, strict=True))
    assert 6 <= sum(flipped) <= 26
    assert torch.equal(augmented(flip=1.0)[0], pixels().flip(3))


def test_what_is_erased_is_a_rectangle_of_noise() -> None:
    found, _ = augmented(erase=0.5)
    changed = (found != pixels()).all(1)
    assert 16 <= int(changed.any((1, 2)).sum()) <= 48
    for image in changed[changed.any((1, 2))]:
        rows, columns = image.any(1).nonzero(), image.any(0).nonzero()
        inside = image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert inside.all()  # no pixel of noise is by chance what it was
        assert inside.numel() == image.sum()
        assert 0 < inside.numel() / image.numel() < 0.45
    noise = images().normalized(found).movedim(1, 3)[changed]
    assert noise.mean().abs() < 0.1
    assert (noise.std() - 1).abs() < 0.1


def test_where_every_image_is_to_be_erased_nearly_all_are() -> None:
    assert int((augmented(erase=1.0)[0] != pixels()).any(3).any(2).any(1).sum()) >= COUNT - 2


def test_mixup_is_a_weighted_mean_of_images_and_classes() -> None:
    found, targets = augmented(mixup=0.8)
    one_hot = torch.eye(CLASSES)[images().train.targets]
    share = float(targets[0, 0])  # the first image is of class 0, the last of class 3
    assert targets[0].tolist() == pytest.approx([share, 0, 0, 1 - share, 0])
    assert torch.allclose(found, share * pixels() + (1 - share) * pixels().flip(0), atol=1e-6)
    assert torch.allclose(targets, share * one_hot + (1 - share) * one_hot.flip(0))


def test_cutmix_cuts_one_rectangle_and_counts_its_share() -> None:
    shares: list[float] = []
    for seed in range(20):
        found, targets = augmented(seed, cutmix=1.0)
        other = (found != pixels()).any(1)
        assert torch.equal(found, torch.where(other[:, None], pixels().flip(0), pixels()))
        share = float(targets[0, 0])
        assert share == pytest.approx(1 - other.float().mean((1, 2)).max().item(), abs=0.02)
        assert targets.sum(1).allclose(torch.ones(COUNT))
        shares.append(share)
    assert min(shares) < 0.4
    assert max(shares) > 0.8


def test_of_mixup_and_cutmix_each_batch_takes_one() -> None:
    cut = [torch.equal(found, torch.where(found == pixels(), pixels(), pixels().flip(0))) for found, _ in both()]
    assert 5 <= sum(cut) <= 25


def both() -> list[tuple[Tensor, Tensor]]:
    return [augmented(seed, mixup=0.8, cutmix=1.0) for seed in range(30)]


def test_a_batch_of_one_is_mixed_with_itself() -> None:
    data = images()
    found, targets = Augmenter(Augment(mixup=0.8), data)(data.train.inputs[:1], data.train.targets[:1], torch.Generator())
    assert found.allclose(pixels()[:1])
    assert targets.tolist() == [[1, 0, 0, 0, 0]]


# --- random changes ---------------------------------------------------------------------------------------------------

SEVERITY = 0.73


def moves(*coefficients: float) -> Callable[[Image.Image], Image.Image]:
    """Pillow's affine map, from the place that is seen to the place that it shows, with the fill of the tests."""

    def change(image: Image.Image) -> Image.Image:
        return image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR, fillcolor=(128, 102, 77))

    return change


def table(levels: Callable[[int], float]) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.point([int(levels(level)) for level in range(256)] * len(image.getbands()))


PILLOW: dict[str, Callable[[Image.Image], Image.Image]] = {
    "auto_contrast": ImageOps.autocontrast,
    "equalize": ImageOps.equalize,
    "invert": ImageOps.invert,
    "rotate": lambda image: image.rotate(30 * SEVERITY, Image.Resampling.BILINEAR, fillcolor=(128, 102, 77)),
    "posterize": lambda image: ImageOps.posterize(image, 4 - int(4 * SEVERITY)),
    "solarize": lambda image: ImageOps.solarize(image, 256 - int(256 * SEVERITY)),
    "solarize_add": table(lambda level: min(255, level + int(110 * SEVERITY)) if level < 128 else level),
    "color": lambda image: ImageEnhance.Color(image).enhance(1 + 0.9 * SEVERITY),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1 + 0.9 * SEVERITY),
    "brightness": lambda image: ImageEnhance.Brightness(image).enhance(1 + 0.9 * SEVERITY),
    "sharpness": lambda image: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * SEVERITY),
    "shear_x": moves(1, -0.3 * SEVERITY, 0, 0, 1, 0),
    "shear_y": moves(1, 0, 0, -0.3 * SEVERITY, 1, 0),
    "translate_x": moves(1, 0, -0.45 * SEVERITY * WIDTH, 0, 1, 0),
    "translate_y": moves(1, 0, 0, 0, 1, -0.45 * SEVERITY * HEIGHT),
}
"""What each change is, on images of bytes."""
CLOSE = {"rotate": 3, "shear_x": 6, "shear_y": 6, "translate_x": 2, "translate_y": 2}
"""By how many levels of 255 the median pixel may differ: a shear of Pillow's goes by the centres of pixels, half a pixel from ours."""


def drawn(count: int, severity: float, sign: float, channels: int = 3) -> Drawn:
    return Drawn(torch.full((count,), severity), torch.full((count,), sign), torch.tensor((128, 102, 77)[:channels]) / 255)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_that_of_pillow(name: str) -> None:
    given = photographs(8)
    found = CHANGES[name](given.float() / 255, drawn(8, SEVERITY, 1.0))
    pictures = [PILLOW[name](Image.fromarray(image.permute(1, 2, 0).numpy())) for image in given]
    expected = torch.tensor(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)
    difference = (found * 255 - expected).abs()
    assert difference.median() <= CLOSE.get(name, 1)
    if name not in CLOSE:
        assert difference.max() <= 2


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_stays_between_0_and_1_in_every_severity(name: str, channels: int) -> None:
    given = photographs(4, channels).float() / 255
    for severity, sign in ((0.0, 1.0), (0.0, -1.0), (1.0, 1.0), (1.0, -1.0), (0.37, -1.0)):
        found = CHANGES[name](given, drawn(4, severity, sign, channels))
        assert found.shape == given.shape
        assert found.min() >= 0
        assert found.max() <= 1
        if severity == 0 and name not in ("auto_contrast", "equalize", "invert", "posterize"):
            assert torch.allclose(found, given, atol=1e-5)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
def test_what_a_move_uncovers_is_the_mean_of_the_data(name: str) -> None:
    found = CHANGES[name](torch.ones(2, 3, HEIGHT, WIDTH), drawn(2, 1.0, -1.0))
    fill = torch.tensor((128, 102, 77)) / 255
    assert (found - fill[:, None, None]).abs().amax(1).amin() < 1e-5
    assert (found - 1).abs().amin() < 1e-5


def test_a_constant_image_survives_the_changes_of_its_range() -> None:
    constant = torch.full((2, 3, 5, 5), 0.3)
    for name in ("auto_contrast", "equalize", "contrast"):
        assert torch.allclose(CHANGES[name](constant, drawn(2, 0.5, 1.0)), constant, atol=2 / 255)


def test_equalizing_knows_every_level() -> None:
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.allclose(CHANGES["equalize"](ramp.float() / 255, drawn(1, 0, 1, 1)), ramp / 255, atol=1e-6)


def test_images_smaller_than_a_kernel_are_changed_too() -> None:
    tiny = photographs(4, 3, (2, 2)).float() / 255
    for change in CHANGES.values():
        assert change(tiny, drawn(4, 0.5, 1.0)).isfinite().all()


def test_each_image_has_changes_of_its_own() -> None:
    given = photographs(1).expand(400, -1, -1, -1).float() / 255
    found = randaugment(given, RandAugment(operations=1), torch.zeros(3), np.random.default_rng(0))
    same = int((found == given).flatten(1).all(1).sum())
    assert 160 <= same <= 240  # a half is not applied
    assert len({image.numpy().tobytes() for image in found}) > 100


def test_magnitude_and_its_deviation_are_those_of_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    def watch(images: Tensor, given: Drawn) -> Tensor:
        seen.append(given.severity)
        return images

    monkeypatch.setattr("hopgraph.train.data.randaugment.CHANGES", {"watch": watch})
    randaugment(torch.zeros(2000, 1, 2, 2), RandAugment(operations=3, magnitude=5, std=1), torch.zeros(1), np.random.default_rng(0))
    severity = torch.cat(seen)
    assert len(seen) == 3
    assert abs(len(severity) - 3000) < 150
    assert severity.mean().item() == pytest.approx(0.5, abs=0.01)
    assert severity.std().item() == pytest.approx(0.1, abs=0.01)


@pytest.mark.gpu
def test_a_gpu_changes_as_a_cpu_does() -> None:
    settings = Augment.model_validate({**ALL, "erase": 0.0})
    data, found = images(), list[Tensor]()
    for device in ("cpu", "cuda:0"):
        inputs, targets = data.train.inputs.to(device), data.train.targets.to(device)
        found.append(Augmenter(settings, data)(inputs, targets, torch.Generator().manual_seed(0))[0].cpu())
    assert (found[0] - found[1]).abs().median() < 1e-5
