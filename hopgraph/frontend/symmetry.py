"""The models of a symmetry: what a pull reads."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, StrictStr, model_validator

from hopgraph.energy.options import (
    JsonSchema,
    NotNegative,
    OptionModel,
    Positive,
    as_mapping,
    either,
    mapping_of,
    without_null,
    wrong,
)
from hopgraph.frontend.choices import Chain


class Penalty(OptionModel):
    """The lambda of lambda |V|^2: a number, `{from: 1e-2, to: 0}` along training, or `{learned: 1e-3}` with a prior."""

    implied: ClassVar[tuple[str, ...]] = ("constant",)

    constant: NotNegative | None = None
    start: NotNegative | None = Field(default=None, alias="from")
    end: NotNegative | None = Field(default=None, alias="to")
    schedule: Literal["linear", "cosine", "geometric"] = "linear"
    learned: Positive | None = None
    prior: Positive = 1e-6

    @model_validator(mode="after")
    def _one_kind(self) -> Penalty:
        given = self.model_fields_set
        kinds = ({"constant"}, {"start", "end"}, {"start", "end", "schedule"}, {"learned"}, {"learned", "prior"})
        if given not in kinds or (self.schedule == "geometric" and not (self.start and self.end)):
            raise wrong("a number, `{from: 1e-2, to: 1e-4}` with a schedule (geometric between positive numbers), or `{learned: 1e-3}`")
        return self

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A number, or one of two mappings."""
        fields = {name: without_null(field) for name, field in mapping["properties"].items()}
        scheduled = mapping_of({name: fields[name] for name in ("from", "to", "schedule")}, "from", "to")
        positive = {"properties": {name: {"exclusiveMinimum": 0} for name in ("from", "to")}}
        geometric = {"if": {"properties": {"schedule": {"const": "geometric"}}, "required": ["schedule"]}, "then": positive}
        learned = mapping_of({name: fields[name] for name in ("learned", "prior")}, "learned")
        return either(fields["constant"], {**scheduled, **geometric}, learned)


def _penalty(value: Any) -> Any:
    if value is None or "constant" in (as_mapping(value) or ()):
        raise wrong("a number for lambda, `{from: 1e-2, to: 0}` or `{learned: 1e-3}`")
    return {"constant": value} if as_mapping(value) is None else value


class Own(OptionModel):
    """`own: {return: [...]}`: an explicit chain, applied forwards to the product of the other factors."""

    chain: Chain = Field(alias="return")


class SymmetryKind(OptionModel):
    """What one pull reads: `tied`, `own`, `off`, `{penalized: lambda}`, or `{own: {return: [...]}}`."""

    kind: Literal["tied", "own", "off", "penalized"]
    penalty: Annotated[Penalty | None, BeforeValidator(_penalty)] = Field(default=None, alias="penalized")
    own: Own | None = None

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A word, or one of two mappings."""
        fields = mapping["properties"]
        penalized = mapping_of({"penalized": without_null(fields["penalized"])}, "penalized")
        return either({"enum": ["tied", "own", "off"]}, penalized, mapping_of({"own": fields["own"]}, "own"))


def _kind(value: Any) -> Any:
    if value in ("tied", "own", "off"):
        return {"kind": value}
    given = as_mapping(value)
    if given is not None and len(given) == 1 and set(given) <= {"penalized", "own"}:
        return {"kind": next(iter(given)), **given}
    raise wrong("`tied`, `own`, `off`, `{penalized: lambda}` or `{own: {return: [...]}}`")


SymmetryKindField = Annotated[SymmetryKind, BeforeValidator(_kind)]


class Symmetry(OptionModel):
    """The symmetry of a whole synapse, or of its pulls by factor (those left out are tied)."""

    whole: SymmetryKindField | None = None
    pulls: dict[StrictStr, SymmetryKindField] = Field(default_factory=dict)

    @classmethod
    def as_written(cls, mapping: JsonSchema) -> JsonSchema:
        """A word or a penalty for the whole, or a mapping of factors."""
        fields = mapping["properties"]
        whole = {**without_null(fields["whole"]), "not": {"type": "object", "required": ["own"]}}
        return either(whole, {**without_null(fields["pulls"]), "properties": {"penalized": False}})


def _symmetry(value: Any) -> Any:
    given = as_mapping(value)
    return {"whole": value} if given is None or "penalized" in given else {"pulls": given}


SymmetryField = Annotated[Symmetry, BeforeValidator(_symmetry)]
