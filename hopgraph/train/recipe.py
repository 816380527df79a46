"""A recipe: how a model is trained, apart from what it is. A YAML of its own, validated like a spec.

The models here are the grammar: a new field is one line and a sentence of its docstring, and validation, messages, `--set` and the JSON
Schema follow. Reading a recipe imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StrictBool,
    StrictInt,
    StrictStr,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from hopgraph.energy.options import POSITIVE, JsonSchema, NotNegative, Number, OptionModel, Positive, Share, either, without_null, wrong
from hopgraph.errors import At, Findings, Source
from hopgraph.frontend.grammar import Grammar
from hopgraph.frontend.library import read_recipe_text
from hopgraph.frontend.overlay import apply_settings, settings_of
from hopgraph.frontend.tree import parse
from hopgraph.frontend.validate import read_model

VERSION = 1
"""The version of the language of recipes that this package reads, as `recipe:` at the head of one."""

# --- kinds of fields --------------------------------------------------------------------------------------------------


def _from(least: int) -> AfterValidator:
    """An integer that is at least so much."""

    def check(value: int) -> int:
        if value < least:
            raise wrong(f"an integer of at least {least}")
        return value

    return AfterValidator(check)


def _up_to(most: int) -> AfterValidator:
    """A number from 0 to so much."""

    def check(value: float) -> float:
        if not 0 <= value <= most:
            raise wrong(f"a number from 0 to {most}")
        return float(value)

    return AfterValidator(check)


def _above_up_to(most: int) -> AfterValidator:
    """A number above 0, up to so much."""

    def check(value: float) -> float:
        if not 0 < value <= most:
            raise wrong(f"a number above 0, up to {most}")
        return float(value)

    return AfterValidator(check)


def _pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:  # pyright: ignore[reportUnknownArgumentType]
        raise wrong("a list of two numbers")
    return value  # pyright: ignore[reportUnknownVariableType]


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise wrong("two numbers, the smaller one first")
    return value


class OrOff:
    """Metadata of a field that may be None: `off` stands for that, so that a setting can take out what a recipe has."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Any other word, and any truth value, is refused here, by a message that says what there is."""
        return core_schema.no_info_before_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchema:
        """What the field holds, or the word."""
        assert schema["type"] == "function-before"
        return either(without_null(handler(schema["schema"])), {"const": "off"})

    def _read(self, value: Any) -> Any:
        if value == "off":
            return None
        if isinstance(value, str | bool):
            raise wrong(f"{self.what}, or `off`")
        return value


Count = Annotated[StrictInt, _from(1), WithJsonSchema({"type": "integer", "minimum": 1})]
Whole = Annotated[StrictInt, _from(0), WithJsonSchema({"type": "integer", "minimum": 0})]
Probability = Annotated[Number, _up_to(1), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})]
Magnitude = Annotated[Number, _up_to(10), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 10})]
_SHARE: JsonSchema = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
_PART: JsonSchema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
Part = Annotated[Number, _above_up_to(1), WithJsonSchema(_PART)]


def _pair_of(kind: JsonSchema) -> WithJsonSchema:
    return WithJsonSchema({"type": "array", "prefixItems": [kind, kind], "minItems": 2, "maxItems": 2})


Betas = Annotated[tuple[Share, Share], BeforeValidator(_pair), _pair_of(_SHARE)]
Parts = Annotated[tuple[Part, Part], BeforeValidator(_pair), AfterValidator(_ordered), _pair_of(_PART)]
Ratios = Annotated[tuple[Positive, Positive], BeforeValidator(_pair), AfterValidator(_ordered), _pair_of(POSITIVE)]
Interpolation = Literal["bicubic", "bilinear", "box", "lanczos"]
RandomInterpolation = Literal["bicubic", "bilinear", "box", "lanczos", "random"]

# --- the grammar ------------------------------------------------------------------------------------------------------


class Optimizer(OptionModel):
    """AdamW: its rate, its decay and its averages.

    `learning_rate` is the rate after warm-up. With `at_batch` it is that of a step on so many examples, and grows in proportion to the
    examples that a step has: `batch_size`, times `accumulate`, times the number of processes; without, it is taken as it is.
    `weight_decay` is that of matrices, kernels and embeddings of tokens: norms, biases, steps, temperatures, embeddings of positions and
    the departures of penalized pulls do not decay.
    `betas` are the decays of the averages of the gradient and of its square. `eps` is added to the root of the latter.
    """

    learning_rate: NotNegative = 2e-3
    at_batch: Annotated[Count | None, OrOff("an integer of at least 1")] = None
    weight_decay: NotNegative = 0.05
    betas: Betas = (0.9, 0.999)
    eps: Positive = 1e-8


class Schedule(OptionModel):
    """The learning rate along training, step by step.

    `kind` is its course after the warm-up: half a `cosine`, a straight line (`linear`), or `constant`. `warmup` is how long it rises
    before that: a number of epochs, or a share of all steps where it is below 1. `warmup_from` is the rate that it rises from. `end` is
    the rate that the course falls to.
    """

    kind: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: NotNegative = 0.05
    warmup_from: NotNegative = 0.0
    end: NotNegative = 0.0


class RandAugment(OptionModel):
    """Random changes of each image: shears, shifts, turns, colours, contrasts.

    `operations` is how many each image gets. `magnitude` is how strong they are, from 0 to 10, where a stronger change is always a larger
    one. `std` is the deviation of a normal distribution around it, from which each magnitude is drawn.
    """

    operations: Count = 2
    magnitude: Magnitude = 9
    std: NotNegative = 0.5


class Resize(OptionModel):
    """How an image is brought to the height and the width that the spec reads: the largest piece of that shape around its centre, scaled.

    `centre` is the share of that piece's sides that is kept: 0.875 keeps what a resize to 256 and a cut to 224 do. `interpolation` is how
    pixels in between are computed; `box` takes the mean of those that become one.
    """

    centre: Part = 1.0
    interpolation: Interpolation = "bicubic"


class ResizedCrop(OptionModel):
    """Random pieces of images, each scaled to the height and the width that the spec reads.

    `scale` are the least and the largest share of the image's area that a piece has. `ratio` are the least and the largest ratio of its
    width to its height, drawn evenly by their logarithms. `interpolation` is how pixels in between are computed; `random` takes bilinear
    or bicubic, for each image anew.
    """

    scale: Parts = (0.08, 1.0)
    ratio: Ratios = (0.75, 1.3333)
    interpolation: RandomInterpolation = "bicubic"


class Augment(OptionModel):
    """What is done to images in training before they are normalized, in this order; all but the first on the device, batch by batch.

    `resized_crop` takes a random piece of each image, in place of what `resize` does. `crop` pads each side by so many pixels and cuts
    the image's size out at random. `flip` is the probability of a mirror image, left to right. `randaugment` makes random changes.
    `erase` is the probability that a random rectangle is erased. `mixup` is the parameter of the beta distribution by which two images
    are blended, 0 for none. `cutmix` is that by which a rectangle of one goes into the other; where both are given, each batch takes
    one of them at random.
    """

    resized_crop: Annotated[ResizedCrop | None, OrOff("a mapping of `scale`, `ratio` and `interpolation`")] = None
    crop: Whole = 0
    flip: Probability = 0.0
    randaugment: Annotated[RandAugment | None, OrOff("a mapping of `operations`, `magnitude` and `std`")] = None
    erase: Probability = 0.0
    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0


class Recipe(OptionModel):
    """How to train.

    `recipe` is the version of this language. `cite` is the paper that the recipe comes from. `data` is the data set that it is for, taken
    where no other is asked for. `epochs` is how often training goes through the data. `batch_size` is how many examples each process takes
    at once. `accumulate` is how many such batches make a step. `optimizer` is AdamW with its settings. `schedule` is the learning rate
    along training. `clip` is the largest norm that the whole gradient may have. `ema` is the decay of a moving average of the weights,
    which is then what is tested and kept. `label_smoothing` is the share of each label that is spread evenly over all classes. `drop_path`
    is the probability with which the last block's update is left out for an example in training; it grows linearly from 0 over the depth.
    `resize` brings images to the size that the spec reads; without it they must have that size. `augment` is what is done to images in
    training. `precision` is that of numbers: `bf16-mixed` and `16-mixed` keep weights in 32 bits. `compile` has torch compile the model.
    `channels_last` keeps kernels of convolutions, and so the images that they make, with channels last in memory.
    `kernels` trains by kernels of our own where there are some: the same numbers up to rounding, by the plain parts where there is no GPU.
    `evaluate` is after how many epochs the model is tested; it always is after the last. `log` are logs beside the run's own record.
    """

    recipe: Literal[1] = VERSION
    cite: StrictStr | None = None
    data: StrictStr | None = None
    epochs: Count = 20
    batch_size: Count = 64
    accumulate: Count = 1
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    clip: Annotated[Positive | None, OrOff("a positive number")] = None
    ema: Annotated[Share | None, OrOff("a number from 0 to less than 1")] = None
    label_smoothing: Share = 0.0
    drop_path: Share = 0.0
    resize: Annotated[Resize | None, OrOff("a mapping of `centre` and `interpolation`")] = None
    augment: Augment = Augment()
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    compile: StrictBool = False
    channels_last: StrictBool = False
    kernels: StrictBool = False
    evaluate: Count = 1
    log: tuple[Literal["csv", "tensorboard"], ...] = ()

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A mapping that says its version."""
        return {**mapping, "required": ["recipe"]}


GRAMMAR = Grammar("the language of recipes", "recipe", Recipe, "recipe", VERSION, "recipe.epochs=5", prefix="recipe.")
"""The language of recipes. Beside settings of a spec, those of a recipe begin with `recipe.`."""
RENEW = "hopgraph schema --recipe -o specs/recipes/recipe.schema.json"
"""The command that writes the shipped JSON Schema anew."""


# --- reading ----------------------------------------------------------------------------------------------------------


def read_recipe(recipe: str | Path | Source | None = None, settings: Mapping[str, Any] | Sequence[str] | None = None) -> Recipe:
    """A recipe by path or shipped name, the default one for None, with settings such as `epochs=5` laid over it.

    Raises HopgraphError with every mistake, each at its place.
    """
    if recipe is None:
        source = Source("the default recipe", f"recipe: {VERSION}\n", "recipe")
    else:
        source = recipe if isinstance(recipe, Source) else read_recipe_text(recipe)
    findings = Findings()
    tree = apply_settings(parse(source), settings_of(settings), findings, GRAMMAR)
    found, _ = read_model(tree, GRAMMAR, findings)
    if found:
        _check_warmup(found, findings)
    findings.found = [diagnostic.located(tree) for diagnostic in findings.found]
    findings.raise_if_any()
    assert found is not None
    return found


def _check_warmup(recipe: Recipe, findings: Findings) -> None:
    """Report a warm-up that does not end before training does: the rate would never be reached."""
    warmup = recipe.schedule.warmup
    if warmup >= recipe.epochs:
        message = f"the warm-up takes {warmup:g} epochs, and training has {recipe.epochs}"
        helps = ("shorten it, as `warmup: 0.05` for a share of training, or train for more epochs",)
        findings.add("bad-value", message, At(("schedule", "warmup")), helps=helps)


def recipe_settings(settings: Sequence[str]) -> tuple[list[str], list[str]]:
    """The settings of a command line, those of the spec and those of the recipe apart."""
    ours = [setting for setting in settings if setting.strip().startswith(GRAMMAR.prefix)]
    return [setting for setting in settings if setting not in ours], ours
