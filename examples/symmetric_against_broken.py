"""What breaking the symmetry does to a block: compile two variants of one spec, and measure.

Run it with `python examples/symmetric_against_broken.py`.
"""

import torch

import hopgraph
from hopgraph.lower.ledger import energy_trace, pull_asymmetry


def main() -> None:
    """Print the certificate, the asymmetry of du/dg and the energy of each variant that has one."""
    torch.manual_seed(0)
    for variant in ("relu", "symmetric", "broken"):
        model = hopgraph.compile("paramixer", variant=f"{variant},digits").double()
        state = torch.randn(4, 16, 64, dtype=torch.float64)
        print(f"{variant}: certificate {model.certificate}, asymmetry {pull_asymmetry(model, state):.2f}")
        if model.has_energy:
            energies = energy_trace(model, state, steps=10).mean(1)
            print(f"  energy over 10 steps: {', '.join(f'{energy:.1f}' for energy in energies[::2])}")
        else:
            print(f"  no energy: {model.certificate.reasons[0].text}")


if __name__ == "__main__":
    main()
