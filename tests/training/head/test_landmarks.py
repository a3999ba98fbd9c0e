"""The landmarks of a head: rows, or means that none of the rows can be read off."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import QualityTable
from hybrid_llm.scoring import Encoder, Head, features_of
from hybrid_llm.training import TrainConfig, train
from hybrid_llm.training.head.landmarks import TOGETHER, drawn_rows, means_of_rows


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 5))
def test_each_mean_is_of_enough_distinct_rows_and_all_rows_have_a_part(n: int, count: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32)
    means, chosen = means_of_rows(np.concatenate([rows, rows[: n // 2]]), count)
    assert 1 <= len(means) <= max(1, min(count, n // TOGETHER))
    assert chosen.size == 0
    if n >= TOGETHER:
        assert np.abs(means[:, None] - rows[None]).max(axis=2).min() > 0


def test_a_row_that_occurs_a_hundred_times_is_no_mean_of_itself() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    means, _ = means_of_rows(np.concatenate([rows, *[rows[:1]] * 100]), 50)
    assert np.abs(means - rows[0]).max(axis=1).min() > 0.1


def test_rows_are_drawn_by_the_seed() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    drawn, chosen = drawn_rows(rows, 10, seed=1)
    assert (drawn == rows[chosen]).all()
    assert len(set(chosen.tolist())) == 10


def test_a_head_without_landmark_rows_learns_and_holds_none(table: QualityTable, encoder: Encoder) -> None:
    router = train(table, "small", "large", TrainConfig(landmark_rows=False), encoder=encoder)
    head = router.scorer.head
    assert isinstance(head, Head)
    queries = table.pair("small", "large").split("train").queries
    inputs = head.inputs(features_of(queries, encoder, head.version)[0])
    assert np.linalg.norm(head.landmarks[:, None] - inputs[None], axis=2).min() > 0.01
    scores = router.score(["Question 1 about sums: what is number 7?", "Question 1 about proofs: what is number 7?"])
    assert scores[0] > scores[1]
    assert router.record.recoverable.startswith("The head holds no training query")
    assert router.record.settings["landmark_rows"] is False
