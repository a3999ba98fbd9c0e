"""An audit says "holds" or "broken" with the confidence that was asked for, whenever one looks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybrid_llm.certify import audit
from hybrid_llm.certify.auditing import RATIO, log_wealth_of_break, log_wealth_of_hold, weighted
from hybrid_llm.errors import CertificateError

PROOF = float(np.log(20))
GRADES = st.tuples(st.booleans(), st.floats(0, 1), st.floats(0, 1))


def drawn(rng: np.random.Generator, n: int, lost: float, max_drop: float) -> np.ndarray:
    """Return the z of n draws from traffic of which large scores .8 everywhere and small loses so much of it."""
    to_small = rng.random(n) < 0.5 / (0.5 + 0.5 / RATIO)  # half of the traffic
    small = (rng.random(n) < 0.8 - 2 * lost * 0.8).astype(float)
    losses, large = weighted(to_small, small, np.full(n, 0.8))
    return losses - max_drop * large


@pytest.mark.slow
@pytest.mark.parametrize(("lost", "wrong"), [(0.05, "both"), (0.04, "broken"), (0.06, "holds")])
def test_whoever_looks_after_each_audit_is_seldom_told_something_wrong(lost: float, wrong: str) -> None:
    rng = np.random.default_rng(7)
    paths = [drawn(rng, 400, lost, 0.05) for _ in range(300)]
    broken = np.mean([log_wealth_of_break(z, 0.05).max() >= PROOF for z in paths])
    holds = np.mean([log_wealth_of_hold(z).max() >= PROOF for z in paths])
    allowed = 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)
    assert wrong == "holds" or broken <= allowed
    assert wrong == "broken" or holds <= allowed


def test_a_real_break_is_found_and_a_promise_that_is_kept_is_confirmed() -> None:
    rng = np.random.default_rng(3)
    found = np.mean([log_wealth_of_break(drawn(rng, 600, 0.2, 0.05), 0.05).max() >= PROOF for _ in range(50)])
    kept = np.mean([log_wealth_of_hold(drawn(rng, 600, 0.0, 0.1)).max() >= PROOF for _ in range(50)])
    assert found >= 0.95
    assert kept >= 0.8


def test_a_break_after_long_good_traffic_is_found_too() -> None:
    rng = np.random.default_rng(5)
    z = np.concatenate([drawn(rng, 1000, 0.0, 0.05), drawn(rng, 600, 0.3, 0.05)])
    wealth = log_wealth_of_break(z, 0.05)
    assert wealth[:1000].max() < PROOF < wealth.max()


@example([(True, 1.0, 5e-324)], 0.5)  # a quality so small that no ratio to it is a number
@given(st.lists(GRADES, min_size=1, max_size=60), st.floats(0.01, 0.9))
def test_the_upper_bound_agrees_with_the_verdict(grades: list[tuple[bool, float, float]], max_drop: float) -> None:
    found = audit(*zip(*grades, strict=True), max_drop=max_drop)
    assert 0.0 <= found.drop_upper_bound <= 1.0
    assert found.audited == len(grades)
    if found.verdict == "holds":
        assert found.drop_upper_bound <= max_drop + 1e-5
    if found.verdict != "broken" and found.drop_upper_bound < max_drop - 1e-5:
        assert found.verdict == "holds"
    assert found.needed_n is None or found.needed_n > found.audited


@given(st.lists(GRADES, min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_no_audit_loses_a_whole_coin(grades: list[tuple[bool, float, float]], max_drop: float) -> None:
    lost, large = weighted(*zip(*grades, strict=True))
    z = lost - max_drop * large
    assert np.isfinite(log_wealth_of_break(z, max_drop)).all()
    assert np.isfinite(log_wealth_of_hold(z)).all()


def test_without_audits_nothing_is_known() -> None:
    found = audit([], [], [], max_drop=0.05)
    assert (found.verdict, found.audited, found.drop, found.drop_upper_bound) == ("not_yet_known", 0, None, 1.0)


def test_what_small_would_have_answered_does_not_count_where_large_answered() -> None:
    assert audit([False], [float("nan")], [0.5], max_drop=0.05).drop == 0.0


@pytest.mark.parametrize(
    ("grades", "max_drop"),
    [(([True], [0.5, 0.5], [1.0]), 0.05), (([True], [1.5], [1.0]), 0.05), (([True], [0.5], [1.0]), 0.0)],
)
def test_wrong_input_is_refused(grades: tuple[list[bool], list[float], list[float]], max_drop: float) -> None:
    with pytest.raises(CertificateError):
        audit(*grades, max_drop=max_drop)
