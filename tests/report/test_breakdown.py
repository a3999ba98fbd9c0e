"""Where the figures come from: gaps, the honesty of the score, tasks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import QualityTable
from hybrid_llm.report.breakdown import calibration_error, gap_bars, score_bins, task_rows
from hybrid_llm.report.svg import ticks
from tests.report.conftest import make_pair

shares = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=50)


@given(shares)
def test_every_query_stands_in_one_bar_that_holds_its_gap(qualities):
    rows = [{"query": f"q{i}", "quality": {"s": a, "l": b}} for i, (a, b) in enumerate(qualities)]
    bars = gap_bars(QualityTable.from_rows(rows).pair("s", "l"))
    assert sum(bar.count for bar in bars) == len(qualities)
    assert sum(bar.share for bar in bars) == pytest.approx(1)
    for bar in bars:
        slack = 1e-8
        inside = [bar.low - slack <= a - b <= bar.high + slack for a, b in qualities]
        assert sum(inside) >= bar.count
    equal = bars[len(bars) // 2]
    assert equal.count == sum(abs(a - b) <= 1e-9 for a, b in qualities)


@pytest.mark.slow
def test_a_score_that_is_the_probability_is_found_honest(judge):
    pair = make_pair(3000, quality={"tiny:1b": [1.0], "big": [1.0]})
    honest = judge(pair, scores=np.full(3000, 0.999))
    assert calibration_error(score_bins(honest)) == pytest.approx(0.001)
    boastful = judge(make_pair(3000), scores=np.linspace(0.9, 1.0, 3000))
    assert calibration_error(score_bins(boastful)) > 0.1


def test_the_bins_of_the_score_hold_all_rows_in_order(evaluation):
    bins = score_bins(evaluation)
    assert len(bins) == 10
    assert sum(one.count for one in bins) == len(evaluation.pair)
    assert [one.low for one in bins] == sorted(one.low for one in bins)
    for one in bins:
        assert one.low <= one.score <= one.high
        assert 0 <= one.interval[0] <= one.found <= one.interval[1] <= 1


def test_equal_scores_are_one_bin(judge):
    bins = score_bins(judge(scores=np.full(300, 0.5)))
    assert [(one.count, one.low, one.high) for one in bins] == [(300, 0.5, 0.5)]


def test_few_rows_make_few_bins(judge):
    assert len(score_bins(judge(make_pair(5), levels=()))) == 1


def test_each_task_has_its_own_figures(evaluation):
    point = evaluation.at(0.95)
    rows = task_rows(evaluation, point)
    assert {row.name for row in rows} == {"sums", "rivers", "proofs"}
    assert sum(row.count for row in rows) == 300
    assert np.average([row.cost_advantage for row in rows], weights=[row.count for row in rows]) == pytest.approx(
        point.cost_advantage
    )
    assert np.average([row.drop_points for row in rows], weights=[row.count for row in rows]) == pytest.approx(
        point.drop_points
    )
    assert task_rows(evaluation, None)[0].cost_advantage is None


def test_many_tasks_are_put_together_and_none_is_lost(judge):
    rows = [
        {"query": f"q{i}", "task": f"task {i % 40}" if i % 7 else None, "quality": {"s": 0.5, "l": 1}}
        for i in range(400)
    ]
    found = task_rows(judge(QualityTable.from_rows(rows).pair("s", "l"), levels=()), None)
    assert len(found) == 14
    assert [row.name for row in found[-2:]] == ["28 other tasks", "without a task"]
    assert sum(row.count for row in found) == 400


@pytest.mark.parametrize("task", [None, "one"])
def test_a_single_task_is_not_shown_on_its_own(judge, task):
    assert task_rows(judge(make_pair(task=task)), None) == []


@given(st.floats(-1000, 1000), st.floats(0.001, 2000))
def test_a_scale_has_a_few_round_values_within_its_ends(low, size):
    found = ticks(low, low + size)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-6 * size <= tick <= low + size + 1e-6 * size for tick in found)
