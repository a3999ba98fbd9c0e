"""What a second look costs and takes, by hand: small is paid where it was asked, large where its answer is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hybrid_llm import QualityTable, Router
from hybrid_llm.look import Bound, Ladder, Path, PathCalibration, SecondLook, logprobs_head
from hybrid_llm.report import Looked, evaluate_look
from hybrid_llm.testing import FixedScorer

CHECKER = "other"


def looked(**changes: Any) -> Looked:
    """Judge a look that keeps the surer half of the answers, on forty rows."""
    ladder, ones = Ladder((0.0,), (0.5,)), np.ones(2)
    measured = PathCalibration.of(ladder, None, np.array([0.1, 0.9]), ones > 0, ones, ones, ones)
    bound = Bound("small", "large", (CHECKER,))
    look = SecondLook("trained", bound, {("logprobs",): Path(logprobs_head(), ladder, measured)})
    rows = [
        {
            "query": f"Question {i}?",
            "quality": {"small": [float(i % 2)], "large": [1.0]},
            "responses": {"small": ["18"], "large": ["18"], CHECKER: ["18"]},
            "logprobs": {"small": [[-0.1 if i % 2 else -2.0]]},
            "cost_usd": {"small": [0.01], "large": [1.0]},
            "seconds": {"small": [2.0], "large": [3.0], CHECKER: [5.0]},
            **changes,
        }
        for i in range(40)
    ]
    pair = QualityTable.from_rows(rows).pair("small", "large")
    found = evaluate_look(Router(FixedScorer(0.5), looks={"trained": look}), pair, levels=[0.9], repetitions=0)
    assert found is not None
    return found


def test_all_are_asked_and_half_of_the_answers_are_shown() -> None:
    point = looked().at(0.9)
    assert (point.cost_advantage, point.both_run, point.drop) == (0.5, 0.5, 0.0)


def test_small_is_paid_for_answers_that_nobody_sees_too() -> None:
    point = looked().at(0.9)
    assert (point.usd_per_1000, point.saved_usd_per_1000) == pytest.approx((510.0, 490.0))


def test_an_answer_waits_for_the_slowest_of_small_and_its_checkers() -> None:
    assert looked().seconds == {"large": 3.0, "look": 5.0 + 0.5 * 3.0}


def test_nobody_knows_the_time_where_one_model_does_not_tell_it() -> None:
    assert looked(seconds={"small": [2.0], "large": [3.0]}).seconds == {}


def test_what_the_whole_path_does_is_told_with_both_run_at_each_drop() -> None:
    told = looked().as_dict()
    assert told["both_run_at_drop"]["0.0"] == 0.5
    assert told["cost_advantage_at_drop"]["0.0"] == 0.5
    assert told["checkers"] == [CHECKER]


def test_rows_that_do_not_say_what_small_answered_are_not_judged() -> None:
    pair = QualityTable.from_rows([{"query": "a", "quality": {"small": 1, "large": 1}}]).pair("small", "large")
    assert evaluate_look(Router(FixedScorer(0.5)), pair) is None
