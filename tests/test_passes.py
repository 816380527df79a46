"""What each pass makes of a spec, pinned: each golden carries the command that prints it."""

import shlex
from pathlib import Path

import pytest

from hopgraph.errors import Findings, HopgraphError
from hopgraph.graph.ham import Ham
from hopgraph.passes.base import Pass
from hopgraph.passes.dump import dump, read_dump
from hopgraph.passes.pipeline import PASSES, stage_after
from hopgraph.program.program import Program

FOLDER = Path(__file__).parent / "golden" / "passes"
NAMES = [item.name for item in PASSES]
GOLDENS = sorted(path.stem for path in FOLDER.glob("*.yaml"))
VARIANTS: list[tuple[str | None, list[str]]] = [
    (None, []),
    ("broken", []),
    ("vanilla", []),
    ("asymmetric", []),
    ("relu", []),
    ("digits", ["block.steps=3"]),
    ("vanilla,digits", ["block.steps=3", "block.depth=2", "block.update.form=decay", "block.update.step=0.5"]),
]


def run(command: str) -> Ham | Program:
    """What `hopgraph compile SPEC [--variant V] [--set PATH=VALUE]... --dump-after PASS` prints."""
    program, compile_word, spec, *options = shlex.split(command)
    assert (program, compile_word) == ("hopgraph", "compile")
    given = list(zip(options[::2], options[1::2], strict=True))
    named = dict(given)
    settings = [value for name, value in given if name == "--set"]
    assert set(named) <= {"--variant", "--set", "--dump-after"}
    return stage_after(named["--dump-after"], spec, named.get("--variant"), settings)


@pytest.mark.parametrize("golden", GOLDENS)
def test_golden(golden: str, update_goldens: bool) -> None:
    path = FOLDER / f"{golden}.yaml"
    first, _, expected = path.read_text(encoding="utf-8").partition("\n")
    given = dump(run(first.removeprefix("# ")))
    if update_goldens:
        path.write_text(f"{first}\n{given}", encoding="utf-8")
        expected = given
    assert given == expected


def test_every_pass_has_a_golden() -> None:
    commands = [(FOLDER / f"{golden}.yaml").read_text(encoding="utf-8").splitlines()[0] for golden in GOLDENS]
    assert {command.split()[-1] for command in commands} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("variant", "settings"), VARIANTS)
def test_a_dump_reads_back_to_the_same_stage(name: str, variant: str | None, settings: list[str]) -> None:
    stage = stage_after(name, "paramixer", variant, settings)
    again = read_dump(dump(stage))
    assert again == stage
    assert type(again) is type(stage)


@pytest.mark.parametrize("name", NAMES)
def test_a_pass_repeats_itself(name: str) -> None:
    assert dump(stage_after(name, "paramixer", "digits")) == dump(stage_after(name, "paramixer", "digits"))


def test_an_unknown_pass_is_refused() -> None:
    with pytest.raises(HopgraphError, match="no pass is named `optimise`") as raised:
        stage_after("optimise", "paramixer")
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "pass-unknown"
    assert diagnostic.notes == (f"the passes are {', '.join(NAMES)}",)


def test_a_pass_that_breaks_its_promise_is_our_mistake() -> None:
    def passed(value: int, findings: Findings) -> int:
        return value + 1

    broken: Pass[int, int] = Pass("broken", passed, lambda value: [f"{value} is odd"] if value % 2 else [])
    assert broken(1, Findings()) == 2
    with pytest.raises(AssertionError, match="pass broken left: 3 is odd"):
        broken(2, Findings())
    excused = Findings()
    excused.add("bad-value", "the user's mistake")
    assert broken(2, excused) == 3


def test_the_repeat_of_a_block_with_steps_flattens_to_its_turns() -> None:
    once, thrice = (stage_after("unroll", "paramixer", "digits", [f"block.steps={steps}", "block.depth=1"]) for steps in (1, 3))
    assert isinstance(once, Program)
    assert isinstance(thrice, Program)
    assert once.parameter_count == thrice.parameter_count
    operations = [statement.op for statement in once.flat()]
    repeated = [statement.op for statement in thrice.flat()]
    assert repeated.count("gelu") == 3 * operations.count("gelu")
    assert repeated.count("exp") == operations.count("exp")  # made of weights alone: once
    names = [statement.output.name for statement in thrice.flat()]
    assert len(set(names)) == len(names)
