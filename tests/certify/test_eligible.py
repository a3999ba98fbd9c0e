"""Rows that never go to small, whatever their score; and several answers to one query."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.certify import Evidence, certify, certify_menu
from hybrid_llm.certify.betting import log_wealth, mixed
from hybrid_llm.errors import CertificateError

SHARES = st.floats(0.0, 1.0)
ROWS = st.lists(
    st.tuples(SHARES, SHARES, st.floats(0.01, 1.0), st.booleans(), st.integers(0, 6)), min_size=1, max_size=30
)
GRID = [0.0, 0.25, 0.5, 1.0, 2.0]


def columns_of(rows):
    scores, small, large, may, groups = (np.array(column) for column in zip(*rows, strict=True))
    return scores, small, large, may, groups


def half_eligible(n: int = 2000):
    """Rows whose high scores are right; every second one may never go to small."""
    scores = np.arange(n) / n
    small = (scores >= 0.4).astype(float)
    return scores, small, np.ones(n), np.arange(n) % 2 == 0


def test_a_row_that_is_not_eligible_never_counts_not_even_at_threshold_0():
    evidence = Evidence.gather([0.9, 0.8, 0.0], [0, 0, 0], [1, 1, 1], [0.85, 0.0], eligible=[False, True, True])
    assert evidence.cost_advantage.tolist() == pytest.approx([0.0, 2 / 3])
    assert evidence.drop_points.tolist() == pytest.approx([0.0, 2 / 3])
    assert evidence.lost(at=1).tolist().count(1.0) == 2


def test_with_no_eligible_row_nothing_is_promised():
    scores, small, large, _ = half_eligible()
    certificate = certify(scores, small, large, 0.05, eligible=np.zeros(scores.size, dtype=bool))
    assert not certificate.feasible
    assert certificate.cost_advantage == 0.0
    assert certificate.reason.startswith("No threshold sends any of these 2,000 queries to small")
    assert certificate.needed_n is None


def test_all_rows_are_eligible_when_nobody_says_otherwise():
    scores, small, large, _ = half_eligible()
    assert certify(scores, small, large, 0.05) == certify(scores, small, large, 0.05, eligible=np.ones(2000))


@pytest.mark.parametrize("eligible", [[True], [[True, False]], [], True])
def test_eligible_needs_one_value_per_row(eligible):
    with pytest.raises(CertificateError, match=r"eligible needs one value per row; got .* for 2 rows"):
        certify([0.5, 0.6], [1, 1], [1, 1], eligible=eligible)
    with pytest.raises(CertificateError, match="eligible needs one value per row"):
        certify_menu([0.5, 0.6], [1, 1], [1, 1], eligible=eligible)


def test_what_is_saved_is_a_share_of_all_queries_and_the_limit_is_of_their_whole_quality():
    scores, small, large, may = half_eligible()
    certificate = certify(scores, small, large, 0.05, eligible=may)
    kept = may & (scores >= certificate.threshold)
    assert certificate.feasible
    assert certificate.n == 2000
    assert certificate.cost_advantage == pytest.approx(kept.mean())
    assert certificate.drop_points == pytest.approx(((large - small) * kept).mean())
    assert certificate.large_quality == 1.0


@given(ROWS, st.floats(0.001, 0.5), st.booleans())
def test_wealth_and_drop_are_those_of_the_definition(rows, max_drop, grouped):
    scores, small, large, may, labels = columns_of(rows)
    groups = labels if grouped else np.arange(len(rows))
    evidence = Evidence.gather(scores, small, large, GRID, groups if grouped else None, may)
    for at, threshold in enumerate(evidence.thresholds):
        kept = may & (scores >= threshold)
        lost = [np.mean(((large - small) * kept)[groups == group]) for group in np.unique(groups)]
        allowed = [max_drop * np.mean(large[groups == group]) for group in np.unique(groups)]
        assert evidence.drop_points[at] == pytest.approx(np.mean(lost), abs=1e-9)
        expected = log_wealth(np.subtract(lost, allowed))
        assert mixed(evidence.log_wealth(max_drop))[at] == pytest.approx(expected, abs=1e-9)


@given(ROWS, st.floats(0.001, 0.5), st.booleans())
def test_a_row_that_is_not_eligible_bears_witness_as_one_on_which_small_answers_like_large(rows, max_drop, grouped):
    scores, small, large, may, labels = columns_of(rows)
    groups = labels if grouped else None
    masked = Evidence.gather(scores, small, large, GRID, groups, may)
    as_large = Evidence.gather(scores, np.where(may, small, large), large, GRID, groups)
    assert mixed(masked.log_wealth(max_drop)) == pytest.approx(mixed(as_large.log_wealth(max_drop)), abs=1e-9)
    assert (masked.cost_advantage <= as_large.cost_advantage + 1e-12).all()  # but it is not counted as saved


@given(ROWS, st.floats(0.001, 0.5))
def test_above_threshold_0_it_is_the_same_as_the_lowest_score(rows, max_drop):
    scores, small, large, may, labels = columns_of(rows)
    scores = np.maximum(scores, 0.01)
    masked = certify(scores, small, large, max_drop, thresholds=GRID[1:], groups=labels, eligible=may)
    lowest = certify(np.where(may, scores, 0.0), small, large, max_drop, thresholds=GRID[1:], groups=labels)
    assert masked == lowest


# ---- several answers to one query -----------------------------------------------------------------------------------


def test_answers_to_one_query_enter_one_by_one_not_as_the_mean_of_some_that_would_not_be_kept():
    # of each query's two answers the right one stands high and the wrong one low
    n = 400
    heights = np.tile([0.9, 0.1], n)
    small, large, groups = np.tile([1.0, 0.0], n), np.ones(2 * n), np.repeat(np.arange(n), 2)
    evidence = Evidence.gather(heights, small, large, [0.5, 0.05], groups)
    assert evidence.n == n
    assert evidence.cost_advantage.tolist() == [0.5, 1.0]
    assert evidence.drop.tolist() == [0.0, 0.5]
    certificate = certify(heights, small, large, 0.02, thresholds=[0.5, 0.05], groups=groups)
    assert (certificate.feasible, certificate.threshold, certificate.cost_advantage) == (True, 0.5, 0.5)
    mean = certify(np.full(n, 0.9), np.full(n, 0.5), np.ones(n), 0.02, thresholds=[0.5, 0.05])
    assert not mean.feasible


def test_of_answers_to_one_query_each_is_eligible_or_not_by_itself():
    n = 400
    small, large, groups = np.tile([1.0, 0.0], n), np.ones(2 * n), np.repeat(np.arange(n), 2)
    heights, may = np.full(2 * n, 0.9), np.tile([True, False], n)
    certificate = certify(heights, small, large, 0.02, thresholds=[0.5], groups=groups, eligible=may)
    assert certificate.feasible
    assert certificate.n == n
    assert certificate.cost_advantage == 0.5
    assert not certify(heights, small, large, 0.02, thresholds=[0.5], groups=groups).feasible


def test_more_answers_to_the_same_queries_are_not_more_queries():
    n = 60
    once = certify(np.full(n, 0.9), np.full(n, 0.999), np.ones(n), 0.02, thresholds=[0.5])
    often = certify(
        np.full(20 * n, 0.9),
        np.full(20 * n, 0.999),
        np.ones(20 * n),
        0.02,
        thresholds=[0.5],
        groups=np.repeat(np.arange(n), 20),
    )
    assert not once.feasible
    assert not often.feasible
    assert often.n == n
