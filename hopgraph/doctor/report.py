"""What the doctor tells, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from hopgraph.doctor.machine import Machine
from hopgraph.doctor.places import Check


@dataclass(frozen=True)
class Found:
    """A package here: its version, and its state, `works`, `installed` (not imported), `missing`, `old` or `broken`, with the reason.

    `extra` is the one of hopgraph that brings it, empty where hopgraph itself does. `install` is the command that brings what is missing,
    empty where nothing is, or where there is none for this machine.
    """

    name: str
    version: str | None
    state: str
    use: str
    extra: str
    needed: bool
    reason: str = ""
    install: str = ""

    @property
    def fine(self) -> bool:
        """Whether it can be used."""
        return self.state in ("works", "installed")


@dataclass(frozen=True)
class Part:
    """An exporter or a runtime: what it writes, or whose files it runs, and why it cannot work here, None where it can."""

    name: str
    what: str
    missing: str | None


@dataclass(frozen=True)
class Able:
    """What can be done here, on what or by what; nothing where it cannot. Those of `bench` are more ways to run the same files."""

    train: tuple[str, ...]
    export: tuple[str, ...]
    run: tuple[str, ...]
    bench: tuple[str, ...]
    serve: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All that was found.

    `torch` has the versions of CUDA and ROCm that it was built with, and the GPUs that it sees; `providers` are those of ONNX Runtime.
    `advice` is what may be amiss. `problems` say why the least is not possible: to train, to export, and to run what was exported.
    """

    hopgraph: str
    python: str
    machine: Machine
    torch: dict[str, Any]
    providers: tuple[str, ...]
    packages: tuple[Found, ...]
    exporters: tuple[Part, ...]
    runtimes: tuple[Part, ...]
    checks: tuple[Check, ...]
    can: Able
    advice: tuple[str, ...]
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return asdict(self)


def missing_by_command(packages: Iterable[Found]) -> dict[str, list[Found]]:
    """What is missing, under the command that brings it."""
    lacking = [package for package in packages if package.install]
    return {command: [item for item in lacking if item.install == command] for command in dict.fromkeys(item.install for item in lacking)}
