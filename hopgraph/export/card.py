"""The model card of a bundle: its manifest in words, as Markdown with the front matter that model hubs read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from hopgraph.export.markdown import code, plain, prose, table
from hopgraph.graph.certificate import Verdict
from hopgraph.runtime.manifest import Form, Manifest, Parity, Port
from hopgraph.train.run import words

CARD = "README.md"
MOST_LABELS = 40
"""How many labels are written out."""
ARXIV = re.compile(r"arXiv:([0-9]{4}\.[0-9]{4,5})")
PIPELINES = {"classification": "image-classification", "language": "text-generation"}
"""What hubs call a task, where they have a name for it."""

VERDICTS = {
    Verdict.GUARANTEED: "no update raises the energy",
    Verdict.CONTINUOUS_TIME: "the energy falls along the continuous dynamics; nothing is said of a finite step",
    Verdict.SMALL_STEP: "the energy falls for a small enough step, which need not be the model's",
    Verdict.SPLITTING: "each group of synapses descends its own part of the energy; their total may rise",
    Verdict.NONE: "there is no energy, or nothing keeps it from rising",
}
"""What is certified of a block's energy."""

EXAMPLES = {"image": ('["picture.png"]', "picture.png"), "tokens": ('["Once upon a time"]', "text.txt")}
"""What `predict` is given in Python and in a shell, by the kind of the input."""


def card(manifest: Manifest) -> str:
    """The text of a bundle's README.md, from nothing but its manifest. Equal manifests give equal texts."""
    parts = [_title(manifest), _energy(manifest), _training(manifest), _ports(manifest), _forms(manifest)]
    parts += [_use(manifest), _versions(manifest), _files(manifest)]
    front = yaml.safe_dump(front_matter(manifest), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{front}---\n\n" + "\n\n".join(parts) + "\n"


def front_matter(manifest: Manifest) -> dict[str, Any]:
    """What model hubs read: library, task, tags, data set and measured values."""
    exporters = dict.fromkeys(form.exporter for form in manifest.forms)
    found: dict[str, Any] = {"library_name": "hopgraph"}
    if manifest.task in PIPELINES:
        found["pipeline_tag"] = PIPELINES[manifest.task]
    found["tags"] = ["hopgraph", "associative-memory", "hopfield-network", *exporters]
    found["tags"] += [f"arxiv:{number}" for number in ARXIV.findall(manifest.cite)]
    if manifest.data.startswith("hf:"):
        found["datasets"] = [manifest.data.split(":")[1]]
    if manifest.test:
        found["model-index"] = [{"name": manifest.name, "results": [_result(manifest)]}]
    return found


def _result(manifest: Manifest) -> dict[str, Any]:
    metrics = [{"type": name, "value": value} for name, value in manifest.test.items()]
    task = {"type": PIPELINES.get(manifest.task, manifest.task)}
    return {"task": task, "dataset": {"name": manifest.data, "type": manifest.data, "split": "test"}, "metrics": metrics}


def _title(manifest: Manifest) -> str:
    cite = f" It follows {_cited(manifest.cite)}." if manifest.cite else ""
    settings = "".join(f", {code(setting)}" for setting in manifest.spec.settings)
    return (
        f"# {plain(manifest.name)}, {plain(manifest.variant)}\n\n"
        f"A hierarchical associative memory with {manifest.parameters:,} parameters, compiled by HopGraph from the spec "
        f"{code(manifest.name)}, variant {code(manifest.variant)}{settings}.{cite}"
    )


def _cited(cite: str) -> str:
    number = ARXIV.fullmatch(cite)
    return f"[{cite}](https://arxiv.org/abs/{number.group(1)})" if number else plain(cite)


def _energy(manifest: Manifest) -> str:
    rows = [[plain(item.block), plain(item.verdict), "; ".join(map(prose, item.reasons)) or "-"] for item in manifest.certificate]
    said = {item.verdict.split(" ")[0] for item in manifest.certificate}
    meanings = [f"- **{verdict.value}**: {meaning}." for verdict, meaning in VERDICTS.items() if verdict.value in said]
    parts = ["## Energy", table(["block", "certificate", "why it is not stronger"], rows), "\n".join(meanings)]
    if manifest.ledger:
        measured = [[code(name), f"{value:.4f}"] for name, value in manifest.ledger.items()]
        parts += ["How far the weights that the pulls of a synapse read are from each other, 0 where they are tied:"]
        parts += [table(["synapse", "weight asymmetry"], measured)]
    return "\n\n".join(part for part in parts if part)


def _training(manifest: Manifest) -> str:
    if not manifest.task:
        return f"## Training\n\nThe weights were not trained by HopGraph. They come from {code(manifest.data)}."
    text = f"## Training\n\nTrained for {plain(manifest.task)} on {code(manifest.data)}."
    names = list(manifest.test)
    if not names:
        return text
    rows = [[code(item.name), str(item.seed), *_values(item.test, names)] for item in manifest.weights]
    return f"{text}\n\n" + table(["weights", "seed", *(f"test {plain(words(name))}" for name in names)], rows)


def _values(test: Mapping[str, float], names: Sequence[str]) -> list[str]:
    return [f"{test[name]:.4f}" if name in test else "-" for name in names]


def _ports(manifest: Manifest) -> str:
    rows = [_port("reads", manifest.input), _port("gives", manifest.output)]
    parts = ["## Input and output", table(["", "name", "dtype", "axes", "shape"], rows)]
    if manifest.resize:
        kept = f"{manifest.resize.centre:g} of the sides of the largest piece around the centre that has the shape read"
        parts += [f"Image files are resized as in training: {kept}, scaled ({manifest.resize.interpolation})."]
    if manifest.mean:
        parts += [f"An input from 0 to 1 is normalized by channel: mean {_numbers(manifest.mean)}, std {_numbers(manifest.std)}."]
    if manifest.input.vocabulary is not None:
        source = f"those of {code(manifest.tokenizer)}" if manifest.tokenizer else "the bytes of a text in UTF-8"
        parts += [f"It knows {manifest.input.vocabulary:,} tokens, {source}."]
    if manifest.labels:
        parts += [f"The classes, in the order of the outputs: {_labels(manifest.labels)}."]
    return "\n\n".join(parts)


def _labels(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - MOST_LABELS:,} more" if len(labels) > MOST_LABELS else ""
    return ", ".join(map(code, labels[:MOST_LABELS])) + more


def _port(verb: str, port: Port) -> list[str]:
    return [verb, code(port.name), port.dtype, plain(", ".join(("batch", *port.axes))), " x ".join(_shape(port))]


def _shape(port: Port) -> list[str]:
    return ["batch", *port.sizes]


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)


def _forms(manifest: Manifest) -> str:
    names = list(dict.fromkeys(name for form in manifest.forms for parity in form.parity.values() for name in parity.test))
    head = ["form", "dtype", "file", "bytes", "runtime", "parity", "error, random", "error, real"]
    rows = [row for form in manifest.forms for row in _form(manifest, form, names)]
    about = (
        "Every form was run by its runtime, at several batch sizes, and compared with the model in float64. The errors are the largest "
        "relative ones; a form that exceeds the tolerance of its dtype is not written. Bytes are those of all files that a form reads."
    )
    return "\n\n".join(("## Files and parity", about, table([*head, *(f"test {plain(words(name))}" for name in names)], rows)))


def _form(manifest: Manifest, form: Form, names: Sequence[str]) -> Iterator[list[str]]:
    sizes = {file.path: file.bytes for file in manifest.files}
    about = [plain(form.exporter), form.dtype, code(form.file), f"{sum(sizes[name] for name in form.files):,}"]
    for runtime, parity in form.parity.items():
        yield [*about, plain(runtime), "within tolerance", *_errors(parity), *_values(parity.test, names)]
    for runtime, reason in form.not_run.items():
        yield [*about, plain(runtime), f"not run here: {prose(reason)}", "-", "-", *("-" for _ in names)]
    if not form.parity and not form.not_run:
        yield [*about, "-", "no runtime", "-", "-", *("-" for _ in names)]


def _errors(parity: Parity) -> list[str]:
    return [f"{parity.random:.1e}", "-" if parity.real is None else f"{parity.real:.1e}"]


def _use(manifest: Manifest) -> str:
    return "\n\n".join(("## Use", _fenced("python", _in_python(manifest)), _fenced("console", _in_a_shell(manifest))))


def _in_python(manifest: Manifest) -> list[str]:
    given, normalized = manifest.input, ", normalized" if manifest.mean else ""
    lines = ["from hopgraph.runtime import Bundle  # or hopgraph_runtime, which comes without torch", "", 'bundle = Bundle.open("BUNDLE")']
    if given.kind in EXAMPLES:
        lines += [f"outputs = bundle.predict({EXAMPLES[given.kind][0]})"]
    return [*lines, f"outputs = bundle.session()(inputs)  # {given.dtype} [{', '.join(_shape(given))}]{normalized}"]


def _in_a_shell(manifest: Manifest) -> list[str]:
    kind = manifest.input.kind
    lines = [f"$ hopgraph predict BUNDLE {EXAMPLES[kind][1]}"] if kind in EXAMPLES else []
    lines += ["$ hopgraph serve BUNDLE  # the open inference protocol over HTTP"]
    return [*lines, "$ tritonserver --model-repository BUNDLE/triton"] if manifest.form("triton") else lines


def _fenced(language: str, lines: Sequence[str]) -> str:
    return "\n".join((f"```{language}", *lines, "```"))


def _versions(manifest: Manifest) -> str:
    rows = [[plain(name), plain(version)] for name, version in manifest.versions.items()]
    return "## Versions\n\n" + table(["made with", "version"], rows)


def _files(manifest: Manifest) -> str:
    rows = [[code(file.path), f"{file.bytes:,}", f"`{file.sha256}`"] for file in manifest.files if file.path != CARD]
    return "## SHA-256\n\n" + table(["file", "bytes", "SHA-256"], rows)
