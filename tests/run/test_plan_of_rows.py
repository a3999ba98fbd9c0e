"""What rows are for, and what looking again costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import QualityTable
from hybrid_llm.run import Attempt, confidence_of, counted, forecast, with_splits
from hybrid_llm.run.plan import few
from hybrid_llm.table import PairTable


def pair_of(n: int, **fields: object) -> PairTable:
    rows = [{"id": i, "query": f"What is {i}?", "quality": {"tiny": 1, "big": 1}, **fields} for i in range(n)]
    return QualityTable.from_rows(rows).pair("tiny", "big")


def test_half_of_the_rows_that_are_no_test_rows_certify() -> None:
    splits = with_splits(pair_of(4000)).row_splits
    shares = [splits.count(split) / 4000 for split in ("train", "validation", "test")]
    assert shares == pytest.approx([0.425, 0.425, 0.15], abs=0.02)


def test_a_row_keeps_its_split_when_more_rows_come() -> None:
    some, more = with_splits(pair_of(100)), with_splits(pair_of(300))
    assert more.row_splits[:100] == some.row_splits


def test_rows_that_ask_the_same_question_stay_together() -> None:
    rows = [{"query": f"What is {i % 50}?{' ' * (i // 50)}", "quality": {"tiny": 1, "big": 1}} for i in range(150)]
    splits = with_splits(QualityTable.from_rows(rows).pair("tiny", "big")).row_splits
    assert splits[:50] == splits[50:100] == splits[100:]
    assert len(set(with_splits(pair_of(50, stem_key="one")).row_splits)) == 1


def test_under_200_rows_all_of_them_train() -> None:
    assert few(pair_of(199))
    assert not few(pair_of(200))


@given(st.floats(0.5, 0.999), st.integers(1, 1000))
def test_all_attempts_together_keep_the_confidence(confidence: float, attempts: int) -> None:
    risks = [1 - confidence_of(k, confidence) for k in range(1, attempts + 1)]
    assert sum(risks) <= 1 - confidence + 1e-12
    assert sum(risks) == pytest.approx((1 - confidence) * attempts / (attempts + 1))


def test_the_same_test_again_is_no_new_attempt_and_any_other_one_is() -> None:
    first = Attempt("rows", "router", 0.05, 0.95)
    attempts, number = counted((), first)
    assert (attempts, number) == ((first,), 1)
    assert counted(attempts, first) == ((first,), 1)
    others = [Attempt("more", "router", 0.05, 0.95), Attempt("rows", "router", 0.1, 0.95)]
    for k, other in enumerate(others, start=2):
        attempts, number = counted(attempts, other)
        assert number == k


def test_a_forecast_is_free_of_the_luck_of_the_rows_that_choose() -> None:
    # Scores that say nothing: whatever threshold looked good was lucky, and the forecast finds that out.
    rng = np.random.default_rng(1)
    drops, promised = [], 0.05
    for _ in range(30):
        small, large = rng.random(120) < 0.7, np.ones(120)
        drops.append(forecast(rng.random(120), small, large, 1 - promised, repetitions=10).drop)
    assert np.mean(drops) > promised


def test_a_forecast_of_many_answers_to_each_query_is_as_wide_as_of_one() -> None:
    scores, small = np.random.default_rng(2).random((2, 60))
    alone = forecast(scores, small, np.ones(60), 0.5, repetitions=40)
    rows = [np.repeat(column, 9) for column in (scores, small, np.ones(60))]
    together = forecast(*rows, 0.5, repetitions=40, queries=np.repeat(np.arange(60), 9))
    assert vars(together) == pytest.approx(vars(alone))


def test_a_query_that_was_answered_more_often_counts_no_more_in_a_forecast() -> None:
    easy = np.repeat([1.0, 0.0], [50, 150])  # 50 queries that were answered once, 50 that were answered 3 times
    query = np.append(np.arange(50), np.repeat(np.arange(50, 100), 3))
    assert forecast(easy, easy, np.ones(200), 1.0, repetitions=10, queries=query).cost_advantage == pytest.approx(0.5)


def test_a_forecast_sends_unfamiliar_queries_to_large_as_a_level_does() -> None:
    familiar = np.arange(200) % 2 == 0
    good = familiar.astype(float)  # what is unfamiliar would be lost
    found = forecast(np.full(200, 0.9), good, np.ones(200), 0.95, repetitions=10, familiar=familiar)
    assert (found.cost_advantage, found.drop) == (pytest.approx(0.5), 0.0)


def test_a_forecast_has_an_interval_around_what_was_measured_whatever_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(2)
    scores = rng.random(300)
    small = (rng.random(300) < 0.3 + 0.7 * scores).astype(float)
    found = forecast(scores, small, np.ones(300), 0.9, repetitions=200)
    assert found.low < found.drop < found.high
    assert math.isclose(found.drop, 0.1, abs_tol=0.06)
    order = rng.permutation(300)
    assert forecast(scores[order], small[order], np.ones(300), 0.9, repetitions=200) == found
