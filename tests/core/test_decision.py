"""A level is checked where it is made; a decision is plain data."""

import dataclasses
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import Decision, Level
from hybrid_llm.decision import Reason, Route
from hybrid_llm.errors import LevelError


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("quality", 0.0),
        ("quality", 2),
        ("quality", -0.1),
        ("quality", float("nan")),
        ("quality", True),
        ("quality", "high"),
        ("cost_advantage", 1.01),
        ("cost_advantage", -0.01),
        ("threshold", 2.1),
        ("threshold", float("inf")),
        ("speed", 0.5),
    ],
)
def test_a_level_out_of_range_is_refused_with_the_range(kind, value):
    with pytest.raises(LevelError, match=kind):
        Level(kind, value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("quality", 1.0),
        ("quality", 1e-6),
        ("cost_advantage", 0),
        ("cost_advantage", 1),
        ("threshold", 0),
        ("threshold", 2),
    ],
)
def test_the_ends_of_the_ranges_are_levels(kind, value):
    assert Level(kind, value).value == value


def test_two_levels_at_once_are_refused_by_name():
    with pytest.raises(LevelError, match="quality and threshold"):
        Level.of(quality=0.9, threshold=0.5)


def test_no_option_is_no_level():
    assert Level.of() is None


def test_numbers_in_text_become_numbers():
    assert Level("quality", "0.9") == Level("quality", 0.9)


def test_a_decision_is_frozen_and_copies_with_changes():
    decision = Decision("small", score=0.8, threshold=0.5, level=Level("threshold", 0.5), router_id="r")
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.route = "large"
    assert decision.override(route="large", reason="fallback").reason == "fallback"


def test_a_decision_is_plain_json():
    decision = Decision("small", score=0.8, threshold=0.5, level=Level("quality", 0.95), router_id="r")
    assert json.loads(json.dumps(decision.as_dict(), allow_nan=False)) == {
        "route": "small",
        "score": 0.8,
        "threshold": 0.5,
        "level": {"quality": 0.95},
        "reason": "score",
        "certified": False,
        "truncated": False,
        "familiar": None,
        "router_id": "r",
    }


@pytest.mark.parametrize("wrong", [{"route": "medium"}, {"reason": "because"}])
def test_route_and_reason_are_closed_vocabularies(wrong):
    with pytest.raises(LevelError):
        Decision(**{"route": "small", **wrong})


LEVELS = st.one_of(
    st.none(),
    st.floats(0, 1, exclude_min=True).map(lambda value: Level("quality", value)),
    st.floats(0, 1).map(lambda value: Level("cost_advantage", value)),
    st.floats(0, 2).map(lambda value: Level("threshold", value)),
)
DECISIONS = st.builds(
    Decision,
    route=st.sampled_from(get_args(Route)),
    score=st.none() | st.floats(0, 1),
    threshold=st.none() | st.floats(0, 2),
    level=LEVELS,
    reason=st.sampled_from(get_args(Reason)),
    certified=st.booleans(),
    truncated=st.booleans(),
    router_id=st.text(max_size=8),
)


@given(DECISIONS)
def test_a_decision_comes_back_from_json_as_it_went(decision):
    assert Decision.from_dict(json.loads(json.dumps(decision.as_dict(), allow_nan=False))) == decision


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"route": "small"},
        {"level": None},
        {"route": "medium", "level": None},
        {"route": "small", "level": None, "reason": "because"},
        {"route": "small", "level": {"quality": 7}},
        {"route": "small", "level": {"speed": 1}},
        {"route": "small", "level": "quality"},
        {"route": "small", "level": None, "model": "gpt"},
        {"route": ["small"], "level": None},
        {1: "small", "level": None},
        [],
        None,
        "small",
    ],
    ids=str,
)
def test_what_is_no_decision_is_refused(wrong):
    with pytest.raises(LevelError):
        Decision.from_dict(wrong)
