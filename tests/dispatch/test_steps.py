"""What pairs behind pairs tell each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Capabilities, Request, Window, as_an_arm, decision_at, is_marked, noted_at
from hybrid_llm.dispatch.steps import attempts_of
from hybrid_llm.event import Attempt

STEPS: list[dict[str, Any]] = [Decision(route).as_dict() for route in ("large", "small")]
NOTED: dict[str, Any] = {"hybrid": {**STEPS[0], "steps": STEPS}}


def test_a_pair_finds_its_own_decision_by_the_routes_that_lead_to_it() -> None:
    assert decision_at(NOTED) == Decision("large")
    assert decision_at(NOTED, ("large",)) == Decision("small")
    assert decision_at(NOTED, ("small",)) is None
    assert decision_at(NOTED, ("large", "small")) is None


@pytest.mark.parametrize("rubbish", [None, 7, "steps", [7, None], [{"route": "large"}, 7], {"a": 1}])
def test_rubbish_in_place_of_steps_is_no_decision_and_no_mark(rubbish: Any) -> None:
    noted = {"hybrid": {**STEPS[0], "steps": rubbish}}
    assert noted_at(noted, ("large",)) is None
    assert not is_marked(noted)


def test_the_calls_of_an_inner_pair_are_those_of_the_arm_that_it_is() -> None:
    inner = [Attempt("small", "b", 1.0, False, "Timeout"), Attempt("large", "c", 2.0, True)]
    noted = {"attempts": [one.as_dict() for one in inner]}
    shown = attempts_of(noted, Attempt("large", "b or c", 3.0, True, text="4"))
    assert [(one.route, one.model, one.kept, one.text) for one in shown] == [
        ("large", "b", False, None),
        ("large", "c", True, "4"),
    ]
    thrown_away = attempts_of(noted, Attempt("small", "b or c", 3.0, False, text="4"))
    assert [one.kept for one in thrown_away] == [False, False]


def test_one_private_step_marks_the_whole_answer() -> None:
    steps = [STEPS[0], {**STEPS[1], "private": True}]
    assert is_marked({"hybrid": {**STEPS[0], "steps": steps}})
    assert not is_marked(NOTED)


def test_a_pair_can_serve_what_either_of_its_arms_can() -> None:
    picture = frozenset({"image"})
    small = Capabilities(model="b", context_window=Window(lambda: 5000), closes=True)
    large = Capabilities(model="c", context_window=9000, modalities=picture, forced_tool=True)
    pair = as_an_arm(small, large)
    assert pair.waits(8000)
    assert pair.missing(Request("?", modalities=picture, forced_tool=True, tokens=8000)) is None
    assert pair.missing(Request("?", tokens=10_000)) == "context"
    assert as_an_arm(large, replace(large, context_window=3000)).context_window == 9000
    assert (pair.closes, pair.place, pair.is_pair) == (False, None, True)
