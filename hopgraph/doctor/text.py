"""The report as plain text, which can be pasted into an issue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hopgraph.doctor.machine import Machine
from hopgraph.doctor.report import Able, Found, Part, Report, missing_by_command

GB = 1e9
VERBS = {"train": "on", "export": "to", "run": "by", "bench": "by", "serve": "by"}
Line = tuple[str, str]


def text_of(report: Report) -> str:
    """The whole report."""
    sections: dict[str, Iterable[Line]] = {
        "Devices": _devices(report.machine),
        "Packages": _packages(report),
        "Exporters": map(_part, report.exporters),
        "Runtimes": map(_part, report.runtimes),
        "Files": [(check.what, "as it should be" if check.wrong is None else f"{check.wrong}; {check.help}") for check in report.checks],
        "What can be done here": _able(report.can),
        "To get what is missing": _missing(report.packages),
    }
    head = f"hopgraph {report.hopgraph}, Python {report.python}, {report.machine.system}"
    last = [f"advice: {line}" for line in report.advice] + [f"problem: {line}" for line in report.problems]
    shown = [_section(title, lines) for title, given in sections.items() if (lines := list(given))]
    return "\n\n".join([head, *shown, *(["\n".join(last)] if last else [])]) + "\n"


def _section(title: str, lines: list[Line]) -> str:
    width = max(len(name) for name, _ in lines)
    return "\n".join([title, *(f"  {name.ljust(width)}  {told}" for name, told in lines)])


def _devices(machine: Machine) -> Iterator[Line]:
    """The processor and each GPU, with what is known of them."""
    cores = f", {_count(machine.cores, 'core')}" if machine.cores else ""
    yield "CPU", f"{machine.processor}{cores}, {_count(machine.threads, 'thread')} for this process{_memory(machine.memory)}"
    for gpu in machine.gpus:
        yield "GPU", f"{gpu.name}{_memory(gpu.memory)}{f', driver {machine.driver}' if machine.driver else ''}"
    if not machine.gpus:
        yield "GPU", "none of NVIDIA's is found"


def _memory(size: int | None) -> str:
    return f", {size / GB:.1f} GB of memory" if size else ""


def _packages(report: Report) -> Iterator[Line]:
    """Those that are imported, and those that are not as they should be; the others in one line."""
    for package in report.packages:
        if package.state != "installed":
            yield package.name, _package(package, report)
    others = [package for package in report.packages if package.state == "installed"]
    yield _count(len(others), "other"), "installed"


def _package(package: Found, report: Report) -> str:
    version = f"{package.version}, " if package.version else ""
    reason = f": {package.reason}" if package.reason else ""
    use = f" (for {package.use})" if package.use and not package.fine else ""
    return f"{version}{package.state}{reason}{use}{_facts(package, report) if package.fine else ''}"


def _facts(package: Found, report: Report) -> str:
    """What a package was built for."""
    if package.name == "torch":
        builds = {"CUDA": report.torch.get("cuda"), "ROCm": report.torch.get("rocm")}
        build = next((f"{name} {version}" for name, version in builds.items() if version), "CPUs")
        return f", built for {build}, sees {_count(len(report.torch.get('gpus', ())), 'GPU')}"
    return f", with {', '.join(report.providers)}" if package.name.startswith("onnxruntime") else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _part(part: Part) -> Line:
    return part.name, f"works: {part.what}" if part.missing is None else f"not here: {part.missing}"


def _able(can: Able) -> Iterator[Line]:
    for verb, word in VERBS.items():
        names: tuple[str, ...] = getattr(can, verb)
        yield verb, f"{word} {', '.join(names)}" if names else "no"


def _missing(packages: Iterable[Found]) -> Iterator[Line]:
    for command, lacking in missing_by_command(packages).items():
        yield command, "; ".join(f"{package.name}{f', for {package.use}' if package.use else ''}" for package in lacking)
