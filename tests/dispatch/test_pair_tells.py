"""Whom a pair tells: its observers of each request, the user of an outage."""

from __future__ import annotations

import logging
import warnings

import pytest

from hybrid_llm import HybridLLMWarning
from hybrid_llm.dispatch import Breaker, PairState, Request
from hybrid_llm.errors import ConfigError
from hybrid_llm.event import ArmCall, Observer, RequestEvent
from tests.dispatch.pairs import DOWN, Way, arms_of, every_way, pair_of
from tests.scenarios import EASY, StatusError

pytestmark = pytest.mark.filterwarnings("ignore:(small|large) is down:hybrid_llm.errors.HybridLLMWarning")


# --- observers -----------------------------------------------------------------------------------------------------


class Notes(Observer):
    def __init__(self) -> None:
        self.calls: list[ArmCall] = []
        self.events: list[RequestEvent] = []

    def calling(self, call: ArmCall) -> None:
        self.calls.append(call)

    def finished(self, event: RequestEvent) -> None:
        self.events.append(event)


@every_way
async def test_an_observer_hears_of_each_call_and_of_the_end_but_of_no_text(way: Way) -> None:
    notes, seen = Notes(), []
    pair = pair_of(observers=[notes, seen.append])
    _, decision = await way(pair, Request(EASY, method="chat"), arms_of(small=DOWN))
    assert [(call.decision.reason, call.model) for call in notes.calls] == [
        ("score", "qwen3:4b"),
        ("fallback", "gpt-4o"),
    ]
    (event,) = notes.events
    assert seen == [event]
    assert event.decision == decision
    assert [(attempt.model, attempt.kept, attempt.error) for attempt in event.attempts] == [
        ("qwen3:4b", False, "ConnectionRefusedError"),
        ("gpt-4o", True, None),
    ]
    assert (event.method, event.error, len(event.query_hash)) == ("chat", None, 16)
    assert event.seconds >= sum(attempt.seconds for attempt in event.attempts) > 0
    assert EASY not in str(event.as_dict())


@every_way
async def test_an_observer_hears_of_an_error_too(way: Way) -> None:
    notes = Notes()
    with pytest.raises(StatusError):
        await way(pair_of(observers=[notes]), Request(EASY), arms_of(small=StatusError(400)))
    (event,) = notes.events
    assert (event.error, event.decision.route, event.attempts[0].kept) == ("StatusError", "small", False)


@pytest.mark.parametrize("way", ["stream", "astream"])
async def test_a_stream_ends_for_its_observers_when_its_reader_has_enough(way: str) -> None:
    notes = Notes()
    pair = pair_of(observers=[notes])
    if way == "stream":
        chunks = pair.stream(Request(EASY), arms_of().stream)
        next(chunks)
        assert notes.events == []
        chunks.close()
    else:
        achunks = pair.astream(Request(EASY), arms_of().astream)
        await anext(achunks)
        await achunks.aclose()
    assert [(event.error, event.attempts[0].kept) for event in notes.events] == [(None, True)]


@every_way
async def test_an_observer_that_raises_costs_its_notice_and_one_warning(way: Way) -> None:
    def broken(event: RequestEvent) -> None:
        raise KeyError("mine")

    notes = Notes()
    pair = pair_of(observers=[broken, notes])
    with pytest.warns(HybridLLMWarning, match=r"An observer failed \(KeyError") as given:
        answers = [(await way(pair, Request(EASY), arms_of()))[0] for _ in range(3)]
    assert (answers, len(given), len(notes.events)) == (["from small"] * 3, 1, 3)


def test_something_that_cannot_be_told_anything_is_no_observer() -> None:
    with pytest.raises(ConfigError, match="observers="):
        pair_of(observers=["traffic.sqlite"])


# --- outages are told of -------------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize(
    ("error", "why"),
    [
        (StatusError(404), "model 'qwen3:4b' not found"),
        (StatusError(503), "HTTP status 503"),
        (DOWN, "cannot be reached"),
        (TimeoutError(), "gave no answer in time"),
    ],
    ids=["model not found", "503", "refused", "timeout"],
)
async def test_an_outage_is_told_of_once_when_it_begins_and_once_when_it_ends(
    way: Way, error: Exception, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    pair, arms = pair_of(state=PairState({"small": Breaker(cooldown=0), "large": Breaker()})), arms_of(small=error)
    caplog.set_level(logging.INFO, "hybrid_llm")
    with pytest.warns(HybridLLMWarning, match=why) as given:
        answers = [(await way(pair, Request(EASY), arms))[0] for _ in range(5)]
    arms.small = ["from small"]
    answers += [(await way(pair, Request(EASY), arms))[0] for _ in range(3)]
    assert answers == ["from large"] * 5 + ["from small"] * 3
    assert len(given) == 1
    begun, ended = [record.getMessage() for record in caplog.records]
    assert begun == str(given[0].message)
    assert ended == "small is back: model 'qwen3:4b' answers again."
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    assert EASY not in begun + ended


def test_where_warnings_are_errors_the_log_has_the_outage_and_large_answers(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pair_of().call(Request(EASY), arms_of(small=DOWN).call)[0] == "from large"
    assert "small is down" in caplog.text


def test_an_error_that_is_raised_anyway_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ConnectionRefusedError):
            pair_of().call(Request(EASY, route="small"), arms_of(small=DOWN).call)
    assert caplog.text == ""
