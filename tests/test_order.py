"""Circles of names that read each other, held against networkx on random graphs."""

import time

import networkx as nx
import numpy as np
import pytest

from hopgraph.graph.order import arrange


def randomly(seed: int) -> dict[str, tuple[str, ...]]:
    """Some names with those that they read."""
    drawn = np.random.default_rng(seed)
    names = [f"n{index}" for index in range(drawn.integers(1, 13))]
    share = drawn.random() / 2
    return {name: tuple(other for other in names if drawn.random() < share) for name in names}


@pytest.mark.parametrize("seed", range(60))
def test_circles_and_order_are_those_of_networkx(seed: int) -> None:
    reads = randomly(seed)
    graph = nx.DiGraph((other, name) for name, others in reads.items() for other in others)
    sets = [frozenset(members) for members in nx.strongly_connected_components(graph)]
    circles = {members for members in sets if len(members) > 1 or graph.has_edge(*members, *members)}
    found = arrange(reads)
    assert set(found.circles) == circles
    assert len(found.circles) == len(circles)
    inside = frozenset[str]().union(*circles)
    assert set(found.order) == set(reads) - inside
    rank = {name: index for index, name in enumerate(found.order)}
    assert all(rank[other] < rank[name] for name in found.order for other in reads[name] if other not in inside)


def test_circles_come_in_the_order_of_the_names() -> None:
    reads = {"d": ("c",), "c": ("d",), "z": (), "b": ("b",), "a": ("z", "d")}
    assert arrange(reads).circles == (frozenset("cd"), frozenset("b"))
    assert arrange(reads).order == ("z", "a")


@pytest.mark.parametrize("size", [2000])
def test_the_time_is_linear(size: int) -> None:
    """Chains, one large circle and many small ones, of a size for which a quadratic search would take seconds."""
    chain = {f"a{index}": (f"a{index + 1}",) for index in range(size)} | {f"a{size}": ()}
    circle = {f"b{index}": (f"b{(index + 1) % size}", "a0") for index in range(size)}
    pairs = {f"c{index}": (f"c{index ^ 1}", f"c{max(0, index - 2)}") for index in range(size)}
    start = time.process_time()
    found = arrange({**chain, **circle, **pairs})
    assert time.process_time() - start < 1
    assert [len(members) for members in found.circles] == [size, *[2] * (size // 2)]
