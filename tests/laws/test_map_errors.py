"""What linear maps refuse, and what they say of it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hopgraph.energy.maps import MAPS
from hopgraph.energy.records import UNKNOWN, RecordError
from hopgraph.frontend.choice import Choice

from .test_maps import Written, case

SIZES = {"n": 6, "c": 4, "r": 8, "w": 8, "k": 6, "m": 5, "r2": 4, "w2": 4, "h": 2}


@pytest.mark.parametrize(
    ("kind", "given", "message", "at"),
    [
        ("dense", {"k": "m"}, "the map reads axis `k`, which its input does not have", "axes"),
        ("dense", {"from": ["c", "k"], "to": "m"}, "the map reads axis `k`, which its input does not have", "axes"),
        ("dense", {"c": "n"}, "the map would give the axis `n` twice", "axes"),
        ("dense", {"c": "m", "per": "h"}, "the map reads axis `h`, which its input does not have", "per"),
        ("dense", {"c": "m", "per": "c"}, "axis `c` is in both `per` and `from`", "per"),
        ("dense", {"c": "m", "mask": "causal"}, "`mask` needs two axes of one size; `c` has 4 and `m` has 5", "mask"),
        ("dense", {"c": "m", "toeplitz": True}, "`toeplitz` needs two axes of one size; `c` has 4 and `m` has 5", "toeplitz"),
        ("dense", {"from": ["n", "c"], "to": "m", "mask": "strict"}, "`mask` needs a map of one axis to one axis", "mask"),
        ("conv", {"over": "k", "kernel": 3}, "the map reads axis `k`, which its input does not have", "over"),
        ("conv", {"over": "r", "kernel": 3, "map": {"k": "m"}}, "the map reads axis `k`, which its input does not have", "map"),
        ("conv", {"over": "r", "kernel": 3, "map": {"r": "m"}}, "axis `r` is in both `map` and `over`", "map"),
        ("conv", {"over": "r", "kernel": 3, "per": "r"}, "axis `r` is in both `per` and `over`", "per"),
        ("conv", {"over": "r", "kernel": 3, "map": {"c": "m"}, "per": "c"}, "axis `c` is in both `per` and `map`", "per"),
        ("conv", {"over": "r", "kernel": 3, "per": "c", "mask": "causal"}, "`mask` needs a `map` of one axis to one axis", "mask"),
        (
            "conv",
            {"over": "r", "kernel": 3, "map": {"c": "m"}, "mask": "causal"},
            "`mask` needs two axes of one size; `c` has 4 and `m` has 5",
            "mask",
        ),
        ("conv", {"over": ["r", "w"], "kernel": [3, 3, 3]}, "`kernel` has 3 values for the 2 axes of `over`", "kernel"),
        (
            "conv",
            {"over": "r", "kernel": 3, "padding": [1, 2]},
            "`padding` has 2 values for the 1 axes of `over`; a pair [before, after] is itself an entry of the list",
            "padding",
        ),
        (
            "conv",
            {"over": "r", "kernel": 9, "padding": "valid"},
            "a window spans 9 positions, and axis `r` has 8 with its padding",
            "kernel",
        ),
        (
            "conv",
            {"over": "r", "kernel": 3, "padding": "valid"},
            "axis `r` has 8 positions and would have 6: name the result's, `over: {r: ...}`, one of size 6",
            "over",
        ),
        (
            "conv",
            {"over": {"r": "r2"}, "kernel": 3, "stride": 3},
            "axis `r2` has 4 positions and should have 3: `r` has 8",
            "over",
        ),
        ("conv", {"over": {"r": "w"}, "kernel": 3}, "the map would give the axis `w` twice", "over"),
        (
            "conv",
            {"over": {"r": "r2"}, "kernel": 3, "stride": 2, "padding": "causal"},
            "causal padding needs stride 1: else a position of the result reads later ones",
            "padding",
        ),
        (
            "pool",
            {"over": {"r": "r2"}, "kernel": 2, "stride": 2, "padding": 2},
            "axis `r2` has 4 positions and should have 6: `r` has 8",
            "over",
        ),
        ("pool", {"over": "r", "kernel": 2, "padding": [[2, 0]]}, "axis `r` has 8 positions and would have 9", "over"),
        (
            "pool",
            {"over": "r", "kernel": 17},
            "windows of 17 positions on axis `r` of size 8: 15 reach every position from every other",
            "kernel",
        ),
        ("scale", {"gain": ["k"]}, "the map reads axis `k`, which its input does not have", "gain"),
        ("mask", {"causal": ["n", "k"]}, "the map reads axis `k`, which its input does not have", "axes"),
        ("rename", {"k": "m"}, "the map reads axis `k`, which its input does not have", "axes"),
        ("rename", {"c": "m"}, "a renaming needs two axes of one size; `c` has 4 and `m` has 5", "axes"),
        ("rename", {"r": "w"}, "the map would give the axis `w` twice", "axes"),
        ("batch_norm", {"per": "k"}, "the map reads axis `k`, which its input does not have", "per"),
        ("batch_norm", {"per": "c", "momentum": 2}, "a momentum is at most 1, where only the last batch counts", "momentum"),
    ],
)
def test_a_map_refuses(kind: str, given: Written, message: str, at: str) -> None:
    with pytest.raises(RecordError) as raised:
        _ = case(kind, given, ["n", "c", "r", "w"], SIZES).target
    assert raised.value.message.startswith(message)
    assert raised.value.field == at


def test_padding_that_windows_would_be_made_of() -> None:
    with pytest.raises(RecordError, match="padding 2 along `r` leaves windows of 2 nothing but padding"):
        _ = case("pool", {"over": {"r": "q"}, "kernel": 2, "padding": [[2, 0]]}, ["r"], {"r": 8, "q": 9}).target


@pytest.mark.parametrize(("kind", "given"), [("dense", {"c": "m", "mask": "causal"}), ("conv", {"over": {"r": "r2"}, "kernel": 3})])
def test_sizes_that_are_not_known_are_not_checked(kind: str, given: Written) -> None:
    unknown = dict.fromkeys(SIZES, UNKNOWN)
    assert case(kind, given, ["n", "c", "r", "w"], unknown).target


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("dense", "c", "a mapping of one axis to another, such as `{c: m}`"),
        ("dense", {"c": "m", "n": "k"}, "a mapping of exactly one axis, such as `{c: m}`"),
        ("dense", {"from": "c"}, "a mapping with `from` and `to`, such as `{from: [h, y], to: c}`"),
        ("dense", {"from": ["c", "c"], "to": "m"}, "an axis or a list of axes, each once"),
        ("dense", {"c": "m", "mask": "upper"}, "a map whose `mask` is `causal` (j <= i)"),
        ("dense", {"c": "c", "mask": "causal", "rank": 2}, "a map with `rank`, or one with `mask`, `toeplitz` or `spectral`"),
        ("dense", {"c": "c", "spectral": 0}, "a positive number"),
        ("conv", {"over": [], "kernel": 3}, "an axis or a list of axes, each once"),
        ("conv", {"over": ["a", "b", "c", "d"], "kernel": 3}, "one axis to 3"),
        ("conv", {"over": "r", "kernel": []}, "an integer or an expression on dims, or a list with one for each axis"),
        ("conv", {"over": "r", "kernel": 3, "padding": -1}, "`same`, `valid`, `causal`, an integer that is not negative"),
        ("conv", {"over": "r", "kernel": 3, "padding": "full"}, "`same`, `valid`, `causal`, an integer that is not negative"),
        ("conv", {"over": "r", "kernel": 3, "map": {"c": "m", "d": "e"}}, "a mapping of one axis to another, such as `{c: m}`"),
        ("scale", 0, "a number that is not zero"),
        ("scale", float("nan"), "a number that is not zero"),
        ("scale", {"by": 2}, "a number, or `{gain: [c]}` or `{gain: scalar}`"),
        ("scale", {}, "a number, or `{gain: [c]}` or `{gain: scalar}`"),
        ("mask", {"upper": ["q", "k"]}, "one of `{causal: [q, k]}`"),
        ("mask", {"band": ["q", "k"]}, "one of `{causal: [q, k]}`"),
        ("mask", {"causal": ["q"]}, "`{causal: [q, k]}` with two axes"),
        ("rename", {}, "a mapping of axes to their new names, such as `{c: m}`"),
    ],
)
def test_what_is_no_map_is_said_so(kind: str, given: Written, expected: str) -> None:
    """A shorthand's own errors come through pydantic, as they do in a spec."""
    table = Choice("linear map", {kind: (MAPS[kind].options, MAPS[kind].shorthand)})
    with pytest.raises(ValidationError) as raised:
        table.model.model_validate({kind: given})
    assert any(expected in str(error["msg"]) for error in raised.value.errors())
