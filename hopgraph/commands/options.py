"""The program's commands hang on one `app`; here it is, with the arguments and options that several of them share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hopgraph.commands import completion

if TYPE_CHECKING:
    from hopgraph.passes.pipeline import CheckedSpec

app = typer.Typer(
    name="hopgraph",
    help="A compiler for hierarchical associative memories: YAML to energy, to PyTorch, to ONNX and TensorRT.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)

Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC", help="A .yaml file, or the name of a shipped spec such as `paramixer`.", autocompletion=completion.specs
    ),
]
Variant = Annotated[
    str | None,
    typer.Option("--variant", metavar="A,B", help="Variants to lay over the spec, in order.", autocompletion=completion.variants),
]
Setting = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="A field to set, as dims.C=256. May be repeated.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
AllowLarge = Annotated[bool, typer.Option("--allow-large", help="Allocate a model of more than a thousand million parameters.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
AnySetting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="A field to set: of the spec, as dims.C=256; of the recipe, as recipe.epochs=5."),
]
RecipeName = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="RECIPE",
        help="A .yaml file, or the name of a shipped recipe, as `paramixer-cifar10`.",
        autocompletion=completion.recipes,
    ),
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Of the recipe: how often to go through the training data.")]
DataName = Annotated[str | None, typer.Option("--data", metavar="DATA", help="Of the recipe: a name, file or folder; digits by default.")]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Of the recipe: examples that a process takes at once.")]
LearningRate = Annotated[float | None, typer.Option(min=0.0, help="Of the recipe: AdamW's rate after warm-up.")]
WeightDecay = Annotated[float | None, typer.Option(min=0.0, help="Of the recipe: AdamW's decay of matrices.")]


def load_spec(spec: str, variant: str | None, settings: Sequence[str] | None) -> CheckedSpec:
    """The checked spec of the arguments that most commands take. Raises HopgraphError."""
    from hopgraph.passes.pipeline import load

    return load(spec, variant, settings)
