"""Random damage to a spec: slips in its text, and changes of its tree that leave it YAML."""

from __future__ import annotations

import copy
import json
import random
import re
import string
from collections.abc import Callable
from copy import deepcopy
from typing import Any, cast

from hopgraph.errors import Path, Source
from hopgraph.frontend.tree import parse

WORDS = ["null", "on", "", "x" * 70, "é", "__init__", "lambda", "?", "weight", "own_x", "norm_0", "scalar", "learned", "causal", "from"]
NUMBERS = ["0", "-1", "1", "2", "3", "1e-5", "1e400", ".nan", "0x10", "7.5", "99999999999", "1" * 60, "[]", "{}", "true", "y^-0.5"]
VALUES: list[Any] = [
    None,
    0,
    1,
    -1,
    3,
    0.5,
    10**9,
    1e-300,
    True,
    "",
    "x",
    "?",
    "C",
    "2 * C",
    "y^-0.5",
    [],
    {},
    ["x"],
    [1],
    {"x": "own"},
    [[]],
]

TextMutation = Callable[[random.Random, str], str]
TreeMutation = Callable[[random.Random, Any], Any]


# --- slips in the text ------------------------------------------------------------------------------------------------


def drop_line(rng: random.Random, text: str) -> str:
    """Without one line."""
    lines = text.splitlines()
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def double_line(rng: random.Random, text: str) -> str:
    """One line also at another place."""
    lines = text.splitlines()
    lines.insert(rng.randrange(len(lines)), rng.choice(lines))
    return "\n".join(lines)


def swap_lines(rng: random.Random, text: str) -> str:
    """Two lines in each other's place."""
    lines = text.splitlines()
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines)


def indent_line(rng: random.Random, text: str) -> str:
    """One line further in, or at the margin."""
    lines = text.splitlines()
    index = rng.randrange(len(lines))
    lines[index] = lines[index].lstrip() if rng.random() < 0.5 else "  " + lines[index]
    return "\n".join(lines)


def _replace(rng: random.Random, text: str, pattern: str, choices: list[str]) -> str:
    found = list(re.finditer(pattern, text))
    if not found:
        return text
    match = rng.choice(found)
    return text[: match.start()] + rng.choice(choices) + text[match.end() :]


def change_word(rng: random.Random, text: str) -> str:
    """One word for another of the text, or for a strange one."""
    return _replace(rng, text, r"[A-Za-z_]+", [*sorted(set(re.findall(r"[A-Za-z_]+", text))), *WORDS])


def change_number(rng: random.Random, text: str) -> str:
    """One number for another."""
    return _replace(rng, text, r"[0-9][0-9.e-]*", NUMBERS)


def change_value(rng: random.Random, text: str) -> str:
    """One scalar for another value."""
    return _replace(rng, text, r"(?<=: )[^\n,{}\[\]]+", [*NUMBERS, *WORDS, "[a, b]", "{a: b}"])


def drop_characters(rng: random.Random, text: str) -> str:
    """Without some neighbouring characters."""
    start = rng.randrange(len(text))
    return text[:start] + text[start + rng.randint(1, 6) :]


def add_character(rng: random.Random, text: str) -> str:
    """With one character more."""
    start = rng.randrange(len(text))
    return text[:start] + rng.choice(string.printable + "é\x00\u2028") + text[start:]


TEXT: list[TextMutation] = [
    drop_line,
    double_line,
    swap_lines,
    indent_line,
    change_word,
    change_number,
    change_value,
    drop_characters,
    add_character,
]


# --- changes of the tree ----------------------------------------------------------------------------------------------


def _paths(value: Any, path: Path = ()) -> list[Path]:
    """The path of every node but the root."""
    found: list[Path] = []
    for step in _steps(value):
        found += [(*path, step), *_paths(value[step], (*path, step))]
    return found


def _steps(value: Any) -> list[Any]:
    """The keys of a mapping, the indices of a list."""
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value))
    return list(range(len(cast("list[Any]", value)))) if isinstance(value, list) else []


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: Any, path: Path, node: Any) -> None:
    _at(value, path[:-1])[path[-1]] = copy.deepcopy(node)


def _any(rng: random.Random, value: Any) -> Path:
    return rng.choice(_paths(value))


def swap_subtrees(rng: random.Random, value: Any) -> None:
    """Two subtrees in each other's place, neither inside the other."""
    one, other = _any(rng, value), _any(rng, value)
    if one[: len(other)] != other and other[: len(one)] != one:
        first, second = copy.deepcopy(_at(value, one)), copy.deepcopy(_at(value, other))
        _put(value, one, second)
        _put(value, other, first)


def delete(rng: random.Random, value: Any) -> None:
    """Without one entry."""
    path = _any(rng, value)
    del _at(value, path[:-1])[path[-1]]


def double_entry(rng: random.Random, value: Any) -> None:
    """A list with one entry twice."""
    lists = [path for path in _paths(value) if isinstance(path[-1], int)]
    if lists:
        path = rng.choice(lists)
        _at(value, path[:-1]).insert(rng.randint(0, 2), copy.deepcopy(_at(value, path)))


def copy_value(rng: random.Random, value: Any) -> None:
    """One value for another of the same spec."""
    node = copy.deepcopy(_at(value, _any(rng, value)))
    _put(value, _any(rng, value), node)


def copy_scalar(rng: random.Random, value: Any) -> None:
    """One scalar for another of the same spec: often a broken reference, or a reference to something else."""
    scalars = [path for path in _paths(value) if not isinstance(_at(value, path), dict | list)]
    if scalars:
        _put(value, rng.choice(scalars), _at(value, rng.choice(scalars)))


def strange_value(rng: random.Random, value: Any) -> None:
    """A null, a number, a list or the like for one value."""
    _put(value, _any(rng, value), rng.choice(VALUES))


def rename_key(rng: random.Random, value: Any) -> None:
    """One key by a near word or by another key of the spec, in its place."""
    keys = [path for path in _paths(value) if isinstance(path[-1], str)]
    if not keys:
        return
    path = rng.choice(keys)
    other = str(rng.choice(keys)[-1])
    new = rng.choice([slip(rng, str(path[-1])), other])
    owner = _at(value, path[:-1])
    renamed = {new if name == path[-1] else name: child for name, child in owner.items()}
    owner.clear()
    owner.update(renamed)


def slip(rng: random.Random, word: str) -> str:
    """A word with a letter more, a letter less or two letters swapped."""
    index = rng.randrange(len(word) + 1)
    return rng.choice(
        [word[:index] + "e" + word[index:], word[:index] + word[index + 1 :], word[:index] + word[index + 1 : index + 2] + word[index:]]
    )


def break_reference(rng: random.Random, value: Any) -> None:
    """One scalar misspelt."""
    scalars = [path for path in _paths(value) if isinstance(_at(value, path), str)]
    if scalars:
        path = rng.choice(scalars)
        _put(value, path, slip(rng, _at(value, path)))


def move_entry(rng: random.Random, value: Any) -> None:
    """One entry of a mapping also in another mapping."""
    keys = [path for path in _paths(value) if isinstance(path[-1], str)]
    mappings = [path for path in _paths(value) if isinstance(_at(value, path), dict)]
    if keys and mappings:
        path = rng.choice(keys)
        node = copy.deepcopy(_at(value, path))
        _at(value, rng.choice(mappings))[path[-1]] = node


TREE: list[Callable[[random.Random, Any], None]] = [
    swap_subtrees,
    delete,
    double_entry,
    copy_value,
    copy_scalar,
    strange_value,
    rename_key,
    break_reference,
    move_entry,
]


def plain(text: str) -> Any:
    """A spec as plain data."""
    return deepcopy(parse(Source("spec.yaml", text)).plain)


def mutant(rng: random.Random, text: str) -> str:
    """A spec's text with some damage, to its text or to its tree."""
    count = rng.choice([1, 1, 1, 2, 4])
    if rng.random() < 0.4:
        for _ in range(count):
            text = rng.choice(TEXT)(rng, text)
        return text
    value = plain(text)
    for _ in range(count):
        rng.choice(TREE)(rng, value)
    return json.dumps(value, indent=1, ensure_ascii=False)
