"""A training step in bfloat16, eager and compiled: ours against timm's Mixer and ViT, the authors' block by hand, and each other.

All are timed in the loop by hand of benchmarks.training, but for the rows of our own loop, in which alone the penalty counts. What is
timm's is made by its package; where that is not installed, it is written out in benchmarks/rivals, and the row says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from torch import nn

from benchmarks.base import Step, Target, compared, interleaved
from benchmarks.gpu.setting import Rows, Setting, told, tried
from benchmarks.rivals import paramixer, timm, transformers
from benchmarks.rivals.parts import Sizes
from benchmarks.training import by_hand, images, ours
from hopgraph.lower.model import compile_model
from hopgraph.passes.pipeline import load
from hopgraph.train.recipe import Recipe

S16 = Sizes(image=224, patch=16, channels=512, depth=8, heads=8)
CIFAR = Sizes(image=32, patch=4, channels=512, depth=8)
TOY = Sizes(image=8, patch=4, channels=16, depth=1, heads=2)
BATCH = 128
EPOCH = 64 * BATCH
"""The examples of an epoch of our loop."""
TIMM = "timm's" if find_spec("timm") else "timm's, written out (the package is not installed):"


@dataclass(frozen=True)
class Contest:
    """Two candidates by name. Both are of the same sizes; the target is one of time."""

    ours: str
    theirs: str
    target: Target | None


FASTER = Target(1.0)
CONTESTS = (
    Contest("symmetric", f"{TIMM} MLP-Mixer", FASTER),
    Contest("own", f"{TIMM} MLP-Mixer", FASTER),
    Contest("mlp_mixer", f"{TIMM} MLP-Mixer", FASTER),
    Contest("vit", f"{TIMM} ViT", FASTER),
    Contest("penalized, our loop", "own, our loop", Target(1.05)),
    Contest("own, our loop", "own", Target(1.03)),
    Contest("symmetric", "the authors' symmetric block by hand", FASTER),
    Contest("own", "the authors' own block by hand", FASTER),
    Contest("vanilla", "the authors' vanilla block by hand", FASTER),
)


def spec(sizes: Sizes, name: str, variant: str | None = None) -> Any:
    """A checked spec of these sizes."""
    return load(name, variant, {**sizes.settings, **({"dims.heads": sizes.heads} if name == "vit" else {})})


def timm_mixer(sizes: Sizes) -> nn.Module:
    """By its package, or written out."""
    if not find_spec("timm"):
        return timm.mixer(sizes)
    given = {"img_size": sizes.image, "patch_size": sizes.patch, "embed_dim": sizes.channels, "num_classes": sizes.classes}
    return import_module("timm.models.mlp_mixer").MlpMixer(num_blocks=sizes.depth, **given)


def timm_vit(sizes: Sizes) -> nn.Module:
    """By its package, or written out."""
    if not find_spec("timm"):
        return transformers.Vit(sizes)
    given = {"img_size": sizes.image, "patch_size": sizes.patch, "embed_dim": sizes.channels, "num_classes": sizes.classes}
    return import_module("timm.models.vision_transformer").VisionTransformer(depth=sizes.depth, num_heads=sizes.heads, **given)


def modules(sizes: Sizes) -> Mapping[str, Callable[[], nn.Module]]:
    """What is trained in the loop by hand, by name."""
    forms = {"symmetric": "symmetric", "own": "broken", "vanilla": "vanilla"}
    return {
        **{name: lambda form=form: compile_model(spec(sizes, "paramixer", form)) for name, form in forms.items()},
        "mlp_mixer": lambda: compile_model(spec(sizes, "mlp_mixer")),
        "vit": lambda: compile_model(spec(sizes, "vit")),
        f"{TIMM} MLP-Mixer": lambda: timm_mixer(sizes),
        f"{TIMM} ViT": lambda: timm_vit(sizes),
        "the authors' symmetric block by hand": lambda: paramixer.symmetric(sizes),
        "the authors' own block by hand": lambda: paramixer.broken(sizes),
        "the authors' vanilla block by hand": lambda: paramixer.vanilla(sizes),
    }


LOOPS = {"penalized, our loop": "asymmetric", "own, our loop": "broken"}
"""What is trained in ours: the variant by name."""


def step(setting: Setting, compiled: bool, name: str, sizes: Sizes) -> Step:
    """A candidate. A dry run compiles what is in the loop by hand as far as the graph of the gradients, and our loop not at all."""
    if name in LOOPS:
        recipe = Recipe(epochs=10**6, batch_size=BATCH, precision="bf16-mixed", compile=compiled and not setting.dry)
        return ours(spec(sizes, "paramixer", LOOPS[name]), recipe, BATCH if setting.dry else EPOCH)
    module = modules(sizes)[name]()
    if compiled:
        module.compile(backend="aot_eager" if setting.dry else "inductor")
    return by_hand(module, images(spec(sizes, "paramixer")), BATCH, setting.device, mixed=True)


def sizes_of(contest: Contest, setting: Setting) -> Sizes:
    """Those of S/16; where our loop takes part, whose examples move to the device in every epoch, those of CIFAR."""
    if setting.dry:
        return TOY
    return CIFAR if contest.ours in LOOPS else S16


def rows(setting: Setting) -> Rows:
    """Eager first, which takes seconds. A candidate of several contests is compiled once."""
    for how in ("eager", "compiled"):
        made = cache(partial(step, setting, how == "compiled"))
        for contest in CONTESTS:
            yield from tried(f"{contest.ours}, {how}", partial(of, contest, how, made, setting))


def of(contest: Contest, how: str, made: Callable[[str, Sizes], Step], setting: Setting) -> Rows:
    """One contest. The table of speed has targets for what is compiled."""
    sizes = sizes_of(contest, setting)
    name = f"{how}, bfloat16, {sizes.patches} tokens, {sizes.channels} channels, depth {sizes.depth}, batch {BATCH}"
    found = interleaved({side: made(side, sizes) for side in (contest.ours, contest.theirs)}, setting.effort, setting.wait)
    target, what = contest.target if how == "compiled" else None, f"a training step of {contest.ours}"
    yield told(compared(what, contest.theirs, found[contest.ours], found[contest.theirs], name=name, target=target))
