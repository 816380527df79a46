"""Look at this machine: ask all questions, and put the answers together."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from hopgraph.doctor.asking import Answer, ask
from hopgraph.doctor.machine import Machine, machine
from hopgraph.doctor.packages import PACKAGES, TRITON, Package, installed_version, is_older, not_for_this_machine
from hopgraph.doctor.places import checks
from hopgraph.doctor.report import Able, Found, Part, Report
from hopgraph.version import __version__

OF_TORCH = ("torch", "lightning_fabric", "onnx", "onnx_ir", "exporters", "runtimes")
"""The questions whose answers share imports: one process answers them, another the rest."""
RUNS_ONNX = {"onnxruntime": "onnxruntime-gpu", "onnxruntime-gpu": "onnxruntime"}
"""Two packages with the same module, each with the other: which of them is there, pip alone knows."""
SERVING = "serve"


def examine() -> Report:
    """What is here. Nothing is raised."""
    answers, known = _answers(), {package.name: installed_version(package.name) for package in PACKAGES}
    packages = tuple(found_of(package, known, answers) for package in PACKAGES)
    exporters, runtimes = exporters_of(answers["exporters"]), runtimes_of(answers["runtimes"])
    torch, here = answers["torch"], machine()
    able = able_to(packages, exporters, runtimes, answers)
    return Report(
        __version__,
        platform.python_version(),
        here,
        torch.facts,
        tuple(answers["onnxruntime"].facts.get("providers", ())),
        packages,
        exporters,
        runtimes,
        checks(len(exporters)),
        able,
        tuple(advice(here, torch, packages)),
        tuple(problems(able, packages, exporters, runtimes, answers)),
    )


def _answers() -> dict[str, Answer]:
    """All questions, in two processes side by side."""
    others = tuple(dict.fromkeys(package.module for package in PACKAGES if package.module and package.module not in OF_TORCH))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ask, (OF_TORCH, others))
    return first | second


def found_of(package: Package, known: Mapping[str, str | None], answers: Mapping[str, Answer]) -> Found:
    """One package, by the versions that pip knows and by what its import gave."""
    version = known[package.name]
    answer = answers[package.module] if package.module else Answer("installed" if version else "missing")
    instead = RUNS_ONNX.get(package.name, "")
    absent = version is None and bool(instead) and (known[instead] is not None or package.name != "onnxruntime")
    state, reason = ("missing", "") if absent else _state(package, version, answer)
    if state == "missing":
        reason = not_for_this_machine(package) or (f"{instead} is in its place" if instead and known[instead] else "")
    told = version or answer.facts.get("version") if state != "missing" else None
    install = _install(package, known) if state in ("missing", "old") else ""
    return Found(package.name, told, state, package.use, package.extra, not package.extra and package is not TRITON, reason, install)


def _state(package: Package, version: str | None, answer: Answer) -> tuple[str, str]:
    """The state of a package, and the reason."""
    if version is not None and answer.state == "missing":
        return "broken", f"pip knows it, and Python does not find it: {answer.reason}"
    if version and answer.state != "broken" and package.least and is_older(version, package.least):
        return "old", f"hopgraph needs {package.least} or later"
    return answer.state, answer.reason


def _install(package: Package, known: Mapping[str, str | None]) -> str:
    """The command that brings a package; none where there is none for this machine, or another is in its place."""
    if package is TRITON or not_for_this_machine(package) or (package.name == "onnxruntime" and known["onnxruntime-gpu"]):
        return ""
    first = "pip uninstall -y onnxruntime && " if package.extra == "gpu" and known["onnxruntime"] else ""
    return first + package.install


def exporters_of(answer: Answer) -> tuple[Part, ...]:
    """The exporters, with the dtypes that they write."""
    return tuple(Part(name, ", ".join(facts["dtypes"]), facts["missing"]) for name, facts in answer.facts.items())


def runtimes_of(answer: Answer) -> tuple[Part, ...]:
    """The runtimes, with the exporter whose files they run."""
    return tuple(Part(name, facts["exporter"], facts["missing"]) for name, facts in answer.facts.items())


def able_to(packages: Sequence[Found], exporters: Sequence[Part], runtimes: Sequence[Part], answers: Mapping[str, Answer]) -> Able:
    """What can be done with all this."""
    trains = all(package.fine for package in packages if package.needed)
    written = tuple(part.name for part in exporters if part.missing is None)
    bench = tuple(part.name for part in runtimes if part.missing is None and part.what in written)
    run = tuple(name for name in bench if not answers["runtimes"].facts[name]["further"])
    serves = all(package.fine for package in packages if package.extra == SERVING)
    devices = ("cpu", *(["cuda"] if answers["torch"].facts.get("gpus") else []))
    return Able(devices if trains else (), written, run, bench, run if serves else ())


def advice(here: Machine, torch: Answer, packages: Sequence[Found]) -> Iterator[str]:
    """What is no mistake of a package, and still not as a user wants it."""
    if here.gpus and torch.state == "works" and not torch.facts.get("gpus"):
        build = f"its build is for CUDA {torch.facts['cuda']}" if torch.facts.get("cuda") else "its build is for CPUs"
        yield f"there is a GPU, and this torch does not see it: {build}; pytorch.org/get-started tells the command for another"
    if [package.version is not None for package in packages if package.name in RUNS_ONNX].count(True) > 1:
        yield "onnxruntime and onnxruntime-gpu install the same files: uninstall both, then install one of them"
    broken = [package for package in packages if package.state == "broken"]
    for package in {package.reason: package for package in reversed(broken)}.values():  # the first of each reason: others import it
        yield f"{package.name} is broken: install it anew, `pip install --force-reinstall {package.name}`"


def problems(
    able: Able, packages: Sequence[Found], exporters: Sequence[Part], runtimes: Sequence[Part], answers: Mapping[str, Answer]
) -> Iterator[str]:
    """Why a model cannot be trained, exported and run here; nothing where it can."""
    if not able.train:
        yield f"no model can be trained here: {_listed([package for package in packages if package.needed and not package.fine])}"
    if not able.export:
        yield f"no model can be exported here: {_reasons(exporters, answers['exporters'])}"
    if not able.run:
        yield f"no model that is exported can be run here: {_reasons(runtimes, answers['runtimes'])}"


def _listed(packages: Sequence[Found]) -> str:
    return "; ".join(f"{package.name} is {package.state}{f' ({package.reason})' if package.reason else ''}" for package in packages)


def _reasons(parts: Sequence[Part], answer: Answer) -> str:
    told = [f"{part.name}: {part.missing or f'`{part.what}` cannot be exported'}" for part in parts]
    return "; ".join(told) or answer.reason or "none is found"
