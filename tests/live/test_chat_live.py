"""ChatHybrid between a real Ollama and a real OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from ollama import ResponseError
from pydantic import BaseModel

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from tests.langchain._ways import Way, every_way

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    # ChatOpenAI gives it for every stream with a schema
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
]


@tool
def get_current_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"sunny in {city}"


class Verdict(BaseModel):
    """A verdict, short enough for a model that writes noise."""

    good: bool


@pytest.fixture
async def make(servers: Any, http: dict[str, Any]) -> AsyncIterator[Callable[..., ChatHybrid]]:
    """Makes pairs on the two servers, and closes their connections."""
    made: list[ChatOllama] = []

    def pair(small: str = "tiny-small", hosted: str = servers.openai, **options: Any) -> ChatHybrid:
        made.append(ChatOllama(model=small, base_url=servers.ollama, **options))
        large = ChatOpenAI(
            model="tiny-large",
            base_url=hosted,
            api_key="none",
            max_retries=1,
            stream_usage=True,
            http_client=http["sync"],
            http_async_client=http["async"],
        )
        return ChatHybrid(made[-1], large, FixedScorer({"easy": 0.9}, default=0.1), threshold=0.5)

    yield pair
    for model in made:
        model._client.close()
        await model._async_client.close()


@every_way
async def test_each_query_is_answered_by_the_server_that_was_decided(way: Way, make: Any, servers: Any) -> None:
    usage = UsageMetadataCallbackHandler()
    answers = await way(make(), ["easy", "hard"], {"callbacks": [usage]})
    assert [answer.text.strip() for answer in answers] == [servers.small_says, servers.large_says]
    assert [answer.response_metadata["hybrid"]["route"] for answer in answers] == ["small", "large"]
    for name, answer in zip(("tiny-small", "tiny-large"), answers, strict=True):
        assert answer.response_metadata["model_name"] == name
        assert usage.usage_metadata[name]["output_tokens"] == answer.usage_metadata["output_tokens"] > 0


@every_way
@pytest.mark.parametrize("query", ["easy", "hard"])
async def test_both_servers_call_the_tool_and_go_on_with_each_others_results(
    way: Way, query: str, make: Any, servers: Any
) -> None:
    step = make().bind_tools([get_current_weather])
    (call,) = await way(step, [query])
    (wanted,) = call.tool_calls
    assert (wanted["name"], wanted["args"]) == ("get_current_weather", {"city": "Toronto"})
    result = ToolMessage("sunny", tool_call_id=wanted["id"])
    for route, says in (("small", servers.small_says), ("large", servers.large_says)):
        (answer,) = await way(step, [[HumanMessage(query), call, result]], route=route)
        assert answer.text.strip() == says


@every_way
async def test_both_servers_follow_a_schema(way: Way, make: Any) -> None:
    structured = make().with_structured_output(Verdict, method="json_schema", include_raw=True)
    answers = await way(structured, ["easy", "hard"])
    assert [answer["raw"].response_metadata["hybrid"]["route"] for answer in answers] == ["small", "large"]
    assert all(isinstance(answer["parsed"], Verdict) for answer in answers)


async def test_an_agent_runs_to_its_end_on_either_server(make: Any, servers: Any) -> None:
    for query, says in (("easy", servers.small_says), ("hard", servers.large_says)):
        agent = create_agent(make(), tools=[get_current_weather])
        out = await agent.ainvoke({"messages": [("user", query)]})
        answers = [message for message in out["messages"] if isinstance(message, AIMessage)]
        assert len(answers) == 2
        assert len({answer.response_metadata["hybrid"]["route"] for answer in answers}) == 1
        assert answers[-1].text.strip() == says
        pieces = [piece async for piece, _ in agent.astream({"messages": [("user", query)]}, stream_mode="messages")]
        assert "".join(piece.text for piece in pieces if isinstance(piece, AIMessage)).strip() == says


@every_way
async def test_a_model_that_ollama_does_not_have_is_replaced_and_one_that_is_forced_is_an_error(
    way: Way, make: Any, servers: Any
) -> None:
    hybrid = make("no-such-model")
    (answer,) = await way(hybrid, ["easy"])
    assert (answer.text.strip(), answer.response_metadata["hybrid"]["reason"]) == (servers.large_says, "fallback")
    with pytest.raises(ResponseError, match="no-such-model"):
        await way(hybrid, ["easy"], route="small")


@every_way
async def test_a_wrong_parameter_is_the_servers_own_error(way: Way, make: Any) -> None:
    with pytest.raises(ResponseError, match="think") as failure:
        await way(make(reasoning=True), ["easy"])
    assert failure.value.status_code == 400


@every_way
async def test_a_hosted_server_that_is_not_there_is_an_error_and_small_goes_on(
    way: Way, make: Any, servers: Any
) -> None:
    hybrid = make(hosted="http://127.0.0.1:9/v1")
    with pytest.raises(Exception, match="Connection error"):
        await way(hybrid, ["hard"])
    (answer,) = await way(hybrid, ["easy"])
    assert answer.text.strip() == servers.small_says
