"""What a router is worth on the rows of a pair: figures, band, levels, bills."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm import Router, metrics
from hybrid_llm.errors import HybridLLMError
from hybrid_llm.report import dial, evaluate_router, menu_levels, spent_on
from hybrid_llm.testing import FixedScorer
from tests.report.conftest import make_pair, make_router

ignore_measured = pytest.mark.filterwarnings("ignore:The threshold for quality")


def test_the_figures_are_those_that_metrics_computes(evaluation):
    pair, scores = evaluation.pair, evaluation.scores
    assert evaluation.figures == metrics.evaluate(scores, pair.mean_small, pair.mean_large, repetitions=100)


@ignore_measured
def test_a_level_does_on_the_rows_what_the_router_decides(evaluation):
    others = make_pair(seed=1)
    router = make_router(evaluation.pair, others).calibrate(others)
    for quality in (0.99, 0.95, 0.8):
        point = evaluation.at(quality)
        routes = [d.route == "small" for d in router.decide_many(evaluation.pair.queries, quality=quality)]
        assert point.cost_advantage == np.mean(routes)
        mix = np.where(routes, evaluation.pair.mean_small, evaluation.pair.mean_large)
        large = evaluation.pair.mean_large.mean()
        assert point.drop == pytest.approx(1 - mix.mean() / large)
        assert point.drop_points == pytest.approx(large - mix.mean())
        assert not point.certified


def test_a_looser_level_sends_no_less_to_small(evaluation):
    shares = [point.cost_advantage for point in evaluation.points]
    assert evaluation.points[0].quality == 1.0
    assert shares == sorted(shares)


def test_the_intervals_hold_what_was_measured(evaluation):
    for point in evaluation.points:
        low, high = point.drop_interval
        assert low - 1e-9 <= point.drop <= high + 1e-9
    band = evaluation.band
    drops = np.interp(
        band.cost_advantage, evaluation.curves["router"].cost_advantage, evaluation.curves["router"].drop_points
    )
    inside = (band.low - 1e-9 <= drops) & (drops <= band.high + 1e-9)
    assert inside.mean() > 0.9
    assert (band.low[0], band.high[0]) == (0.0, 0.0)  # always large loses nothing, in every resample


def test_the_order_of_the_rows_changes_nothing(judge, evaluation):
    backwards, others = evaluation.pair.rows(np.arange(len(evaluation.pair))[::-1]), make_pair(seed=1)
    turned = judge(backwards, router=make_router(evaluation.pair, others).calibrate(others))
    assert turned.figures == evaluation.figures
    for one, other in zip(turned.points, evaluation.points, strict=True):
        assert one.drop_interval == pytest.approx(other.drop_interval)


def test_without_resamples_there_are_no_intervals(judge):
    found = judge(repetitions=0)
    assert found.band is None
    assert "ci" not in found.figures
    assert {point.drop_interval for point in found.points} == {None}


def test_a_certified_level_says_so():
    rows, others = make_pair(600), make_pair(1500, seed=1)
    router = make_router(rows, others).certify(others, max_drop=0.2)
    found = evaluate_router(router, rows, levels=[0.999, 0.8], repetitions=0)
    assert [point.certified for point in found.points] == [False, True]
    assert found.at(0.8).threshold == router.threshold_for(quality=0.8)


def test_an_unfamiliar_query_counts_as_one_for_large(judge, monkeypatch):
    strange = np.arange(300) % 10 == 0
    monkeypatch.setattr(Router, "familiarity", lambda self, queries: np.where(strange, 0.0, 0.5))
    found = judge()
    easiest = found.points[-1]
    assert easiest.cost_advantage <= 0.9
    assert not found.kept(easiest)[strange].any()


@pytest.mark.parametrize("why", ["no calibration", "another pair", "other text features"])
def test_a_router_without_thresholds_of_the_pair_has_no_levels(why, judge):
    pair = make_pair()
    router = make_router(pair)
    if why == "another pair":
        router = router.calibrate(make_pair(large="other"))
    if why == "other text features":
        router = router.override(calibration=None).calibrate(pair)
        object.__setattr__(router.calibration, "features", 7)
    found = judge(pair, router=router)
    assert found.points == ()
    assert found.at(0.95) is None
    assert found.band is not None


def test_scores_of_fits_that_left_the_rows_out_can_be_judged_in_place_of_the_routers(judge):
    pair = make_pair()
    given = np.linspace(0, 1, len(pair))
    found = judge(pair, scores=given)
    assert np.array_equal(found.scores, given)
    assert found.left_out
    assert found.figures["apgr"] == metrics.evaluate(given, pair.mean_small, pair.mean_large)["apgr"]
    with pytest.raises(HybridLLMError, match="300 rows need as many scores"):
        judge(pair, scores=given[1:])


def test_the_bill_of_a_level_is_that_of_the_answers_that_would_be_given(evaluation):
    for point in evaluation.points:
        assert point.usd_per_1000 == pytest.approx(4 * (1 - point.cost_advantage))
        assert point.saved_usd_per_1000 == pytest.approx(4 * point.cost_advantage)


def test_a_level_that_sends_nothing_to_small_saves_exactly_nothing(judge):
    pair = make_pair(cost_usd={"tiny:1b": [0.1], "big": [0.0007]})
    point = judge(pair, router=make_router(pair).calibrate(make_pair(quality={"tiny:1b": [0.0], "big": [1.0]}))).at(1.0)
    assert (point.cost_advantage, point.saved_usd_per_1000) == (0.0, 0.0)


def test_rows_whose_cost_is_unknown_do_not_count_in_the_bill(judge):
    pair = make_pair()
    half = [dict(row) if i % 2 else {} for i, row in enumerate(pair.responses)]
    object.__setattr__(pair, "responses", tuple(half))
    point = judge(pair).at(0.95)
    kept = judge(pair).kept(point)[1::2]
    assert point.usd_per_1000 == pytest.approx(4 * (1 - kept.mean()))


def test_a_table_without_costs_has_no_bill(judge):
    point = judge(make_pair(cost_usd=None)).at(0.95)
    assert (point.usd_per_1000, point.saved_usd_per_1000) == (None, None)


def test_what_an_arm_spent_is_told_as_far_as_the_table_says(evaluation):
    small, large = evaluation.spent["small"], evaluation.spent["large"]
    assert (small.usd_per_1000, large.usd_per_1000) == (0.0, pytest.approx(4.0))
    assert large.usd_total == pytest.approx(1.2)
    assert small.seconds_at(0.5) == pytest.approx(1.0, abs=0.01)
    assert (large.input_tokens, large.output_tokens) == (22, 60)
    assert spent_on(make_pair(seconds=None, usage=None, cost_usd=None)) == {}
    only_time = spent_on(make_pair(usage=None, cost_usd=None))["small"]
    assert (only_time.usd_per_1000, only_time.output_tokens) == (None, None)


def test_with_a_large_model_that_is_always_wrong_there_is_no_ratio(judge):
    found = judge(make_pair(quality={"tiny:1b": [1.0], "big": [0.0]}))
    assert {point.drop for point in found.points} == {None}
    for point in found.points:
        assert point.drop_points == -point.cost_advantage  # every answer of small is a gain


@given(small=st.floats(0, 1), large=st.floats(0, 1))
def test_the_dial_goes_from_all_of_the_quality_down_to_about_what_small_keeps(small, large):
    levels = dial(make_pair(2, quality={"tiny:1b": [small], "big": [large]}), make_router().parts)
    assert levels[0] == 1.0
    assert levels == sorted(levels, reverse=True)
    assert 0 < levels[-1] <= 0.8
    assert large == 0 or levels[-1] <= max(small / large, 0.05) + 1e-9
    assert len(levels) <= 101


def test_the_menu_and_the_dial_hold_the_levels_of_the_certificate():
    others = make_pair(400, seed=1)
    router = Router(FixedScorer(0.5)).certify(others, max_drop=0.073)
    assert 0.927 in menu_levels(router.parts)
    assert 0.927 in dial(others, router.parts)
