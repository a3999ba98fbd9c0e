"""The line in the log, and what observers cost a request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hybrid_llm import Pair
from hybrid_llm.decision import Look
from hybrid_llm.dispatch import Request
from hybrid_llm.event import Observer
from hybrid_llm.observe import Journal, Log, OpenTelemetry
from hybrid_llm.testing import FixedScorer
from tests.observe.events import DOWN, FALLBACK, LARGE, SMALL, TEXT, event_of, hosted, local


def lines(caplog: pytest.LogCaptureFixture, *events: object) -> list[str]:
    caplog.set_level(logging.DEBUG, "hybrid_llm")
    for event in events:
        Log().finished(event)
    assert {record.levelno for record in caplog.records} <= {logging.DEBUG}
    return [record.getMessage() for record in caplog.records]


def test_a_request_is_one_line_that_says_what_came_of_it(caplog: pytest.LogCaptureFixture) -> None:
    shadow = LARGE.override(reason="shadow", shadow=SMALL)
    events = (
        event_of(SMALL, local(cached_tokens=4)),
        event_of(FALLBACK, DOWN, hosted()),
        event_of(LARGE, error="TimeoutError"),
        event_of(shadow, hosted()),
        event_of(LARGE.override(reason="shadow", shadow=SMALL.override(reason="kept", look=Look(0.9, 0.8))), hosted()),
    )
    large = "large (gpt-4o) answered in 1.00 s, 10 tokens in, 20 out, $0.01"
    assert [line.split("; ") for line in lines(caplog, *events)] == [
        [
            "small by score 0.800 >= 0.500",
            "small (qwen3:4b) answered in 0.40 s, 12 tokens in, 4 of them cached, 8 out, $0",
            "0.41 s in all",
        ],
        [
            "large by fallback 0.800 >= 0.500",
            "small (qwen3:4b) failed with ConnectionRefusedError in 0.10 s",
            large,
            "1.11 s in all",
        ],
        ["large by score 0.300 < 0.500", "no answer (TimeoutError)", "0.01 s in all"],
        ["large by shadow 0.300 < 0.500 (would go to small)", large, "1.01 s in all"],
        ["large by shadow 0.300 < 0.500 (would go to small, kept)", large, "1.01 s in all"],
    ]


def test_no_text_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "hybrid_llm")
    Pair(FixedScorer(0.9), threshold=0.5, observers=[Log()]).call(Request(TEXT), lambda decision: "two moons")
    assert len(caplog.records) == 1
    assert TEXT not in caplog.text
    assert "moons" not in caplog.text


def test_nothing_is_written_while_debug_is_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hybrid_llm")
    Log().finished(event_of(SMALL, local()))
    assert caplog.records == []


def best(work: Callable[[], object], times: int = 300) -> float:
    """Return the seconds of one go, the best of several rounds."""
    rounds = []
    for _ in range(7):
        began = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - began) / times)
    return min(rounds)


@pytest.mark.parametrize("kind", ["log", "journal", "opentelemetry"])
def test_an_observer_costs_a_request_less_than_50_microseconds(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger("hybrid_llm")
    monkeypatch.setattr(log, "propagate", False)  # pytest's own handlers
    monkeypatch.setattr(log, "handlers", [logging.NullHandler()])
    monkeypatch.setattr(log, "level", logging.DEBUG)
    log.manager._clear_cache()  # type: ignore[attr-defined]
    made: dict[str, Callable[[], Observer]] = {
        "log": Log,
        "journal": lambda: Journal(tmp_path / "traffic.sqlite"),
        "opentelemetry": OpenTelemetry,
    }
    observer, event = made[kind](), event_of(SMALL, local())
    numbers = list(range(1_500))
    # a machine on which this sum takes 10 us is a usual one; on a slower one everything may take as much longer
    slower = max(1.0, best(lambda: sum(numbers)) / 10e-6)
    took = best(lambda: observer.finished(event))
    log.manager._clear_cache()  # type: ignore[attr-defined]
    assert took < 50e-6 * slower
