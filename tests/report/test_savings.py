"""What a journal comes to, against totals worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.decision import Look
from hybrid_llm.event import Attempt, RequestEvent
from hybrid_llm.observe import Recorded
from hybrid_llm.prices import Price
from hybrid_llm.report import Savings, Traffic, savings_lines, savings_of, write_savings_page
from tests.observe.events import DOWN, FALLBACK, LARGE, SMALL, event_of, hosted, local

NOON = 1_795_780_800.0  # 27 November 2026, 12:00 UTC
DAY = 86_400.0
HELD = local(kept=False)
ESCALATED = SMALL.override(route="large", reason="escalated")


def rows(*events: RequestEvent, since: float = NOON) -> list[Recorded]:
    return [Recorded(since + second, event) for second, event in enumerate(events)]


MONTH = [
    *rows(*[event_of(SMALL, local()) for _ in range(6)]),
    *rows(event_of(LARGE, hosted(cost_usd=0.03)), event_of(LARGE, hosted(cost_usd=0.01)), since=NOON + DAY),
    *rows(event_of(FALLBACK, DOWN, hosted(cost_usd=0.02)), since=NOON + DAY),
    *rows(event_of(ESCALATED, replace(HELD, cost_usd=0.001), hosted(cost_usd=0.04)), since=NOON + 2 * DAY),
    *rows(event_of(SMALL, DOWN, error="StatusError"), since=NOON + 2 * DAY),
]
"""Small answered 6, large 4: for .03, .01, .02 and .04, a mean of .025; one held answer of small cost .001."""


@pytest.fixture(scope="module")
def month() -> Savings:
    return savings_of(MONTH)


def test_the_totals_are_those_worked_out_by_hand(month: Savings) -> None:
    assert (month.requests, month.by_route, month.failed, month.priced) == (11, {"small": 6, "large": 4}, 1, 11)
    assert month.paid_usd == pytest.approx(0.03 + 0.01 + 0.02 + 0.04 + 0.001)
    assert month.always_large_usd is not None
    # the four that it answered, and six more at their mean; the failed request would not have been answered either
    assert month.always_large_usd[0] == pytest.approx(0.1 + 6 * 0.025)
    assert month.saved_usd == pytest.approx(0.25 - 0.101)
    assert month.both_run == pytest.approx(1 / 11)


def test_the_interval_holds_the_estimate_and_leaves_out_what_is_known(month: Savings) -> None:
    assert month.always_large_usd is not None
    estimate, low, high = month.always_large_usd
    assert low is not None
    assert high is not None
    assert 0.1 <= low < estimate < high
    assert (low, high) == (pytest.approx(0.1, abs=0.03), pytest.approx(0.4, abs=0.03))


def test_fallbacks_escalations_and_requests_that_both_answered_are_counted_by_themselves(month: Savings) -> None:
    fallback, escalated, both = (month.extra[name] for name in ("fallback", "escalated", "both_run"))
    assert (fallback.requests, fallback.usd, fallback.unkept_seconds) == (1, 0.02, pytest.approx(0.1))
    assert (escalated.requests, escalated.usd) == (1, pytest.approx(0.041))
    assert (escalated.unkept_usd, escalated.unkept_seconds) == (0.001, pytest.approx(0.4))
    assert both == escalated


def test_seconds_are_those_of_the_answers(month: Savings) -> None:
    # .41 six times, 1.01 twice, 1.11 and 1.41: the middle of ten lies between the fifth and the sixth
    assert month.seconds_p50 == pytest.approx(0.41)
    assert month.seconds_p95 == pytest.approx(1.11 + 0.55 * (1.41 - 1.11))


def test_each_day_has_its_part_and_the_parts_add_up(month: Savings) -> None:
    assert [(day.day, day.requests, day.small, day.large) for day in month.by_day] == [
        ("2026-11-27", 6, 6, 0),
        ("2026-11-28", 3, 0, 3),
        ("2026-11-29", 2, 0, 1),
    ]
    assert [day.paid_usd for day in month.by_day] == [0, pytest.approx(0.06), pytest.approx(0.041)]
    assert [day.always_large_usd for day in month.by_day] == [pytest.approx(n) for n in (0.15, 0.06, 0.04)]
    assert month.always_large_usd is not None
    assert math.fsum(day.always_large_usd or 0 for day in month.by_day) == pytest.approx(month.always_large_usd[0])


def test_each_model_has_its_tokens_and_its_dollars(month: Savings) -> None:
    large, small = month.by_model
    assert (large.model, large.calls, large.kept, large.failed) == ("gpt-4o", 4, 4, 0)
    assert (large.input_tokens, large.output_tokens, large.usd) == (40, 80, pytest.approx(0.1))
    assert (small.model, small.calls, small.kept, small.failed) == ("qwen3:4b", 9, 6, 2)
    assert (small.input_tokens, small.output_tokens, small.cached_tokens) == (84, 56, None)


def test_a_declared_price_counts_in_place_of_what_was_written_down() -> None:
    found = savings_of(rows(event_of(LARGE, hosted(input_tokens=1_000_000, cached_tokens=500_000))), prices={
        "gpt-4o": Price(2, 8, cached=1)
    })  # fmt: skip
    assert found.paid_usd == pytest.approx(1 + 0.5 + 20 * 8e-6)


def test_requests_without_a_known_cost_are_left_out_on_both_sides_and_said() -> None:
    found = savings_of(rows(event_of(SMALL, local(cost_usd=None)), event_of(LARGE, hosted()), event_of(SMALL, local())))
    assert (found.priced, found.unpriced) == (2, {"qwen3:4b": 1})
    assert found.paid_usd == pytest.approx(0.01)
    assert found.always_large_usd is not None
    assert found.always_large_usd[0] == pytest.approx(0.02)
    assert any("Dollars are those of 2 requests" in line for line in savings_lines(found))


def test_where_no_cost_is_known_nothing_is_claimed() -> None:
    found = savings_of(rows(event_of(SMALL, local(cost_usd=None))))
    assert (found.paid_usd, found.always_large_usd, found.saved_usd) == (None, None, None)


def test_what_large_would_cost_is_unknown_while_it_answers_nothing() -> None:
    found = savings_of(rows(event_of(SMALL, local())))
    assert (found.paid_usd, found.always_large_usd, found.saved_usd) == (0, None, None)
    assert any("shadow=True" in line for line in savings_lines(found))


def test_one_answer_of_large_gives_an_estimate_without_an_interval() -> None:
    found = savings_of(rows(event_of(SMALL, local()), event_of(LARGE, hosted())))
    assert found.always_large_usd == (0.02, None, None)


def test_the_interval_from_three_calls_of_large_covers_what_the_next_hundred_cost() -> None:
    rng, covered = np.random.default_rng(0), 0
    small = [event_of(SMALL, local())] * 100
    for _ in range(40):
        usd = rng.uniform(0.01, 0.05, 103)
        found = savings_of(rows(*small, *[event_of(LARGE, hosted(cost_usd=float(cost))) for cost in usd[:3]]))
        assert found.always_large_usd is not None
        _, low, high = found.always_large_usd
        covered += (low or 0.0) <= usd.sum() <= (high or 0.0)
    assert covered >= 35  # resampling three calls covers 30 of 40


def test_nothing_is_saved_with_a_private_request() -> None:
    private = SMALL.override(reason="private", private=True)
    found = savings_of(rows(event_of(private, local(cost_usd=0.002)), event_of(LARGE, hosted())))
    assert (found.private, found.always_large_usd) == (1, (0.012, 0.012, 0.012))
    assert found.saved_usd == pytest.approx(0)


def test_an_answer_of_small_while_large_was_down_saved_nothing() -> None:
    down = Attempt("large", "gpt-4o", 0.1, kept=False, error="ConnectError")
    back = LARGE.override(route="small", reason="fallback")
    found = savings_of(rows(event_of(back, down, local()), event_of(LARGE, hosted())))
    assert found.saved_usd == pytest.approx(0)


def test_a_shadow_says_what_would_have_gone_to_small_and_what_large_cost_for_it() -> None:
    shadowed = [LARGE.override(reason="shadow", shadow=would) for would in (SMALL, LARGE, SMALL)]
    found = savings_of(rows(*[event_of(decision, hosted()) for decision in shadowed]))
    assert (found.shadowed, found.shadow_to_small, found.shadow_usd) == (3, 2, pytest.approx(0.02))
    assert (found.by_route, found.saved_usd) == ({"small": 0, "large": 3}, 0)


def test_what_a_second_look_would_have_kept_is_not_claimed_in_shadow() -> None:
    held = LARGE.override(reason="shadow", shadow=SMALL.override(look=Look()))
    found = savings_of(rows(event_of(held, hosted())))
    assert (found.shadowed, found.shadow_to_small, found.shadow_held) == (1, 0, 1)
    assert "In 1 more small would have answered first" in "\n".join(savings_lines(found))


def test_in_shadow_small_may_have_been_asked_and_what_the_look_came_to_is_counted() -> None:
    kept = SMALL.override(reason="kept", look=Look(0.9, 0.8))
    cut = SMALL.override(route="large", reason="rejected", look=Look(rejected="cut_off"))
    events = [
        event_of(LARGE.override(reason="shadow", shadow=would), hosted(), replace(HELD, cost_usd=0.001))
        for would in (kept, kept, cut, SMALL.override(look=Look()))
    ]
    found = savings_of(rows(*events))
    shadow = (found.shadowed, found.shadow_to_small, found.shadow_looked, found.shadow_both, found.shadow_held)
    assert shadow == (4, 2, 3, 1, 1)
    assert found.shadow_usd == pytest.approx(0.02)
    # what small cost in shadow was paid on top, and no user waited for both
    assert (found.paid_usd, found.saved_usd) == (pytest.approx(0.044), pytest.approx(-0.004))
    assert (found.both_run, found.by_route) == (0, {"small": 0, "large": 4})
    assert "3 requests were looked at: 2 would have been kept, and 1 would" in "\n".join(savings_lines(found))


def test_an_empty_journal_is_nothing_and_no_error() -> None:
    found = savings_of([])
    assert (found.requests, found.paid_usd, found.both_run, found.seconds_p50) == (0, None, 0, None)
    assert savings_lines(found) == ["0 requests, answered by: none."]


costs = st.lists(st.floats(0, 10), min_size=2, max_size=30)


@given(costs, st.integers(0, 40))
def test_the_estimate_is_the_mean_and_lies_in_its_interval(known: list[float], small: int) -> None:
    asked = [event_of(LARGE, hosted(cost_usd=cost)) for cost in known]
    found = savings_of(rows(*asked, *[event_of(SMALL, local())] * small))
    assert found.always_large_usd is not None
    estimate, low, high = found.always_large_usd
    assert estimate == pytest.approx(sum(known) * (1 + small / len(known)))
    assert low is not None
    assert high is not None
    assert low <= estimate * (1 + 1e-9)
    assert high >= estimate * (1 - 1e-9) or max(known) == 0


def test_the_json_has_the_agreed_keys(month: Savings) -> None:
    keys = {"requests", "by_route", "paid_usd", "always_large_usd", "saved_usd", "both_run", "seconds_p50"}
    assert keys | {"seconds_p95"} <= month.as_dict().keys()


def test_the_page_says_the_same_and_fetches_nothing(tmp_path: Path, month: Savings) -> None:
    page = tmp_path / "savings.html"
    write_savings_page(page, Traffic(month, "<traffic>.sqlite", ["Scores are lower."]))
    text = page.read_text(encoding="utf-8")
    assert "&lt;traffic&gt;.sqlite" in text
    assert "http" not in text.replace("http-equiv", "")
    for part in ("2026-11-28", "gpt-4o", "qwen3:4b", "escalated", "$0.25"):
        assert part in text


def test_the_sentences_say_what_was_saved_and_how_sure_that_is(month: Savings) -> None:
    said = "\n".join(savings_lines(month))
    assert "11 requests, answered by: small 6 (60 %), large 4 (40 %)." in said
    assert "1 got no answer." in said
    assert "Paid: $0.10. Large alone would have cost about $0.25 (95 % interval $" in said
    assert "about $0.15 saved." in said
