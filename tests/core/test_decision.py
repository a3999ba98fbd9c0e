"""A decision is plain data, that comes back from metadata and checkpoints."""

import dataclasses
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import Decision, Level
from hybrid_llm.decision import Reason, Route
from hybrid_llm.errors import LevelError


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
        "look": None,
        "private": False,
        "shadow": None,
        "void_reason": "",
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


def test_a_key_that_a_later_version_wrote_costs_no_decision():
    decision = Decision("small", 0.9, 0.5, Level("threshold", 0.5), router_id="r")
    assert Decision.from_dict({**decision.as_dict(), "weather": {"score": 0.8}, "familiarity": 1}) == decision


@pytest.mark.parametrize("held", [{}, {"hybrid": None}, {"hybrid": "small"}, {"hybrid": {"route": "medium"}}])
def test_metadata_without_a_decision_of_ours_holds_none(held):
    assert Decision.found_in(held) is None


def test_a_decision_is_found_in_the_metadata_that_holds_it():
    decision = Decision("large", reason="forced")
    assert Decision.found_in({"model": "gpt-4o", "hybrid": decision.as_dict()}) == decision
