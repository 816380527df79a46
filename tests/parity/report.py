"""The parity table: `python -m tests.parity.report` prints each architecture with its worst errors."""

from __future__ import annotations

import torch

from .measure import cases, measure, rounding


def main() -> None:
    """Errors in float64 of outputs and gradients, in evaluation and in training; in float32, and there what rounding alone makes."""
    head = ("output", "gradient", "training", "gradient", "float32", "gradient", "rounding")
    print(f"{'original':32} {' '.join(f'{word:>9}' for word in head)}")
    for case in cases():
        exact, single = measure(case, torch.float64), measure(case, torch.float32)
        in_float64 = (exact.output, exact.gradient, max(exact.training_output, exact.statistics), exact.training_gradient)
        numbers = (*in_float64, single.values, single.gradients, rounding(case))
        print(f"{case.name:32} " + " ".join(f"{number:9.1e}" for number in numbers), flush=True)


if __name__ == "__main__":
    main()
