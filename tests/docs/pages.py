"""A page of the documentation as a user follows it: files to write, and commands with what they print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r'^```(?:(?P<file>\w+) title="(?P<name>[^"]+)"|console)\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Written:
    """A file that the page says to write."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command, and what it prints, `...` standing for anything."""

    text: str
    printed: str


def steps(page: Path) -> Iterator[Written | Command]:
    """What the page says to do, in order."""
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["name"]:
            yield Written(block["name"], block["text"])
        else:
            for part in re.split(r"^\$ ", block["text"], flags=re.MULTILINE)[1:]:
                command, _, printed = part.partition("\n")
                yield Command(command, printed)
