"""Random valid specs, as YAML text, drawn from the whole language that a recipe allows."""

from tests.laws.drawing.recipe import numbers
from tests.laws.drawing.whole import random_spec

__all__ = ["numbers", "random_spec"]
