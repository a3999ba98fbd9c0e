"""What the calls behind an answer used and cost, as the answer and the observers say it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from hybrid_llm.event import RequestEvent
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.covering import covering
from tests.langchain._ways import Way, every_way

CACHED = AIMessage(
    "from the cache",
    usage_metadata={
        "input_tokens": 1000,
        "output_tokens": 10,
        "total_tokens": 1010,
        "input_token_details": {"cache_read": 900},
    },
)
DOWN = ConnectionRefusedError("not running")
PRICES = {"large": (2.0, 10.0), "small": (0.0, 0.0)}


def hybrid_of(kind: Any = ChatHybrid, small: Any = None, large: Any = None, **options: Any) -> Any:
    arms = small or FakeChatModel(model="small"), large or FakeChatModel(model="large")
    return kind(*arms, FixedScorer({"easy one": 0.9}, default=0.1), threshold=0.5, prices=PRICES, **options)


def figures(attempts: Any) -> list[tuple[Any, ...]]:
    names = ("model", "input_tokens", "output_tokens", "cost_usd", "kept", "error")
    return [tuple(one[name] for name in names) for one in attempts]


@covering(every_way, pytest.mark.parametrize("kind", [ChatHybrid, RunnableHybrid]), times=2)
async def test_an_answer_says_what_each_call_for_it_used_and_cost(way: Way, kind: Any) -> None:
    events: list[RequestEvent] = []
    (answer,) = await way(hybrid_of(kind, observers=[events.append]), ["a hard one"])
    attempts = answer.response_metadata["hybrid"]["attempts"]
    assert figures(attempts) == [("large", 3, 2, pytest.approx((3 * 2 + 2 * 10) / 1e6), True, None)]
    assert attempts == [attempt.as_dict() for attempt in events[0].attempts]
    assert attempts[0]["provider"] == "fake"


@every_way
@pytest.mark.filterwarnings("ignore:small is down")
async def test_a_call_that_failed_stands_before_the_one_that_answered(way: Way) -> None:
    (answer,) = await way(hybrid_of(small=FakeChatModel(model="small", error=DOWN)), ["easy one"])
    assert figures(answer.response_metadata["hybrid"]["attempts"]) == [
        ("small", None, None, None, False, "ConnectionRefusedError"),
        ("large", 2, 2, pytest.approx(24e-6), True, None),
    ]


@every_way
async def test_tokens_from_the_providers_cache_are_told(way: Way) -> None:
    (answer,) = await way(hybrid_of(large=FakeChatModel(model="large", replies=[CACHED])), ["a hard one"])
    (attempt,) = answer.response_metadata["hybrid"]["attempts"]
    assert (attempt["input_tokens"], attempt["cached_tokens"]) == (1000, 900)


class Elsewhere(FakeChatModel):
    """One whose server is somewhere, under a name and an address that no list has."""

    base_url: str = "https://llm.example.com/v1"


@every_way
async def test_without_a_price_the_tokens_are_known_and_the_cost_is_not(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("langchain_hybrid._place._IN_THIS_PROGRAM", frozenset())
    hybrid = ChatHybrid(Elsewhere(model="a"), FakeChatModel(model="b"), FixedScorer(0.9), threshold=0.5)
    (answer,) = await way(hybrid, ["easy one"])
    (attempt,) = answer.response_metadata["hybrid"]["attempts"]
    assert (attempt["input_tokens"], attempt["cost_usd"]) == (2, None)


@every_way
async def test_a_chain_that_hands_on_a_text_tells_its_observers_what_its_models_used(way: Way) -> None:
    def chain(model: str) -> Any:
        rewrite = ChatPromptTemplate.from_template("Rewrite: {q}") | FakeChatModel(model=model) | StrOutputParser()
        return {"q": rewrite} | ChatPromptTemplate.from_template("{q}") | FakeChatModel(model=model) | StrOutputParser()

    events: list[RequestEvent] = []
    hybrid = hybrid_of(
        RunnableHybrid, chain("small"), chain("large"), observers=[events.append], query=lambda value: value["q"]
    )
    (answer,) = await way(hybrid, [{"q": "easy one"}])
    assert answer == "from small"
    # 3 words read and 2 written, then those 2 read and 2 written: two models ran
    ((attempt,),) = [event.attempts for event in events]
    assert (attempt.model, attempt.input_tokens, attempt.output_tokens, attempt.cost_usd) == ("small", 5, 4, 0.0)


class Verdict(BaseModel):
    """A verdict."""

    good: str


async def test_structured_output_tells_what_it_used_and_its_raw_message_too() -> None:
    events: list[RequestEvent] = []
    hybrid = hybrid_of(observers=[events.append])
    hybrid.with_structured_output(Verdict).invoke("easy one")
    raw = hybrid.with_structured_output(Verdict, include_raw=True).invoke("easy one")["raw"]
    assert [event.attempts[0].input_tokens for event in events] == [2, 2]
    assert raw.response_metadata["hybrid"]["attempts"][0]["input_tokens"] == 2


@pytest.mark.filterwarnings("ignore:small is down")
def test_what_small_says_it_used_after_it_was_given_up_on_is_not_larges() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def late(_: Any) -> str:
        go_on.wait(5)
        return "words " * 100

    def meanwhile(_: Any) -> str:
        go_on.set()
        ended.wait(5)
        return "from large"

    def note(message: AIMessage) -> AIMessage:
        ended.set()
        return message

    small = FakeChatModel(model="small", says=late) | RunnableLambda(note)
    hybrid = hybrid_of(RunnableHybrid, small, FakeChatModel(model="large", says=meanwhile), small_timeout=0.02)
    answer = hybrid.invoke("easy one")
    assert figures(answer.response_metadata["hybrid"]["attempts"])[1][:4] == ("large", 2, 2, pytest.approx(24e-6))
