"""Settings of one call in LangChain: the same outcome whatever the score says, in the arm's own words.

The arms are the real classes of both families, before servers that note what they are asked.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, wrap_model_call
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from hybrid_llm import HybridLLMWarning
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware, RunnableHybrid
from tests.covering import covering
from tests.langchain._ways import Way, by_ainvoke, by_batch, by_invoke, every_way
from tests.model_servers import ModelServer

Arms = tuple[ChatOllama, ChatOpenAI]
ROUTER = FixedScorer({"easy": 0.9}, default=0.1)
OWN = {"temperature": 0.5, "num_ctx": 512}
SCHEMA = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class City(BaseModel):
    """A city."""

    name: str


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return "sunny"


class Servers:
    """Both servers, and models of theirs."""

    def __init__(self, text: str = "yes") -> None:
        self.small, self.large = ModelServer(text), ModelServer(text)
        self.closing: list[Any] = []

    def arms(self, small: dict[str, Any] | None = None, large: dict[str, Any] | None = None) -> Arms:
        transport = {"transport": httpx.MockTransport(self.small)}
        ollama = ChatOllama(
            **{"model": "m", "base_url": "http://ollama.test", "client_kwargs": transport, **OWN, **(small or {})}
        )
        sync = httpx.Client(transport=httpx.MockTransport(self.large))
        asynchronous = httpx.AsyncClient(transport=httpx.MockTransport(self.large))
        clients = {"http_client": sync, "http_async_client": asynchronous}
        openai = ChatOpenAI(
            **{"model": "m", "api_key": "none", "base_url": "http://hosted.test/v1", **clients, **(large or {})}
        )
        self.closing += [sync, asynchronous, ollama._client, ollama._async_client]
        return ollama, openai

    def chat(self, **options: Any) -> ChatHybrid:
        return ChatHybrid(*self.arms(**options), ROUTER, threshold=0.5)

    async def close(self) -> None:
        for client in self.closing:
            done = client.aclose() if hasattr(client, "aclose") else client.close()
            if done is not None:
                await done


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    both = Servers()
    yield both
    await both.close()


def options(**given: Any) -> dict[str, Any]:
    return {"options": {**OWN, **given}}


SAID = [
    ({"temperature": 0}, options(temperature=0), {"temperature": 0}),
    ({"top_p": 0.5}, options(top_p=0.5), {"top_p": 0.5}),
    ({"seed": 1}, options(seed=1), {"seed": 1}),
    ({"frequency_penalty": 1}, options(frequency_penalty=1), {"frequency_penalty": 1}),
    ({"stop": ["."]}, options(stop=["."]), {"stop": ["."]}),
    *(
        ({name: 5}, options(num_predict=5), {"max_completion_tokens": 5})
        for name in ("max_tokens", "max_completion_tokens", "num_predict")
    ),
    ({"options": {"seed": 1}}, {"options": {"seed": 1}}, {"seed": 1}),  # Ollama's options stand in for the model's own
    ({"options": {"seed": 1}, "max_tokens": 5}, {"options": {"seed": 1, "num_predict": 5}}, None),
    ({"logprobs": True, "top_logprobs": 2}, {**options(), "logprobs": True, "top_logprobs": 2}, None),
    ({"format": "json"}, {**options(), "format": "json"}, {"response_format": {"type": "json_object"}}),
    ({"response_format": {"type": "json_object"}}, {**options(), "format": "json"}, None),
    (
        {"format": SCHEMA},
        {**options(), "format": SCHEMA},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "City", "schema": SCHEMA}}},
    ),
]


@covering(every_way, pytest.mark.parametrize(("given", "to_ollama", "to_openai"), SAID, ids=str))
async def test_a_setting_of_a_call_reaches_either_server_in_its_own_words(
    way: Way, given: dict[str, Any], to_ollama: dict[str, Any], to_openai: dict[str, Any] | None, servers: Servers
) -> None:
    hybrid = servers.chat()
    (answer,) = await way(hybrid, ["easy"], **given)
    assert answer.response_metadata["hybrid"]["route"] == "small"
    assert servers.small.last == to_ollama
    if to_openai is not None:
        (answer,) = await way(hybrid, ["hard"], **given)
        assert answer.response_metadata["hybrid"]["route"] == "large"
        assert servers.large.last == to_openai


LEFT_OUT = [
    ("easy", {"parallel_tool_calls": False}),
    ("easy", {"user": "u"}),
    ("easy", {"reasoning_effort": "low"}),
    ("easy", {"tool_choice": "any"}),
    ("easy", {"extra_body": {"top_k": 1}}),
    ("hard", {"top_k": 4}),
    ("hard", {"num_ctx": 1024}),
    ("hard", {"keep_alive": "1h"}),
    ("hard", {"reasoning": True}),
]


@covering(every_way, pytest.mark.parametrize(("query", "given"), LEFT_OUT, ids=str), times=2)
async def test_a_setting_without_a_word_there_is_left_out_with_one_warning(
    way: Way, query: str, given: dict[str, Any], servers: Servers
) -> None:
    hybrid = servers.chat()
    if "tool_choice" in given:  # else it goes where tools can be forced
        given = {**given, "route": "small"}
    name = next(iter(given))
    with pytest.warns(HybridLLMWarning, match=f"does not know {name}="):
        (answer,) = await way(hybrid, [query], **given)
    assert answer.text == "yes"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await way(hybrid, [query], **given)
    other = {"easy": "hard", "hard": "easy"}[query]
    if "route" not in given:  # where it is known nothing is lost
        (answer,) = await way(hybrid, [other], **given)
        assert answer.text == "yes"


async def test_a_copy_of_the_pair_does_not_warn_again(servers: Servers) -> None:
    hybrid = servers.chat()
    with pytest.warns(HybridLLMWarning, match="user="):
        hybrid.bind(user="u").invoke("easy")
    hybrid.model_copy(update={"threshold": 0.4}).invoke("easy", user="u")


@pytest.mark.parametrize("query", ["easy", "hard"])
async def test_bound_settings_and_tools_hold_wherever_the_query_goes(query: str, servers: Servers) -> None:
    bound = servers.chat().bind_tools([get_weather], temperature=0, max_tokens=5, stop=["."])
    assert bound.invoke(query).text == "yes"
    last = (servers.small if query == "easy" else servers.large).last
    assert len(last["tools"]) == 1
    settings = last.get("options", last)
    assert (settings["temperature"], settings["stop"]) == (0, ["."])
    assert (settings.get("num_predict") or settings.get("max_completion_tokens")) == 5


async def test_a_model_of_ollamas_with_stop_words_of_its_own_takes_those_of_a_call(servers: Servers) -> None:
    servers.chat(small={"stop": ["!"]}).invoke("easy", stop=["."])
    assert servers.small.last["options"]["stop"] == ["."]


async def test_not_to_call_a_tool_means_that_ollama_gets_none(servers: Servers) -> None:
    bound = servers.chat().bind_tools([get_weather], tool_choice="none")
    bound.invoke("easy")
    bound.invoke("hard")
    assert "tools" not in servers.small.last
    assert servers.large.last["tool_choice"] == "none"


async def test_ollama_that_was_made_to_think_is_told_how_much(servers: Servers) -> None:
    hybrid = servers.chat(small={"reasoning": "low"})
    hybrid.invoke("easy", reasoning_effort="high")
    assert servers.small.last["think"] == "high"
    hybrid.invoke("hard", reasoning_effort="high")
    assert servers.large.last["reasoning_effort"] == "high"


@pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_batch])
async def test_the_responses_api_gets_its_own_words(way: Way, servers: Servers) -> None:
    hybrid = servers.chat(large={"use_responses_api": True, "max_tokens": 100})
    with pytest.warns(HybridLLMWarning, match="does not know seed=, stop="):
        await way(hybrid, ["hard"], num_predict=5, seed=1, stop=["."], temperature=0, format="json")
    text = {"format": {"type": "json_object"}}
    assert servers.large.last == {"max_output_tokens": 5, "temperature": 0, "text": text}


@pytest.mark.parametrize("how", ["constructed", "called"])
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_settings_of_structured_output_hold_wherever_the_query_goes(how: str, method: str) -> None:
    servers = Servers('{"name": "Lima"}')
    settings: dict[str, Any] = {"temperature": 0, "max_tokens": 5}
    first, then = (settings, {}) if how == "constructed" else ({}, settings)
    structured = servers.chat().with_structured_output(City, method=method, **first)
    for query, server in (("easy", servers.small), ("hard", servers.large)):
        found = structured.invoke(query, config={}, **then)
        assert found == (City(name="Lima") if method != "function_calling" else None)
        asked = server.last.get("options", server.last)
        assert asked["temperature"] == 0
        assert (asked.get("num_predict") or asked.get("max_completion_tokens")) == 5
    await servers.close()


async def test_settings_of_both_moments_come_together_in_structured_output() -> None:
    servers = Servers('{"name": "Lima"}')
    structured = servers.chat().with_structured_output(City, temperature=0)
    structured.invoke("easy", seed=1)
    assert servers.small.last["options"] == {**OWN, "temperature": 0, "seed": 1}
    await servers.close()


async def test_a_setting_that_structured_output_cannot_say_is_left_out_with_a_warning(servers: Servers) -> None:
    hybrid = servers.chat()
    with pytest.warns(HybridLLMWarning, match=r"small .* parallel_tool_calls="):
        hybrid.with_structured_output(City, method="function_calling", parallel_tool_calls=False)
    with pytest.raises(ValueError, match="a_word_of_nobody"):
        hybrid.with_structured_output(City, a_word_of_nobody=1)


@covering(every_way, pytest.mark.parametrize("bound", [False, True]), times=2)
async def test_a_router_chain_over_chat_models_says_settings_in_their_words(
    way: Way, bound: bool, servers: Servers
) -> None:
    small, large = servers.arms()
    arms = (small.bind(format="json"), large) if bound else (small, large)
    hybrid: RunnableHybrid[Any, Any] = RunnableHybrid(*arms, ROUTER, threshold=0.5)
    await way(hybrid, ["easy"], max_tokens=5)
    await way(hybrid, ["hard"], num_predict=5)
    assert servers.small.last == {**options(num_predict=5), **({"format": "json"} if bound else {})}
    assert servers.large.last == {"max_completion_tokens": 5}


@every_way
async def test_what_is_no_chat_model_gets_the_settings_of_a_call_as_they_are(way: Way) -> None:
    def say(value: str, **kwargs: Any) -> str:
        return repr(kwargs)

    arms = RunnableLambda(say), RunnableLambda(say)
    hybrid: RunnableHybrid[Any, Any] = RunnableHybrid(*arms, ROUTER, threshold=0.5)
    assert await way(hybrid, ["easy", "hard"], num_predict=5) == ["{'num_predict': 5}"] * 2


class Stranger(FakeListChatModel):
    """A model of neither family that keeps what it was given."""

    def _call(self, *args: Any, **kwargs: Any) -> str:
        return str(kwargs["num_predict"] + kwargs["max_tokens"])


async def test_a_model_of_another_family_gets_the_settings_of_a_call_as_they_are() -> None:
    hybrid = ChatHybrid(Stranger(responses=[""]), Stranger(responses=[""]), ROUTER, threshold=0.5)
    assert hybrid.invoke("easy", num_predict=1, max_tokens=2).text == "3"


def agent_with(servers: Servers, settings: dict[str, Any]) -> Any:
    @wrap_model_call
    def setting(request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]) -> Any:
        return handler(request.override(model_settings=settings))

    arms = servers.arms()
    routing = HybridRouterMiddleware(*arms, ROUTER, threshold=0.5)
    return create_agent(arms[1], tools=[get_weather], middleware=[setting, routing])


async def test_model_settings_of_an_agent_hold_wherever_the_query_goes(servers: Servers) -> None:
    settings = {"temperature": 0, "max_tokens": 5, "stop": ["."]}
    agent = agent_with(servers, settings)
    for query in ("easy", "hard"):
        assert agent.invoke({"messages": [("user", query)]})["messages"][-1].text == "yes"
    assert servers.small.last["options"] == {**OWN, "temperature": 0, "num_predict": 5, "stop": ["."]}
    large = servers.large.last
    assert (large["temperature"], large["max_completion_tokens"], large["stop"]) == (0, 5, ["."])
    assert settings == {"temperature": 0, "max_tokens": 5, "stop": ["."]}


async def test_model_settings_that_an_arm_does_not_know_are_left_out_of_its_calls(servers: Servers) -> None:
    agent = agent_with(servers, {"parallel_tool_calls": False, "keep_alive": "1h"})
    with pytest.warns(HybridLLMWarning, match=r"small .* parallel_tool_calls="):
        agent.invoke({"messages": [("user", "easy")]})
    with pytest.warns(HybridLLMWarning, match=r"large .* keep_alive="):
        agent.invoke({"messages": [("user", "hard")]})
    assert servers.small.last["keep_alive"] == "1h"
    assert servers.large.last["parallel_tool_calls"] is False
