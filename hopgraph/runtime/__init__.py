"""Run bundles without torch: `Bundle.open(path).predict(images)`. Nothing is imported but numpy and, when it runs, the runtime itself."""

from __future__ import annotations

from .answers import Answer, Failed
from .bundle import Bundle
from .manifest import Form, Manifest, Parity, Port
from .meaning import Classified, Computed, Continued
from .problems import BundleError
from .record import Array, Opening, Predict, Runtime
from .session import Session

__all__ = [
    "Answer",
    "Array",
    "Bundle",
    "BundleError",
    "Classified",
    "Computed",
    "Continued",
    "Failed",
    "Form",
    "Manifest",
    "Opening",
    "Parity",
    "Port",
    "Predict",
    "Runtime",
    "Session",
]
