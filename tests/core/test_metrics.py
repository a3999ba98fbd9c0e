"""Figures of a router, against cases worked by hand and RouteLLM's definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import TableError
from hybrid_llm.level import ALWAYS_LARGE
from hybrid_llm.metrics import auc, bootstrap, evaluate, oracle_curve, random_curve, tradeoff_curve

# Five queries, best score first; large is right on all but the third.
SCORES = [0.9, 0.8, 0.6, 0.4, 0.1]
SMALL = [1.0, 0.0, 1.0, 0.0, 0.0]
LARGE = [1.0, 1.0, 0.0, 1.0, 1.0]

grid = st.integers(0, 8).map(lambda k: k / 8)
rows = st.lists(st.tuples(grid, grid, grid), min_size=1, max_size=30)


def test_the_curve_worked_by_hand():
    curve = tradeoff_curve(SCORES, SMALL, LARGE)
    assert curve.cost_advantage == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert curve.quality == pytest.approx([0.8, 0.8, 0.6, 0.8, 0.6, 0.4])
    assert curve.drop == pytest.approx([0, 0, 0.25, 0, 0.25, 0.5])
    assert curve.drop_points == pytest.approx([0, 0, 0.2, 0, 0.2, 0.4])


def test_a_query_goes_to_small_exactly_from_the_threshold_of_its_cut_on():
    curve = tradeoff_curve(SCORES, SMALL, LARGE)
    for threshold, share in zip(curve.thresholds, curve.cost_advantage, strict=True):
        assert np.mean(np.array(SCORES) >= threshold) == pytest.approx(share)
    assert curve.thresholds[0] == ALWAYS_LARGE


def test_the_largest_achievable_cut_within_a_drop_is_found_beyond_a_worse_one():
    curve = tradeoff_curve(SCORES, SMALL, LARGE)
    assert curve.cost_advantage_at(0.0) == pytest.approx(0.6)
    assert curve.cost_advantage_at(0.25) == pytest.approx(0.8)
    assert curve.cost_advantage_at(0.24) == pytest.approx(0.6)


def test_drop_between_two_cuts_is_interpolated():
    assert tradeoff_curve(SCORES, SMALL, LARGE).drop_at(0.3) == pytest.approx(0.125)


def test_apgr_is_the_exact_area_and_cpt_the_first_cut_that_recovers():
    curve = tradeoff_curve(SCORES, SMALL, LARGE)
    recovered = [1, 1, 0.5, 1, 0.5, 0]
    assert curve.apgr == pytest.approx(np.trapezoid(recovered, dx=0.2))
    assert curve.cpt(0.5) == pytest.approx(0.2)
    assert curve.cpt(0.8) == pytest.approx(0.4)


def test_apgr_equals_routellms_ten_point_average_where_both_sample_the_same_points():
    # RouteLLM (section 3): APGR = 1/10 sum of PGR at ten shares of large calls; a straight PGR makes them comparable.
    n = 10
    curve = tradeoff_curve(np.arange(n)[::-1], np.zeros(n), np.ones(n))
    ten = [np.interp((i - 0.5) / 10, 1 - curve.cost_advantage[::-1], curve.quality[::-1]) for i in range(1, 11)]
    assert curve.apgr == pytest.approx(np.mean(ten)) == pytest.approx(0.5)


def test_tied_scores_are_never_split():
    curve = tradeoff_curve([0.5, 0.5, 0.5], [1, 0, 0], [1, 1, 1])
    assert curve.cost_advantage == pytest.approx([0, 1])
    assert curve.apgr == pytest.approx(0.5)


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(table, random):
    shuffled = random.sample(table, len(table))
    a, b = (evaluate(*zip(*t, strict=True), repetitions=20) for t in (table, shuffled))
    assert flat(a) == pytest.approx(flat(b), nan_ok=True)


@given(rows)
def test_the_oracle_is_never_beaten(table):
    scores, small, large = zip(*table, strict=True)
    curve, best = tradeoff_curve(scores, small, large), oracle_curve(small, large)
    assert (best.quality >= np.interp(best.cost_advantage, curve.cost_advantage, curve.quality) - 1e-9).all()


@given(rows)
def test_all_curves_begin_at_always_large_and_end_at_always_small(table):
    scores, small, large = zip(*table, strict=True)
    for curve in (tradeoff_curve(scores, small, large), random_curve(small, large), oracle_curve(small, large)):
        assert curve.large_quality == pytest.approx(np.mean(large))
        assert curve.small_quality == pytest.approx(np.mean(small))
        assert (np.diff(curve.cost_advantage) > 0).all()


@given(rows, st.data())
def test_a_weight_of_two_is_the_row_twice(table, data):
    twice = data.draw(st.lists(st.integers(1, 3), min_size=len(table), max_size=len(table)))
    scores, small, large = (np.array(c) for c in zip(*table, strict=True))
    weighted = tradeoff_curve(scores, small, large, twice)
    repeated = tradeoff_curve(*(np.repeat(c, twice) for c in (scores, small, large)))
    assert weighted.quality == pytest.approx(repeated.quality)
    assert weighted.cost_advantage == pytest.approx(repeated.cost_advantage)
    assert auc(scores, small >= large, twice) == pytest.approx(
        auc(np.repeat(scores, twice), np.repeat(small >= large, twice)), nan_ok=True
    )


def test_auc_counts_ties_half():
    assert auc([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0]) == pytest.approx(3.5 / 4)
    assert np.isnan(auc([0.1, 0.2], [1, 1]))


def test_random_routing_has_the_expected_figures():
    figures = evaluate(SCORES, SMALL, LARGE, repetitions=0)["random"]
    assert (figures["auc"], figures["apgr"]) == pytest.approx((0.5, 0.5))
    assert figures["drop_at_cost_advantage"]["0.4"] == pytest.approx(0.2)


def test_undefined_figures_are_null_when_large_is_no_better():
    result = evaluate([0.9, 0.1], [1.0, 1.0], [0.5, 0.5], repetitions=5)
    assert result["apgr"] is None
    assert result["cpt50"] is None
    assert result["ci"]["apgr"] is None
    assert result["cost_advantage_at_drop"]["0.0"] == 1.0


def test_a_large_model_that_scores_zero_has_no_ratio_but_points():
    result = evaluate([0.9, 0.1], [0.0, 0.0], [0.0, 0.0], repetitions=0)
    assert result["drop_at_cost_advantage"]["0.1"] is None
    assert result["drop_points_at_cost_advantage"]["0.1"] == 0.0


def test_evaluate_has_the_public_keys():
    result = evaluate(SCORES, SMALL, LARGE, repetitions=10)
    figures = {
        "auc",
        "apgr",
        "cpt50",
        "cpt80",
        "drop_at_cost_advantage",
        "drop_points_at_cost_advantage",
        "cost_advantage_at_drop",
    }
    assert set(result) == {"n", "small_quality", "large_quality", "random", "oracle", "ci"} | figures
    assert set(result["random"]) == set(result["oracle"]) == figures
    assert set(result["drop_at_cost_advantage"]) == {"0.1", "0.2", "0.4"}
    assert set(result["cost_advantage_at_drop"]) == {"0.0", "0.01", "0.02", "0.05"}


@pytest.mark.slow
def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        sample = rng.random(200)
        low, high = bootstrap(lambda w, x=sample: float(np.average(x, weights=w)), 200, 200, seed=seed)
        covered += low <= 0.5 <= high
    assert 87 <= covered <= 100


def test_more_answers_to_the_same_queries_make_no_interval_narrower():
    scores, small, large = np.random.default_rng(0).random((3, 60))
    alone = evaluate(scores, small, large, repetitions=40)["ci"]
    rows = [np.repeat(column, 9) for column in (scores, small, large)]
    together = evaluate(*rows, repetitions=40, queries=np.repeat(np.arange(60), 9))["ci"]
    assert together["small_quality"] == pytest.approx(alone["small_quality"])
    assert together["drop_at_cost_advantage"]["0.4"] == pytest.approx(alone["drop_at_cost_advantage"]["0.4"])


def test_a_query_that_was_answered_more_often_counts_no_more():
    rng = np.random.default_rng(3)
    rows = rng.random(40), rng.integers(0, 2, 40).astype(float), rng.uniform(0.5, 1, 40)
    query = np.repeat(np.arange(40), rng.integers(1, 9, 40))
    alone = evaluate(*rows, repetitions=0)
    often = evaluate(*(column[query] for column in rows), repetitions=0, queries=query)
    for of in ("random", "oracle"):
        assert often.pop(of)["apgr"] == pytest.approx(alone.pop(of)["apgr"])
    assert flat(often) | {"/n": 40} == pytest.approx(flat(alone), nan_ok=True)


@pytest.mark.parametrize(
    "columns",
    [([], [], []), ([0.1], [0.1, 0.2], [0.1]), ([np.nan], [0.1], [0.1]), ([[0.1]], [[0.1]], [[0.1]])],
)
def test_arrays_that_do_not_fit_are_refused(columns):
    with pytest.raises(TableError):
        tradeoff_curve(*columns)


def flat(value, prefix=""):
    if isinstance(value, dict):
        return {k: v for key, item in value.items() for k, v in flat(item, f"{prefix}/{key}").items()}
    if isinstance(value, list):
        return {k: v for i, item in enumerate(value) for k, v in flat(item, f"{prefix}/{i}").items()}
    return {prefix: np.nan if value is None else value}
