"""What LangChain puts round a chat model holds round one with a second look: retries, fallbacks, limits, batches."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.output_parsers import StrOutputParser
from langchain_core.rate_limiters import BaseRateLimiter

from langchain_hybrid import RunnableHybrid
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._held import checker_of, held_pair, message_of, small_of
from tests.langchain._ways import Way, by_abatch, by_ainvoke, by_astream, by_batch, by_invoke, by_stream, every_way
from tests.looks import LEVEL, SURE, UNSURE, LookScenario, Said, router_with, trained
from tests.scenarios import EASY, FAILURES, StatusError

KEPT, ESCALATED = LookScenario(""), LookScenario("", Said(sure=UNSURE))
quietly = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke])
async def test_with_retry_asks_small_again_after_a_bug(way: Way) -> None:
    pair = held_pair(KEPT, small=small_of(KEPT, replies=[ValueError("a bug")]))
    (answer,) = await way(pair.with_retry(stop_after_attempt=2, wait_exponential_jitter=False), [EASY])
    assert (answer.text, answer.response_metadata["hybrid"]["reason"]) == ("Lima.", "kept")
    assert (len(pair.small.asked), len(pair.large.asked)) == (2, 0)


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_stream, by_astream])
@quietly
async def test_with_fallbacks_a_third_model_answers_where_large_is_down_after_an_escalation(way: Way) -> None:
    pair = held_pair(LookScenario("", ESCALATED.small, large_fails="500"))
    (answer,) = await way(pair.with_fallbacks([FakeChatModel(model="third")]), [EASY])
    assert answer.text == "from third"
    assert (len(pair.small.asked), len(pair.large.asked)) == (1, 1)


@pytest.mark.parametrize("way", [by_batch, by_abatch])
async def test_in_a_batch_an_error_takes_the_place_of_its_answer_alone(way: Way) -> None:
    says = {"sure": message_of(Said(sure=SURE)), "unsure": message_of(Said(sure=UNSURE))}

    def answer(messages: list[Any]) -> Any:
        text = messages[-1].text
        if text not in says:
            raise FAILURES["bad request"]
        return says[text]

    pair = held_pair(KEPT, small=FakeChatModel(model="small", says=answer))
    kept, wrong, escalated, unread = await way(pair, ["sure", "wrong", "unsure", 7], return_exceptions=True)
    assert [one.response_metadata["hybrid"]["reason"] for one in (kept, escalated)] == ["kept", "escalated"]
    assert (kept.text, escalated.text) == ("Lima.", "from large")
    assert isinstance(wrong, StatusError)
    assert isinstance(unread, ValueError)


class Counts(BaseRateLimiter):
    n = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        self.n += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return self.acquire()


@every_way
@quietly
async def test_the_limiter_of_each_model_is_asked_once_a_call(way: Way) -> None:
    scenario = LookScenario("", Said("It is 18.", 0.6), look=lambda: trained(checker=True), form=True, checker="19")
    pair = held_pair(scenario)
    for model in (pair.small, pair.large, pair.checker):
        model.rate_limiter = Counts()
    (answer,) = await way(pair, [EASY])
    assert answer.response_metadata["hybrid"]["reason"] == "escalated"
    assert [model.rate_limiter.n for model in (pair.small, pair.large, pair.checker)] == [1, 1, 1]


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke])
async def test_nothing_private_is_written_to_the_cache_not_even_what_a_checker_says(
    way: Way, cache: InMemoryCache
) -> None:
    scenario = LookScenario("", Said("It is 18.", 0.4), look=lambda: trained(checker=True), form=True, checker="18")
    arms = [model | StrOutputParser() for model in (small_of(scenario), FakeChatModel(model="large"))]
    options: dict[str, Any] = {"second_look": True, "private": True, "local_hosts": ["*"], **LEVEL}
    hybrid = RunnableHybrid(*arms, router_with(trained(checker=True)), checker=checker_of(scenario), **options)
    assert await way(hybrid, [EASY]) == ["It is 18."]
    assert cache._cache == {}
    pair = held_pair(scenario, private=True, local_hosts=["*"])
    (answer,) = await way(pair, [EASY])
    assert answer.response_metadata["hybrid"]["look"]["score"] > 0.5
    assert len(pair.checker.asked) == 1
    assert cache._cache == {}


@pytest.mark.parametrize(("scenario", "shown"), [(KEPT, "Lima."), (ESCALATED, "from large")], ids=["kept", "escalated"])
async def test_every_way_to_stream_an_agent_sees_one_answer(scenario: LookScenario, shown: str) -> None:
    def agent() -> Any:
        return create_agent(held_pair(scenario), tools=[])

    modes, asked = ["messages", "updates", "values"], {"messages": [("user", EASY)]}
    seen = [*agent().stream(asked, stream_mode=modes)]
    aseen = [part async for part in agent().astream(asked, stream_mode=modes)]
    events = [event async for event in agent().astream_events(asked, version="v2")]
    for parts in (seen, aseen):
        told = {mode: [value for kind, value in parts if kind == mode] for mode in modes}
        assert "".join(str(chunk.text) for chunk, _ in told["messages"]) == shown
        assert [one["model"]["messages"][-1].text for one in told["updates"]] == [shown]
        assert [message.text for message in told["values"][-1]["messages"]] == [EASY, shown]
    tokens = [event["data"]["chunk"] for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(str(chunk.text) for chunk in tokens) == shown
