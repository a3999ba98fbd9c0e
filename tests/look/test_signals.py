"""What is seen of an answer: quantiles and not sums, agreement of final answers, and what is missing stays missing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import LookError
from hybrid_llm.look import Answer, LogProbs, Signals, checked_names

logprobs = st.lists(st.floats(-30, 0), min_size=1, max_size=40)


@given(logprobs)
def test_quantiles_are_those_of_numpy(values: list[float]) -> None:
    found = LogProbs.of(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.lowest == min(values)
    assert (found.q10, found.q25, found.median) == pytest.approx(tuple(np.quantile(values, [0.1, 0.25, 0.5])))


@given(logprobs)
def test_an_answer_that_is_twice_as_long_is_no_less_sure(values: list[float]) -> None:
    assert LogProbs.of(values * 2).mean == pytest.approx(LogProbs.of(values).mean)


def test_a_token_that_cannot_come_leaves_numbers_that_json_has() -> None:
    seen = Signals.of(Answer("18", [-math.inf, -0.5]))
    assert json.loads(json.dumps(seen.told(), allow_nan=False))
    assert seen.columns() == Signals.of(Answer("18", [-9999.0, -0.5])).columns()


def test_agreement_compares_final_answers_and_not_texts() -> None:
    mine = Answer("We have 3 * 6 apples, so the answer is 18.")
    theirs = {"a": [Answer(r"\\boxed{18}")], "b": [Answer("It is 17.")]}
    assert Signals.of(mine, theirs).agreement == {"a": 1.0, "b": 0.0}


def test_the_samples_of_a_checker_agree_by_their_share() -> None:
    samples = [Answer("18"), Answer("18"), Answer("17"), Answer("no idea what you are talking about, really none")]
    assert Signals.of(Answer("18"), {"small@T0.7": samples}).agreement == {"small@T0.7": 0.5}


def test_what_cannot_be_seen_is_missing_and_not_zero() -> None:
    assert Signals.of(Answer("18"), {"down": []}).columns() == {}
    assert set(Signals.of(Answer("18", [-0.1]), query=0.7).columns()) == {"logprobs", "query"}


def test_with_an_answer_that_has_none_nobody_agrees() -> None:
    long = "There are many sides to this, and it would be wrong to name any of them without the rest in mind."
    seen = Signals.of(Answer(long), {"a": [Answer(long)]})
    assert (seen.found, seen.agreement) == (False, {"a": 0.0})


def test_a_function_of_ones_own_finds_final_answers() -> None:
    seen = Signals.of(Answer("x: YES"), {"a": [Answer("y: yes")]}, final=lambda text: text[3:].casefold())
    assert seen.agreement == {"a": 1.0}


def test_no_final_answer_is_looked_for_where_nobody_compares() -> None:
    def costly(text: str) -> str:
        raise AssertionError("nobody asked for it")

    assert Signals.of(Answer("18", [-0.1]), final=costly).agreement == {}


def test_certain_tokens_give_a_finite_column() -> None:
    assert math.isfinite(Signals.of(Answer("a", [0.0, 0.0])).columns()["logprobs"])


def test_what_was_seen_is_told_by_name() -> None:
    told = dict(Signals.of(Answer("18", [-0.5, -0.1]), {"a": [Answer("18")]}, query=0.5).told())
    assert told["query"] == 0.5
    assert told["mean_logprob"] == pytest.approx(-0.3)
    assert told["tokens"] == 2
    assert told["agreement:a"] == told["found"] == 1.0


def test_a_checker_that_is_the_small_model_is_refused() -> None:
    with pytest.raises(LookError, match="small model itself"):
        checked_names("gemma2:9b", ["llama3.1:8b", "gemma2:9b"])
    with pytest.raises(LookError, match="named twice"):
        checked_names("gemma2:9b", ["llama3.1:8b", "llama3.1:8b"])
