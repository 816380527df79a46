"""The JSON Schema of a bundle's manifest (draft 2020-12), from the records that read it: whoever reads a bundle can check by it.

It allows what `hopgraph.runtime` reads, and nothing else. That the hashes are those of the files no schema can say.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from hopgraph.frontend.schema import DIALECT
from hopgraph.runtime.manifest import FORMAT, INTERPOLATIONS, Manifest

ID = f"urn:hopgraph:manifest:{FORMAT}"
"""The name of the schema; a new format has a new one."""
RENEW = "hopgraph schema --manifest -o specs/manifest.schema.json"
"""The command that writes the shipped file anew."""

MEANING = {
    "hopgraph_bundle": "the format of the bundle",
    "name": "the name of the spec",
    "variant": "its variants, joined by commas; `default` for none",
    "cite": "the paper that the spec names; empty for none",
    "spec": "the spec itself, so that the bundle can be compiled again",
    "spec.name": "the file that it was read from",
    "spec.text": "its YAML",
    "spec.variants": "the variants laid over it, in their order",
    "spec.settings": "the settings laid over it, as `--set` takes them",
    "spec.sha256": "the hash of the text in UTF-8",
    "dims": "every dim with its value",
    "parameters": "how many numbers were trained",
    "input": "what the model reads",
    "output": "what it gives",
    "input.name": "the name of the tensor in every form",
    "input.kind": "`image`, `tokens`, `tensor` or `state`",
    "input.dtype": "`float32`, or `int64` for tokens, in every form",
    "input.axes": "the names of the dimensions after the batch",
    "input.shape": "their sizes, the largest where one may vary",
    "input.least": "the smallest; equal to `shape` where the sizes are fixed",
    "input.vocabulary": "how many tokens there are; null where none are read",
    "resize": "how the run brought images to the size that the model reads, which is done to image files again; null where it did not",
    "resize.centre": "the share of the sides of the largest piece of that shape around the centre that is kept",
    "resize.interpolation": "how pixels in between are computed",
    "mean": "by channel, what is taken from an input that runs from 0 to 1",
    "std": "by channel, what it is then divided by",
    "labels": "the names of the classes in the order of the outputs; empty where there are none",
    "tokenizer": "the file of the tokenizer; null where bytes are the tokens or none are read",
    "task": "what the model was trained to do; empty where it was not trained here",
    "data": "the data that it was trained on",
    "test": "what the task measured on the test split",
    "certificate": "what the compiler proves of the energy, by block",
    "certificate.block": "the block",
    "certificate.verdict": "the verdict, with the steps that it holds for",
    "certificate.reasons": "why it is not stronger",
    "ledger": "by synapse, the measured asymmetry of the trained weights, 0 for tied ones and at most 1",
    "versions": "what the bundle was made with",
    "weights": "the sets of trained weights, one for each run; the first is the one that is run unless another is asked for",
    "weights.name": "the name of the set",
    "weights.seed": "the seed of its run",
    "weights.test": "what the task measured with it on the test split",
    "weights.files": "the files that stand for those that the forms read, by the latter's names",
    "forms": "the model as each exporter wrote it, by dtype",
    "forms.exporter": "the exporter",
    "forms.dtype": "the dtype that it computes in",
    "forms.file": "the file that a runtime opens",
    "forms.files": "all files that it reads, this one too",
    "forms.parity": "by runtime, how far its outputs are from the model in float64",
    "forms.parity.random": "the largest relative error at random inputs",
    "forms.parity.real": "the same at inputs of the test split; null where no data were at hand",
    "forms.parity.test": "what the task measured on the test split with this runtime",
    "forms.not_run": "by runtime, why it could not run where the bundle was made",
    "forms.facts": "what the exporter says of the form",
    "files": "every file of the bundle but the manifest",
    "files.path": "its place in the bundle, with `/`",
    "files.bytes": "its size",
    "files.sha256": "its hash in hexadecimal",
}
"""Every field in words, by its path; `output` has the fields of `input`."""

OWNERS = {
    "Manifest": "",
    "SpecSource": "spec",
    "Port": "input",
    "Resize": "resize",
    "Verdict": "certificate",
    "Weights": "weights",
    "Form": "forms",
    "Parity": "forms.parity",
    "File": "files",
}
"""Where the record of that name stands in the manifest."""

_HASH = {"pattern": "^[0-9a-f]{64}$"}
NARROWER: Mapping[str, Mapping[str, object]] = {
    "hopgraph_bundle": {"const": FORMAT},
    "parameters": {"minimum": 0},
    "spec.sha256": _HASH,
    "resize.centre": {"exclusiveMinimum": 0, "maximum": 1},
    "resize.interpolation": {"enum": list(INTERPOLATIONS)},
    "files.bytes": {"minimum": 0},
    "files.sha256": _HASH,
}
"""What the type of a field does not say."""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, for records that take no other fields."""

    schema_dialect = DIALECT

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        """A record: every field has to be given, none may be added."""
        made = super().dataclass_schema(schema)
        owner = OWNERS[schema["cls"].__name__]
        for name, field in made["properties"].items():
            path = f"{owner}.{name}" if owner else name
            field.update(NARROWER.get(path, {}), description=MEANING[path])
        made.pop("title")
        return {"description": inspect.getdoc(schema["cls"]), **made, "additionalProperties": False}

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: it only repeats the name."""
        return False


def json_schema() -> dict[str, Any]:
    """The schema; the same at every call."""
    made = TypeAdapter(Manifest).json_schema(schema_generator=_Generator)
    return {"$schema": DIALECT, "$id": ID, "title": "HopGraph bundle manifest", **made}


def schema_text() -> str:
    """The schema as the text of the shipped file."""
    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"
