"""Drift is told by its size: traffic that moved wants an audit, and a price that changed is said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hybrid_llm.observe import Recorded
from hybrid_llm.report import Drift, drift_of
from tests.observe.events import SMALL, event_of, hosted


def traffic(
    n: int, mean: float, *, unfamiliar: float = 0.0, router_id: str = "r", usd: float = 1.0, seed: int = 0
) -> list[Recorded]:
    """Return n requests whose scores have this mean; large costs ``usd`` for a million tokens read, and 4 written."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(n):
        decision = replace(
            SMALL,
            score=float(np.clip(rng.normal(mean, 0.15), 0, 1)),
            familiar=bool(rng.random() >= unfamiliar),
            router_id=router_id,
        )
        read, written = int(rng.integers(10, 500)), int(rng.integers(10, 500))
        cost = usd * (read + 4 * written) / 1e6
        rows.append(Recorded(0.0, event_of(decision, hosted(input_tokens=read, output_tokens=written, cost_usd=cost))))
    return rows


def test_traffic_that_stays_what_it_was_says_nothing() -> None:
    found = drift_of(traffic(3000, 0.6, unfamiliar=0.02))
    assert (found.compared, found.wants_audit, found.lines()) == (1000, False, [])


def test_lower_scores_want_an_audit() -> None:
    found = drift_of([*traffic(600, 0.6), *traffic(600, 0.5, seed=1)])
    assert found.wants_audit
    assert -0.8 < found.shift < -0.5
    assert found.lines()[0].startswith("Scores are lower by 0.6 standard deviations")


def test_a_shift_that_only_many_requests_can_prove_is_none() -> None:
    assert not drift_of([*traffic(1500, 0.6), *traffic(1500, 0.58, seed=1)]).wants_audit


def test_more_unfamiliar_queries_want_an_audit() -> None:
    found = drift_of([*traffic(400, 0.6, unfamiliar=0.01), *traffic(400, 0.6, unfamiliar=0.15, seed=1)])
    assert found.wants_audit
    assert "unfamiliar queries rose by" in found.lines()[0]


def test_few_requests_and_those_of_an_earlier_router_are_not_compared() -> None:
    assert drift_of(traffic(300, 0.6)) == drift_of([]) == Drift(0, 0.0, 0.0, {})
    assert drift_of([*traffic(1000, 0.2, router_id="older"), *traffic(100, 0.8)]).compared == 0


def test_first_calls_of_one_length_say_nothing_of_the_price_of_longer_ones() -> None:
    def calls(read: int, usd: float = 1.0) -> list[Recorded]:
        cost = usd * (read + 4 * 5) / 1e6
        return [Recorded(0.0, event_of(SMALL, hosted(input_tokens=read, output_tokens=5, cost_usd=cost)))] * 300

    assert drift_of([*calls(20), *calls(400)]).prices == {}
    assert drift_of([*calls(20), *calls(20, usd=2.0)]).prices == {"gpt-4o": pytest.approx(2.0)}


def test_a_changed_price_is_said() -> None:
    found = drift_of([*traffic(300, 0.6), *traffic(300, 0.6, usd=1.5)])
    assert found.prices == {"gpt-4o": pytest.approx(1.5)}
    assert "gpt-4o has changed: the same tokens cost 1.50 times" in found.lines()[0]
    assert not found.wants_audit
