"""What is drawn from a journal is drawn at random, at known rates, and the same way again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hybrid_llm import Router
from hybrid_llm.certify import RATIO, Certificate, Menu, Provenance
from hybrid_llm.collect import ModelName, PairFolder, Setup
from hybrid_llm.errors import CertificateError
from hybrid_llm.observe import Recorded
from hybrid_llm.run import Draw, Promise, draw, lay_in, more_to_draw
from hybrid_llm.testing import FixedScorer
from tests.observe.events import LARGE, SMALL, event_of, hosted, local

PROMISE = Promise("ab" * 8, 0.95, 0.05, 0.95, "qwen3:4b", "gpt-4o", "exact", "0")


def traffic(n: int) -> list[Recorded]:
    """Return n requests, every other one answered by large."""
    rows = []
    for number in range(n):
        went, attempt = (LARGE, hosted(text="no")) if number % 2 else (SMALL, local(text="yes"))
        event = event_of(went.override(certified=True), attempt, query=f"question {number}")
        rows.append(Recorded(float(number), event))
    return rows


def keys(rows: list[Recorded], secret: str, sample: int, known: frozenset[str] = frozenset()) -> list[str]:
    return [one.key for one in draw(rows, PROMISE, secret, known, sample).draws]


def test_requests_that_large_answered_are_drawn_more_rarely_by_the_ratio() -> None:
    drawn = draw(traffic(8000), PROMISE, "secret", (), 1000).draws
    large = sum(not one.to_small for one in drawn)
    assert (len(drawn) - large) / large == pytest.approx(RATIO, rel=0.15)
    assert all((one.small, one.large) == (("yes", None) if one.to_small else (None, "no")) for one in drawn)


def test_the_rates_stay_known_when_more_is_asked_for_than_there_is() -> None:
    drawn = draw(traffic(4000), PROMISE, "secret", (), 4000).draws
    assert sum(one.to_small for one in drawn) == 2000
    assert sum(not one.to_small for one in drawn) == pytest.approx(2000 / RATIO, rel=0.15)


def test_the_same_command_draws_the_same_and_then_others() -> None:
    rows = traffic(400)
    first = keys(rows, "secret", 30)
    assert keys(rows, "secret", 30) == first
    assert keys(rows, "secret", 60)[:30] == first
    assert not set(keys(rows, "secret", 30, frozenset(first))) & set(first)
    assert keys(rows, "another", 30) != first


def test_later_traffic_joins_at_the_same_rate() -> None:
    rows = traffic(2000)
    first = keys(rows[:1000], "secret", 100)
    more = keys(rows, "secret", 60, frozenset(first))
    assert sum(float(key.split("/")[0]) >= 1000 for key in more) >= 50


def test_an_answer_that_was_not_kept_is_known_too_and_it_was_large_that_answered() -> None:
    event = event_of(SMALL.override(certified=True, route="large", reason="escalated"), query="q")
    event = replace(event, attempts=(local(kept=False, text="s"), hosted(text="l")))
    found = [draw([Recorded(0.0, event)], PROMISE, str(secret), (), 1).draws for secret in range(40)]
    drawn = [draws[0] for draws in found if draws]  # one of four secrets draws a request of large
    assert drawn
    assert all((one.to_small, one.small, one.large) == (False, "s", "l") for one in drawn)


def test_requests_that_are_never_answered_do_not_end_the_drawing(tmp_path: Path) -> None:
    setup = Setup(ModelName.read("ollama:qwen3:4b"), ModelName.read("openai:gpt-4o"))
    refused = [Draw(f"r{n}", f"refused {n}", True, "small says", None) for n in range(4)]
    answered = [Draw(f"a{n}", f"answered {n}", True, "small says", "large says") for n in range(4)]
    with PairFolder(tmp_path) as folder:
        folder.begin(setup)
        lay_in(folder, setup, refused, {})
        assert more_to_draw(folder, setup, 4) == 0  # these are asked first, where an audit was stopped
        lay_in(folder, setup, answered, {})
        assert more_to_draw(folder, setup, 4) == 4


def router_with(*quality: float, void: str = "") -> Router:
    menu = tuple(Certificate(True, 0.5, 0.6, 1 - q, 0.9, 900, 0.01, 0.01, 0.02, 0.9, 0.95) for q in quality)
    return Router(FixedScorer(0.5), certificate=Menu(menu, menu[0].max_drop, Provenance(void_reason=void)))


def test_a_promise_is_that_of_the_level_that_was_certified() -> None:
    promise = Promise.of(router_with(0.95, 0.9))
    assert (promise.quality, promise.max_drop, promise.confidence) == (pytest.approx(0.95), pytest.approx(0.05), 0.9)
    assert Promise.of(router_with(0.95, 0.9), 0.9).max_drop == pytest.approx(0.1)
    assert Promise.of(router_with(0.95), 0.9).id != Promise.of(router_with(0.95)).id


@pytest.mark.parametrize(
    ("router", "quality", "says"),
    [
        (Router(FixedScorer(0.5)), None, "no certificate"),
        (router_with(0.9, void="An audit said so."), None, "is void: An audit said so."),
        (router_with(0.9), 0.99, "Nothing is promised at quality level 0.99; there is 0.9."),
    ],
)
def test_a_router_that_promises_nothing_cannot_be_audited(router: Router, quality: float | None, says: str) -> None:
    with pytest.raises(CertificateError, match=says):
        Promise.of(router, quality)
