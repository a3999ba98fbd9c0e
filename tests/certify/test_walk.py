from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.certify import LEVELS, MIN_QUERIES, certify, certify_menu
from hybrid_llm.errors import CertificateError
from hybrid_llm.level import ALWAYS_LARGE
from hybrid_llm.metrics import tradeoff_curve

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
Rule = Callable[[np.ndarray, np.ndarray, np.ndarray, float], float]


def rows(n: int, seed: int = 0, worst: float = 0.5) -> Rows:
    """A fair router: small fails where large is right, seldom at high scores and often at low ones."""
    rng = np.random.default_rng(seed)
    scores, large = rng.random(n), (rng.random(n) < 0.8).astype(float)
    small = np.where(rng.random(n) < 0.02 + worst * (1 - scores) ** 2, 0.0, large)
    return scores, small, large


# ---- the promise holds ----------------------------------------------------------------------------------------------


def by_proof(scores: np.ndarray, small: np.ndarray, large: np.ndarray, max_drop: float) -> float:
    return certify(scores, small, large, max_drop).threshold


def by_the_empirical_rule(scores: np.ndarray, small: np.ndarray, large: np.ndarray, max_drop: float) -> float:
    curve = tradeoff_curve(scores, small, large)
    return float(curve.thresholds[curve.cut_within(max_drop)])


def broken_share(rule: Rule, repetitions: int = 2000, n: int = 300, max_drop: float = 0.03) -> float:
    """Share of samples after which the rule takes a threshold whose true drop exceeds the limit.

    Small fails completely, and seldom: with probability 0.12 (1 - score) where large is always right. Sending scores
    >= t to small therefore loses 0.06 (1 - t)^2 of the quality.
    """
    rng = np.random.default_rng(1)
    broken = 0
    for _ in range(repetitions):
        scores = rng.random(n)
        small = (rng.random(n) >= 0.12 * (1 - scores)).astype(float)
        threshold = rule(scores, small, np.ones(n), max_drop)
        broken += 0.06 * max(0.0, 1 - threshold) ** 2 > max_drop
    return broken / repetitions


@pytest.mark.parametrize("repetitions", [500, pytest.param(2000, marks=pytest.mark.slow)])
def test_promises_break_at_most_as_often_as_stated(repetitions):
    assert broken_share(by_proof, repetitions) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / repetitions)


@pytest.mark.slow
def test_the_empirical_rule_put_in_its_place_breaks_them():
    assert broken_share(by_the_empirical_rule) > 0.20


def test_a_promise_is_worth_having():
    best = math.sqrt(0.03 / 0.06)
    rng = np.random.default_rng(2)
    scores = rng.random(2000)
    small = (rng.random(2000) >= 0.12 * (1 - scores)).astype(float)
    assert certify(scores, small, np.ones(2000), 0.03).cost_advantage >= best / 2


# ---- properties -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.integers(0, 1000), st.integers(100, 1000), st.booleans(), st.randoms())
def test_permuting_rows_changes_nothing(seed, n, grouped, random):
    scores, small, _ = rows(n, seed)
    scores, large = scores.round(1), np.random.default_rng(seed).uniform(0.5, 1.0, n)  # ties, and sums that round
    small = np.where(small == 1.0, large, large / 2)
    groups = [f"query {i % (n // 2 + 1)}" for i in range(n)]
    order = list(range(n))
    random.shuffle(order)
    shuffled = [groups[i] for i in order]
    one = certify(scores, small, large, 0.15, groups=groups if grouped else None)
    other = certify(scores[order], small[order], large[order], 0.15, groups=shuffled if grouped else None)
    assert one == other


@given(st.integers(0, 1000), st.integers(30, 1500), st.floats(0.01, 0.3), st.floats(1.0, 2.0))
def test_a_looser_limit_never_saves_less(seed, n, max_drop, more):
    data = rows(n, seed)
    assert certify(*data, max_drop * more).cost_advantage >= certify(*data, max_drop).cost_advantage


@given(st.integers(0, 1000), st.integers(30, 1500), st.floats(0.5, 0.99), st.floats(0.0, 1.0))
def test_more_confidence_never_saves_more(seed, n, confidence, more):
    data = rows(n, seed)
    surer = confidence + more * (0.999 - confidence)
    assert certify(*data, 0.1, surer).cost_advantage <= certify(*data, 0.1, confidence).cost_advantage


def test_copies_of_a_row_add_no_evidence_when_they_are_grouped():
    scores, small, large = rows(500)
    once = certify(scores, small, large, 0.1)
    copies = certify(*(np.repeat(column, 5) for column in (scores, small, large)), 0.1, groups=np.repeat(range(500), 5))
    assert copies.n == once.n == 500
    assert copies.threshold == once.threshold
    assert copies.drop_upper_bound == pytest.approx(once.drop_upper_bound)


def test_the_figures_beside_the_promise_are_those_of_the_rows():
    scores, small, large = rows(3000)
    certificate = certify(scores, small, large, 0.05)
    to_small = scores >= certificate.threshold
    mixed = np.where(to_small, small, large).mean()
    assert certificate.feasible
    assert certificate.cost_advantage == pytest.approx(to_small.mean())
    assert certificate.drop_points == pytest.approx(large.mean() - mixed)
    assert certificate.drop == pytest.approx((large.mean() - mixed) / large.mean())
    assert certificate.drop < certificate.drop_upper_bound <= 0.05
    assert (certificate.small_quality, certificate.large_quality) == pytest.approx((small.mean(), large.mean()))


def test_the_upper_bound_is_the_smallest_limit_that_the_threshold_passes():
    data = rows(3000)
    certificate = certify(*data, 0.05)
    bound, only = certificate.drop_upper_bound, [certificate.threshold]
    assert certify(*data, bound, thresholds=only).feasible
    assert not certify(*data, bound - 2e-5, thresholds=only).feasible


def test_the_walk_stops_at_the_first_threshold_that_fails():
    scores = np.linspace(0, 1, 3000)
    small, large = np.ones(3000), np.ones(3000)
    small[scores >= 0.9] = 0.0  # the highest scores are wrong, the next win it back, the lowest lose a little
    large[(scores >= 0.8) & (scores < 0.9)] = 0.0
    small[scores < 0.1] = 0.5
    assert certify(scores, small, large, 0.05, thresholds=[0.5]).feasible
    assert not certify(scores, small, large, 0.05, thresholds=[0.9, 0.5]).feasible


# ---- infeasible is an answer ----------------------------------------------------------------------------------------


def assert_nothing_is_promised(certificate) -> None:
    assert not certificate.feasible
    assert (certificate.threshold, certificate.cost_advantage) == (ALWAYS_LARGE, 0.0)
    assert certificate.reason


@pytest.mark.parametrize("n", [40, 400, 4000])
def test_equal_models_need_no_promise(n):
    scores, _, large = rows(n)
    certificate = certify(scores, large, large)
    assert_nothing_is_promised(certificate)
    assert "routing needs no promise" in certificate.reason


def test_a_better_small_model_needs_no_promise_and_the_reason_says_whether_that_is_proved():
    scores, small, large = rows(2000)
    assert "at this level is proved" in certify(scores, large, small).reason
    few = certify(scores[:35], large[:35], np.minimum(small, 0.9)[:35], 0.01)
    assert_nothing_is_promised(few)
    assert "is not proved by so few" in few.reason


def test_all_scores_equal_and_a_bad_small_model_is_infeasible():
    _, _, large = rows(400)
    certificate = certify(np.full(400, 0.5), large * 0.5, large)
    assert_nothing_is_promised(certificate)
    assert certificate.needed_n is None
    assert "nor with more of the same" in certificate.reason


def test_a_drop_that_is_exactly_the_limit_is_never_proved():
    small = np.append(np.zeros(5), np.ones(95))
    certificate = certify(np.full(100, 0.5), small, np.ones(100), 0.05)
    assert_nothing_is_promised(certificate)
    assert certificate.needed_n is None


def test_all_losses_are_infeasible():
    assert_nothing_is_promised(certify(rows(400)[0], np.zeros(400), np.ones(400), 0.01))


@pytest.mark.parametrize("small", [0.0, 1.0])
def test_one_row_is_infeasible(small):
    certificate = certify([0.9], [small], [1.0], 0.5)
    assert_nothing_is_promised(certificate)
    assert "1 distinct query is too few" in certificate.reason


def test_one_group_is_one_query():
    certificate = certify(*rows(500), groups=["the same text"] * 500)
    assert certificate.n == 1
    assert_nothing_is_promised(certificate)


def test_fewer_than_thirty_queries_promise_nothing_however_good_they_are():
    few, enough = MIN_QUERIES - 1, MIN_QUERIES
    scores = np.linspace(0, 1, enough)
    small = np.where(scores > 0, 1.0, 0.9)
    assert certify(scores, small, np.ones(enough), 0.3).feasible
    refused = certify(scores[:few], small[:few], np.ones(few), 0.3)
    assert_nothing_is_promised(refused)
    assert refused.needed_n == MIN_QUERIES


def test_an_infeasible_level_says_how_many_queries_would_do():
    certificate = certify(*rows(400), 0.01)
    assert_nothing_is_promised(certificate)
    assert certificate.needed_n is not None
    assert certificate.needed_n > 400
    assert f"about {certificate.needed_n:,} like these would promise" in certificate.reason
    assert certify(*rows(certificate.needed_n, seed=5), 0.01).feasible


# ---- the menu -------------------------------------------------------------------------------------------------------


def test_the_menu_has_the_level_asked_for_among_the_usual_ones():
    menu = certify_menu(*rows(5000), max_drop=0.04)
    assert [c.quality for c in menu.certificates] == sorted([*LEVELS, 0.96], reverse=True)
    assert menu.asked.max_drop == 0.04
    assert len(certify_menu(*rows(500), max_drop=0.05).certificates) == len(LEVELS)


def test_levels_of_a_menu_share_the_doubt_so_that_all_hold_at_once():
    data = rows(5000)
    menu = certify_menu(*data, max_drop=0.05, confidence=0.95)
    alone = certify(*data, max_drop=0.05, confidence=1 - 0.05 / len(LEVELS))
    assert menu.asked.threshold == alone.threshold
    assert menu.asked.together == len(LEVELS)
    assert menu.asked.cost_advantage <= certify(*data, max_drop=0.05, confidence=0.95).cost_advantage


def test_ten_thousand_queries_certify_a_menu_in_under_two_seconds():
    data = rows(10_000)
    began = time.perf_counter()
    certify_menu(*data, max_drop=0.04, groups=[f"a query of some length, number {i}" for i in range(10_000)])
    assert time.perf_counter() - began < 2.0


# ---- wrong input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.0, 1.0, -0.05, 1.5, math.nan, "0.95", None, True])
@pytest.mark.parametrize("name", ["max_drop", "confidence"])
def test_limits_outside_their_range_are_refused(name, value):
    with pytest.raises(CertificateError, match=f"{name}=.* must lie strictly between 0 and 1"):
        certify(*rows(100), **{name: value})
    with pytest.raises(CertificateError, match=f"{name}=.* must lie strictly between 0 and 1"):
        certify_menu(*rows(100), **{name: value})


def test_levels_outside_their_range_are_refused():
    with pytest.raises(CertificateError, match=r"level=1\.0 must lie"):
        certify_menu(*rows(100), levels=[1.0])


def test_a_missing_score_is_refused():
    scores, small, large = rows(100)
    with pytest.raises(CertificateError, match="row 7 has nan"):
        certify(np.where(np.arange(100) == 7, np.nan, scores), small, large)
