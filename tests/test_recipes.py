"""Recipes: what a file may say, every message about what it may not, what is laid over it, and those that are shipped."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hopgraph.errors import Findings, HopgraphError, Source, Span
from hopgraph.frontend.fields import fields_of
from hopgraph.frontend.library import shipped, shipped_recipes
from hopgraph.frontend.overlay import apply_settings
from hopgraph.frontend.schema import json_schema, schema_text
from hopgraph.frontend.tree import Tree, parse
from hopgraph.train.recipe import (
    GRAMMAR,
    RENEW,
    Augment,
    Optimizer,
    RandAugment,
    Recipe,
    Resize,
    ResizedCrop,
    Schedule,
    read_recipe,
    recipe_settings,
)
from tests.mutations import mutant

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).parent / "golden" / "recipes"
CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SCHEMA = ROOT / "specs" / "recipes" / "recipe.schema.json"
SHIPPED = sorted(shipped_recipes())


def text_of(case: str) -> tuple[str, list[str]]:
    """A case's text, and the setting that its first line says."""
    text = (FOLDER / f"{case}.yaml").read_text(encoding="utf-8")
    head = re.match(r"# set: (.*)\n", text)
    return text, [head.group(1)] if head else []


def report(case: str) -> HopgraphError:
    """What reading the case's recipe raises."""
    text, settings = text_of(case)
    with pytest.raises(HopgraphError) as raised:
        read_recipe(Source("recipe.yaml", text, "recipe"), settings)
    return raised.value


def recipe(text: str = "", *settings: str) -> Recipe:
    return read_recipe(Source("recipe.yaml", f"recipe: 1\n{text}", "recipe"), settings)


# --- messages -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_message(case: str, update_goldens: bool) -> None:
    expected = FOLDER / f"{case}.txt"
    given = f"{report(case)}\n"
    if update_goldens:
        expected.write_text(given, encoding="utf-8")
    assert given == expected.read_text(encoding="utf-8")


def test_each_golden_has_its_case() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == CASES


@pytest.mark.parametrize("case", CASES)
def test_every_mistake_is_told_once_and_has_a_place(case: str) -> None:
    found = report(case).diagnostics
    assert len(found) == (6 if case == "several" else 1)
    assert all(isinstance(diagnostic.at, Span) for diagnostic in found)
    assert case == "several" or case.startswith((found[0].code, "missing-version"))


def test_an_unknown_recipe_is_met_with_the_nearest_name() -> None:
    with pytest.raises(HopgraphError) as raised:
        read_recipe("paramixer-cifar")
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "recipe-unknown"
    assert diagnostic.notes == (f"shipped recipes: {', '.join(SHIPPED)}",)
    assert diagnostic.helps[0].startswith("rename it to `paramixer-cifar10`")


def test_a_file_that_is_none_is_told_of_as_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(HopgraphError, match="there is no file"):
        read_recipe(tmp_path / "none.yaml")
    with pytest.raises(HopgraphError, match="is a folder, not a recipe"):
        read_recipe(tmp_path)


def damaged(seed: int) -> Recipe | HopgraphError:
    """A damaged recipe, or what is wrong with it."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    text = shipped_recipes()[rng.choice(SHIPPED)].read_text("utf-8")
    try:
        return read_recipe(Source("recipe.yaml", mutant(rng, text), "recipe"))
    except HopgraphError as error:
        return error


def test_damaged_recipes_give_a_recipe_or_diagnostics_with_places() -> None:
    found = [damaged(seed) for seed in range(300)]
    refused = [error for error in found if isinstance(error, HopgraphError)]
    assert 0 < len(refused) < len(found)
    assert all(isinstance(diagnostic.at, Span) for error in refused for diagnostic in error.diagnostics)


# --- values -------------------------------------------------------------------------------------------------------------


def test_the_default_recipe_is_that_of_the_models() -> None:
    assert read_recipe() == recipe() == Recipe()


def test_what_is_written_is_read() -> None:
    text = "epochs: 3\noptimizer: {learning_rate: 1, betas: [0, 0.5], at_batch: 8}\naugment: {randaugment: {}}\nlog: [csv]"
    found = recipe(text)
    assert (found.epochs, found.optimizer.betas, found.log) == (3, (0.0, 0.5), ("csv",))
    assert found.augment.randaugment == RandAugment()
    assert found.optimizer == Optimizer(learning_rate=1.0, betas=(0.0, 0.5), at_batch=8)
    assert type(found.optimizer.learning_rate) is float


@pytest.mark.parametrize("field", ["clip", "ema", "augment.randaugment", "augment.resized_crop", "optimizer.at_batch", "resize"])
def test_off_takes_out_what_a_recipe_has(field: str) -> None:
    text = "clip: 1\nema: 0.9\nresize: {}\naugment: {randaugment: {operations: 1}, resized_crop: {}}\noptimizer: {at_batch: 512}"

    def value(of: Recipe) -> Any:
        found: Any = of
        for step in field.split("."):
            found = getattr(found, step)
        return found

    assert value(recipe(text)) is not None
    assert value(recipe(text, f"{field}=off")) is None


def test_a_recipe_that_was_written_to_json_is_read_back() -> None:
    for name in SHIPPED:
        given = read_recipe(name)
        assert Recipe.model_validate_json(given.model_dump_json()) == given


# --- settings -----------------------------------------------------------------------------------------------------------


def test_settings_reach_every_field_with_and_without_the_prefix() -> None:
    assert recipe("", "epochs=5", "recipe.epochs=7").epochs == 7
    assert recipe("", "optimizer.learning_rate=1e-4").optimizer == Optimizer(learning_rate=1e-4)
    assert recipe("", "augment.randaugment.std=0").augment.randaugment == RandAugment(std=0.0)
    assert recipe("optimizer: {betas: [0.9, 0.95]}", "recipe.optimizer.betas.1=0.99").optimizer.betas == (0.9, 0.99)
    assert read_recipe("paramixer-cifar10", {"schedule.warmup": 0.1, "epochs": 2}).schedule.warmup == 0.1


def test_a_mistake_in_a_setting_is_shown_as_it_was_written() -> None:
    with pytest.raises(HopgraphError) as raised:
        recipe("", "recipe.epochs=0")
    (diagnostic,) = raised.value.diagnostics
    assert str(diagnostic.at) == "--set:1:15"


def test_settings_of_a_command_line_are_told_apart() -> None:
    given = ["dims.C=8", "recipe.epochs=5", " recipe.data=digits", "recipes=1", "recipe"]
    assert recipe_settings(given) == (["dims.C=8", "recipes=1", "recipe"], ["recipe.epochs=5", " recipe.data=digits"])


# --- the JSON Schema ----------------------------------------------------------------------------------------------------


def refused_by_schema(tree: Tree) -> bool:
    schema = json_schema(GRAMMAR)
    Draft202012Validator.check_schema(schema)
    return not Draft202012Validator(schema).is_valid(tree.plain)  # pyright: ignore[reportUnknownMemberType]


def test_the_shipped_schema_is_the_generated_one() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(GRAMMAR), f"renew it: {RENEW}"


INEXPRESSIBLE = {
    "bad-value-learning-rate-nan": "JSON has no .nan",
    "bad-value-warmup": "a schema cannot compare two numbers",
    "bad-value-warmup-epochs": "nor here",
    "bad-value-resized-crop-scale": "nor here",
}
"""Goldens that the schema accepts, each with the reason."""


@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith(("yaml", "overlay"))])
def test_the_schema_refuses_what_the_validation_refuses(case: str) -> None:
    text, settings = text_of(case)
    tree = apply_settings(parse(Source(case, text)), settings, Findings(), GRAMMAR)
    assert refused_by_schema(tree) == (case not in INEXPRESSIBLE)


def test_every_field_has_a_description() -> None:
    schema = json_schema(GRAMMAR)
    owners = {"Recipe": schema, **schema["$defs"]}
    assert set(owners) == {model.__name__ for model in (Recipe, Optimizer, Schedule, RandAugment, Augment, Resize, ResizedCrop)}
    told = [(owner, name, field) for owner, model in owners.items() for name, field in model["properties"].items()]
    assert [f"{owner}.{name}" for owner, name, field in told if "description" not in field] == []


# --- those that are shipped ---------------------------------------------------------------------------------------------


def test_recipes_are_no_specs() -> None:
    assert set(shipped()).isdisjoint(SHIPPED)
    assert not any("recipe" in name for name in shipped())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_is_valid_names_the_schema_and_its_paper(name: str) -> None:
    path = shipped_recipes()[name]
    first, *_ = path.read_text("utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=recipe.schema.json"
    assert not refused_by_schema(parse(Source(name, path.read_text("utf-8"))))
    found = read_recipe(name)
    assert found == read_recipe(path)
    assert re.fullmatch(r"arXiv:\d{4}\.\d{5}", found.cite or "")
    assert name.split("-")[0] in (*shipped(), "deit")


def test_the_recipe_of_the_paper() -> None:
    found = read_recipe("paramixer-cifar10")
    assert (found.epochs, found.drop_path, found.label_smoothing) == (300, 0.1, 0.1)
    assert found.optimizer == Optimizer(learning_rate=5e-4, at_batch=512, weight_decay=0.05)
    assert found.schedule == Schedule(kind="cosine", warmup=20, warmup_from=1e-6)
    assert found.resize == Resize(centre=0.875, interpolation="bicubic")
    pieces = ResizedCrop(scale=(0.08, 1.0), ratio=(0.75, 1.3333), interpolation="random")
    changes = RandAugment(magnitude=9, std=0.5)
    assert found.augment == Augment(resized_crop=pieces, flip=0.5, randaugment=changes, erase=0.25, mixup=0.8, cutmix=1.0)


# --- the page -----------------------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")


def fields(model: type[Any] = Recipe, owner: str = "") -> list[tuple[str, Any]]:
    """Every field by its path, with its default."""
    found: list[tuple[str, Any]] = []
    for name, field in fields_of(model).items():
        kinds = {"optimizer": Optimizer, "schedule": Schedule, "augment": Augment, "randaugment": RandAugment}
        kinds |= {"resize": Resize, "resized_crop": ResizedCrop}
        if name in kinds:
            found += fields(kinds[name], f"{owner}{name}.")
        if name not in kinds or field.default is None:
            found.append((f"{owner}{name}", field.default))
    return found


@pytest.mark.parametrize(("path", "default"), [pytest.param(*item, id=item[0]) for item in fields()])
def test_the_page_has_every_field_with_its_default(path: str, default: Any) -> None:
    (row,) = re.findall(rf"^\| `{re.escape(path)}` \| ([^|]*) \| [^|]+ \|$", PAGE, re.MULTILINE)
    if path == "recipe":
        assert row == "must be given"
    elif default is None:
        assert row in ("none", "`off`")
    else:
        text = json.dumps(default).strip('"')
        assert parse(Source("row", row.strip("`"))).plain == parse(Source("default", text)).plain


def test_the_page_has_no_other_field_and_every_shipped_recipe() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| [^|]* \| [^|]+ \|$", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted(path for path, _ in fields())
    assert re.findall(r"^\| \[([\w-]+)\]\(", PAGE, re.MULTILINE) == SHIPPED
