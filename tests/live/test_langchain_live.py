"""RunnableHybrid between a real Ollama and a real OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from ollama import ResponseError

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import RunnableHybrid

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]

QUERIES = ["easy", "hard", "easy"]


@pytest.fixture
def scorer() -> FixedScorer:
    return FixedScorer({"easy": 0.9, "hard": 0.1})


@pytest.fixture
async def on_ollama(servers: Any) -> AsyncIterator[Callable[[str], ChatOllama]]:
    """Makes chat models on Ollama, and closes their connections."""
    made: list[ChatOllama] = []

    def make(name: str) -> ChatOllama:
        made.append(ChatOllama(model=name, base_url=servers.ollama))
        return made[-1]

    yield make
    for model in made:
        model._client.close()
        await model._async_client.close()


@pytest.fixture
def hybrid(
    servers: Any, scorer: FixedScorer, on_ollama: Callable[[str], ChatOllama], http: dict[str, Any]
) -> RunnableHybrid[Any, Any]:
    large = ChatOpenAI(
        model="tiny-large",
        base_url=servers.openai,
        api_key="none",
        stream_usage=True,
        http_client=http["sync"],
        http_async_client=http["async"],
    )
    return RunnableHybrid(on_ollama("tiny-small"), large, scorer, threshold=0.5)


async def ask(hybrid: RunnableHybrid[Any, Any], way: str, queries: list[str], **kwargs: Any) -> list[Any]:
    if way == "invoke":
        return [hybrid.invoke(query, **kwargs) for query in queries]
    if way == "ainvoke":
        return [await hybrid.ainvoke(query, **kwargs) for query in queries]
    if way == "stream":
        return [reduce(add, hybrid.stream(query, **kwargs)) for query in queries]
    if way == "astream":
        return [reduce(add, [chunk async for chunk in hybrid.astream(query, **kwargs)]) for query in queries]
    if way == "batch":
        return hybrid.batch(queries, **kwargs)
    return await hybrid.abatch(queries, **kwargs)


every_way = pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "batch", "abatch"])


@every_way
async def test_each_query_is_answered_by_the_server_that_was_decided(
    way: str, hybrid: RunnableHybrid[Any, Any], servers: Any
) -> None:
    says = {"small": servers.small_says, "large": servers.large_says}
    messages = await ask(hybrid, way, QUERIES)
    routes = [message.response_metadata["hybrid"]["route"] for message in messages]
    assert routes == ["small", "large", "small"]
    assert [message.text.strip() for message in messages] == [says[route] for route in routes]


@every_way
async def test_a_forced_route_and_a_level_of_the_request_reach_the_right_server(
    way: str, hybrid: RunnableHybrid[Any, Any], servers: Any
) -> None:
    for options, answer in (
        ({"route": "small"}, servers.small_says),
        ({"route": "large"}, servers.large_says),
        ({"threshold": 0.0}, servers.small_says),
        ({"threshold": 2.0}, servers.large_says),
        ({"config": {"configurable": {"hybrid_threshold": 0.0}}}, servers.small_says),
    ):
        (message,) = await ask(hybrid, way, ["hard"], **options)
        assert message.text.strip() == answer


@every_way
async def test_usage_and_model_name_are_those_of_the_server(
    way: str, hybrid: RunnableHybrid[Any, Any], servers: Any
) -> None:
    small, large = await ask(hybrid, way, ["easy", "hard"])
    assert small.response_metadata["model_name"] == "tiny-small"
    assert large.response_metadata["model_name"] == "tiny-large"
    for message in (small, large):
        assert message.usage_metadata["output_tokens"] > 0


async def test_a_stream_comes_in_pieces_with_the_decision_on_the_first(hybrid: RunnableHybrid[Any, Any]) -> None:
    for query in ("easy", "hard"):
        chunks = [chunk async for chunk in hybrid.astream(query)]
        assert len(chunks) > 3
        told = [chunk.response_metadata.get("hybrid", {}) for chunk in chunks]
        assert ["route" in each for each in told] == [True] + [False] * (len(chunks) - 1)
        assert ["attempts" in each for each in told] == [False] * (len(chunks) - 1) + [True]


async def test_a_chain_streams_and_batches_through(
    hybrid: RunnableHybrid[Any, Any], servers: Any, scorer: FixedScorer
) -> None:
    chain = ChatPromptTemplate.from_messages([("system", "brief"), ("human", "{q}")]) | hybrid | StrOutputParser()
    answers = await chain.abatch([{"q": query} for query in QUERIES])
    assert [answer.strip() for answer in answers] == [servers.small_says, servers.large_says, servers.small_says]
    assert scorer.calls == [QUERIES]
    pieces = list(chain.stream({"q": "hard"}))
    assert len(pieces) > 3
    assert "".join(pieces).strip() == servers.large_says


async def test_two_models_of_one_ollama_need_no_hosted_one(
    servers: Any, scorer: FixedScorer, on_ollama: Callable[[str], ChatOllama]
) -> None:
    hybrid = RunnableHybrid(on_ollama("tiny-small"), on_ollama("tiny-large"), scorer, threshold=0.5)
    messages = hybrid.batch(["easy", "hard"])
    assert [message.text.strip() for message in messages] == [servers.small_says, servers.large_says]


async def test_a_wrong_name_of_the_small_model_falls_back_unless_that_is_switched_off(
    hybrid: RunnableHybrid[Any, Any], on_ollama: Callable[[str], ChatOllama], servers: Any
) -> None:
    wrong = RunnableHybrid(on_ollama("no-such-model"), hybrid.large, hybrid.router, threshold=0.5)
    message = await wrong.ainvoke("easy")
    assert (message.text.strip(), message.response_metadata["hybrid"]["reason"]) == (servers.large_says, "fallback")
    strict = RunnableHybrid(wrong.small, wrong.large, wrong.router, threshold=0.5, fallback_to_large=False)
    with pytest.raises(ResponseError, match="no-such-model"):
        await strict.ainvoke("easy")
