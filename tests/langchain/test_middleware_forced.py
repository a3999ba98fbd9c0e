"""A request that has to be small's is answered by no other model, whatever middleware stands nearer to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import LLMToolSelectorMiddleware, ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import HybridRouterMiddleware
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._agents import Way, agent_of, answers, every_way, fake, fakes, reasons, routes

pytestmark = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")
BAD = ValueError("400: no such parameter")
DOWN = ConnectionRefusedError("not running")
every_error = pytest.mark.parametrize("error", [BAD, DOWN], ids=["refused", "down"])
every_place = pytest.mark.parametrize("place", ["before", "after"])
SMALL = {"context": {"route": "small"}}


def falling_back(small: Any, large: Any, third: Any, place: str = "after", **options: Any) -> Any:
    return agent_of(small, large, FixedScorer(0.1), agent={place: [ModelFallbackMiddleware(third, large)]}, **options)


@every_way
@every_error
@every_place
async def test_a_forced_small_that_fails_is_its_own_error_and_no_other_model_is_asked(way: Way, error, place) -> None:
    small, large = fakes()
    small.error, third = error, fake("third")
    with pytest.raises(type(error), match=str(error)):
        await way(falling_back(small, large, third, place), "hard", **SMALL)
    assert not third.asked
    assert not large.asked


@every_way
async def test_so_it_is_with_the_switch(way: Way) -> None:
    small, large = fakes()
    small.error, third = DOWN, fake("third")
    router = HybridRouterMiddleware(small, large, FixedScorer(0.1), threshold=0.5)
    router.force = "small"
    agent = create_agent(large, middleware=[router, ModelFallbackMiddleware(third)])
    with pytest.raises(ConnectionRefusedError):
        await way(agent, "hard")
    assert not third.asked


@every_way
async def test_at_threshold_0_an_outage_is_answered_by_large_which_says_so(way: Way) -> None:
    small, large = fakes()
    small.error, third = DOWN, fake("third")
    state = await way(falling_back(small, large, third), "hard", context={"threshold": 0})
    assert (routes(state), reasons(state)) == (["large"], ["fallback"])
    assert not third.asked


@every_way
async def test_at_threshold_0_any_other_error_is_raised(way: Way) -> None:
    small, large = fakes()
    small.error, third = BAD, fake("third")
    with pytest.raises(ValueError, match="400"):
        await way(falling_back(small, large, third, threshold=0), "hard")
    assert not third.asked
    assert not large.asked


@every_way
async def test_a_forced_large_may_be_answered_by_the_users_own_fallback(way: Way) -> None:
    small, large = fakes()
    large.error, third = DOWN, fake("third")
    state = await way(falling_back(small, large, third), "hard", context={"route": "large"})
    assert answers(state)[0].text == "from third"


@every_way
async def test_small_may_be_asked_again(way: Way) -> None:
    small, large = fakes()
    small.replies = [DOWN]
    retry = ModelRetryMiddleware(max_retries=1, initial_delay=0, jitter=False)
    state = await way(agent_of(small, large, FixedScorer(0.1), agent={"after": [retry]}), "hard", **SMALL)
    assert (answers(state)[0].text, len(small.asked)) == ("from small", 2)


class Picks(FakeChatModel):
    """Picks tools by name, as the selector asks for it."""

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return self | RunnableLambda(lambda _: {"tools": ["get_weather"]})


@every_way
async def test_a_model_that_works_before_small_does_may_be_another(way: Way) -> None:
    small, large = fakes()
    selector = LLMToolSelectorMiddleware(model=Picks(model="picks", calls_tools=False))
    state = await way(agent_of(small, large, FixedScorer(0.1), agent={"after": [selector]}), "hard", **SMALL)
    assert answers(state)[0].text == "from small"


@every_way
async def test_the_readers_of_a_run_hear_of_small_alone(way: Way) -> None:
    heard: list[str] = []

    class Hears(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
            heard.append(kwargs["metadata"]["ls_model_name"])

    small, large = fakes()
    small.error = DOWN
    with pytest.raises(ConnectionRefusedError):
        await way(falling_back(small, large, fake("third")), "hard", {"callbacks": [Hears()]}, **SMALL)
    assert heard == ["small"]


async def test_nor_is_it_in_a_stream() -> None:
    small, large = fakes()
    small.error, third = DOWN, fake("third")
    agent = falling_back(small, large, third)
    asked = {"messages": [HumanMessage("hard")]}

    def read(chunks: Iterator[Any]) -> None:
        assert not list(chunks)

    async def aread(chunks: AsyncIterator[Any]) -> None:
        assert not [chunk async for chunk in chunks]

    with pytest.raises(ConnectionRefusedError):
        read(agent.stream(asked, stream_mode="messages", **SMALL))
    with pytest.raises(ConnectionRefusedError):
        await aread(agent.astream(asked, stream_mode="messages", **SMALL))
    assert not third.asked
