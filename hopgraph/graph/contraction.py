"""Whether the iteration of a circle of fast layers contracts, from bounds alone.

A layer i of the circle is f_i(sum_j B_ij g_j + fields), so a change of g_j changes g_i by at most M_ij = Lip(f_i) |B_ij| times
as much. Where the spectral radius of M is below 1 the Picard iteration (Gauss-Seidel as well) converges, at that rate. For two
layers with one matrix each way the radius is the root of |W1| |W2| Lip(f_1) Lip(f_2): with 0.9 and gelu,
0.81 * 1.129^2 = 1.03, which does not contract.
"""

from __future__ import annotations

import math

from hopgraph.graph.ham import Block, Chain, Circle, Pull, Synapse

DOUBLINGS = 30
"""M is squared so many times: the root of |M^k| at k = 2^30 is the radius to nine digits."""


def contraction_rate(block: Block, circle: Circle) -> float | None:
    """The rate at which one iteration shrinks the distance to the solution; None where a norm has no bound.

    Of two layers, solved in turn, it is the squared radius; of more the radius bounds it (Stein and Rosenberg).
    """
    matrix = [[_influence(block, name, other) for other in circle.order] for name in circle.order]
    if any(entry is None or not math.isfinite(entry) for row in matrix for entry in row):
        return None
    radius = _radius([[entry or 0.0 for entry in row] for row in matrix])
    return radius**2 if len(circle.order) == 2 else radius


def _influence(block: Block, name: str, other: str) -> float | None:
    """Lip(f_name) times the norm of what layer `other` gives to it; None where that has no bound."""
    total = 0.0
    for synapse, pull in block.pulls_on(name):
        sources = [factor for factor in synapse.factors if factor.name != pull.factor]
        if not any(factor.layer == other for factor in sources):
            continue
        bound = _pull_bound(synapse, pull)
        if len(sources) > 1 or bound is None:
            return None
        total += bound
    layer = block.layer(name)
    return layer.record.lipschitz(layer.options) * total if total else 0.0


def _pull_bound(synapse: Synapse, pull: Pull) -> float | None:
    target = synapse.factor(pull.factor)
    (source,) = (factor for factor in synapse.factors if factor is not target)
    there, back = chain_bound(source.chain), chain_bound(pull.returns if pull.returns is not None else target.chain)
    return None if there is None or back is None else there * back


def chain_bound(chain: Chain) -> float | None:
    """A bound of a chain's spectral norm that holds whatever its weights are."""
    product = 1.0
    for step in chain:
        if step.kind == "sum":
            parts = [chain_bound(branch) for branch in step.branches]
            bound = None if None in parts else sum(part or 0.0 for part in parts)
        else:
            bound = step.record.bound(step.options)
        if bound is None:
            return None
        product *= bound
    return product


def _radius(matrix: list[list[float]]) -> float:
    """The spectral radius of a matrix without negative entries, by squaring it."""
    size = range(len(matrix))
    logarithm = 0.0
    for doubling in range(DOUBLINGS):
        largest = max(max(row) for row in matrix)
        if largest == 0:
            return 0.0
        logarithm += math.log(largest) / 2**doubling
        scaled = [[entry / largest for entry in row] for row in matrix]
        matrix = [[sum(scaled[i][k] * scaled[k][j] for k in size) for j in size] for i in size]
    return math.exp(logarithm)
