"""Settings of one call in LlamaIndex: the same outcome whatever the score says, in the arm's own words.

The arms are the real classes of both families, before servers that note what they are asked.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.llms import MockLLM
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai import OpenAI, OpenAIResponses
from llama_index.llms.openai_like import OpenAILike
from ollama import AsyncClient, Client

from hybrid_llm import HybridLLMWarning
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from tests.covering import covering
from tests.model_servers import ModelServer

ROUTER = FixedScorer({"easy": 0.9}, default=0.1)
OWN = {"temperature": 0.5, "num_ctx": 2048, "top_k": 3}
SCHEMA = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}}
JSON_MODE = {"type": "json_object"}
Way = Callable[..., Awaitable[Any]]


class City(BaseModel):
    """A city."""

    name: str


def weather(city: str) -> str:
    """Return the weather of a city."""
    return "sunny"


TOOL = FunctionTool.from_defaults(weather)


class Servers:
    """Both servers, and an LLM over models of theirs."""

    def __init__(self) -> None:
        self.small, self.large = ModelServer(), ModelServer()
        sync = httpx.Client(transport=httpx.MockTransport(self.large))
        asynchronous = httpx.AsyncClient(transport=httpx.MockTransport(self.large))
        self.clients = {"http_client": sync, "async_http_client": asynchronous}
        transport = httpx.MockTransport(self.small)
        self.of_ollama: dict[str, Any] = {
            "client": Client("http://ollama.test", transport=transport),
            "async_client": AsyncClient("http://ollama.test", transport=transport),
        }

    def llm(self, *, small: Any = None, large: Any = None) -> HybridLLM:
        return HybridLLM(small or self.ollama(), large or self.openai(), ROUTER, threshold=0.5)

    def ollama(self, **options: Any) -> Ollama:
        given = {"temperature": 0.5, "context_window": 2048, "additional_kwargs": {"top_k": 3}, **self.of_ollama}
        return Ollama(model="m", **{**given, **options})

    def openai(self, kind: Any = OpenAILike, **options: Any) -> Any:
        like = {"is_chat_model": True, "is_function_calling_model": True, "context_window": 8192}
        given = {"model": "m", "api_base": "http://hosted.test/v1", "api_key": "none", **self.clients}
        return kind(**{**given, **(like if kind is OpenAILike else {}), **options})

    def close(self) -> None:
        self.clients["http_client"].close()
        self.of_ollama["client"]._client.close()

        async def close() -> None:
            await self.clients["async_http_client"].aclose()
            await self.of_ollama["async_client"]._client.aclose()

        asyncio.run(close())


@pytest.fixture
def servers() -> Iterator[Servers]:
    both = Servers()
    yield both
    both.close()


async def chat(llm: HybridLLM, query: str, **kwargs: Any) -> Any:
    return llm.chat([ChatMessage(query)], **kwargs)


async def achat(llm: HybridLLM, query: str, **kwargs: Any) -> Any:
    return await llm.achat([ChatMessage(query)], **kwargs)


async def stream_chat(llm: HybridLLM, query: str, **kwargs: Any) -> Any:
    return [*llm.stream_chat([ChatMessage(query)], **kwargs)][-1]


async def astream_chat(llm: HybridLLM, query: str, **kwargs: Any) -> Any:
    return [chunk async for chunk in await llm.astream_chat([ChatMessage(query)], **kwargs)][-1]


async def complete(llm: HybridLLM, query: str, **kwargs: Any) -> Any:
    return llm.complete(query, **kwargs)


async def acomplete(llm: HybridLLM, query: str, **kwargs: Any) -> Any:
    return await llm.acomplete(query, **kwargs)


async def with_tools(llm: HybridLLM, query: str, **kwargs: Any) -> Any:
    return llm.chat_with_tools([TOOL], query, **kwargs)


async def awith_tools(llm: HybridLLM, query: str, **kwargs: Any) -> Any:
    return await llm.achat_with_tools([TOOL], query, **kwargs)


WITHOUT_TOOLS = [chat, achat, stream_chat, astream_chat, complete, acomplete]
every_way = pytest.mark.parametrize("way", [*WITHOUT_TOOLS, with_tools, awith_tools])
without_tools = pytest.mark.parametrize("way", WITHOUT_TOOLS)
OF_TOOLS = {"tools", "tool_choice", "parallel_tool_calls"}


def told(server: ModelServer) -> dict[str, Any]:
    """Return the settings of the last request, without what comes with tools."""
    return {name: value for name, value in server.last.items() if name not in OF_TOOLS}


def options(**given: Any) -> dict[str, Any]:
    return {"options": {**OWN, **given}}


@covering(
    every_way,
    pytest.mark.parametrize(
        ("given", "to_ollama", "to_openai"),
        [
            ({"temperature": 0}, options(temperature=0), {"temperature": 0}),
            ({"top_p": 0.5}, options(top_p=0.5), {"top_p": 0.5}),
            ({"seed": 1}, options(seed=1), {"seed": 1}),
            ({"stop": "."}, options(stop=["."]), {"stop": "."}),
            ({"presence_penalty": 1}, options(presence_penalty=1), {"presence_penalty": 1}),
            ({"max_tokens": 5}, options(num_predict=5), {"max_tokens": 5}),
            ({"num_predict": 5}, options(num_predict=5), {"max_tokens": 5}),
            ({"options": {"seed": 1}}, options(seed=1), {"seed": 1}),
            ({"think": False}, {**options(), "think": False}, None),
            ({"keep_alive": "1h"}, {**options(), "keep_alive": "1h"}, None),
            ({"stream_options": {"include_usage": True}}, options(), None),  # OpenAI takes it for streams alone
        ],
        ids=str,
    ),
)
async def test_a_setting_of_a_call_reaches_either_server_in_its_own_words(
    way: Way, given: dict[str, Any], to_ollama: dict[str, Any], to_openai: dict[str, Any] | None, servers: Servers
) -> None:
    llm = servers.llm()
    answer = await way(llm, "easy", **given)
    assert answer.additional_kwargs["hybrid"]["route"] == "small"
    assert told(servers.small) == to_ollama
    if to_openai is not None:
        answer = await way(llm, "hard", **given)
        assert answer.additional_kwargs["hybrid"]["route"] == "large"
        assert told(servers.large) == {"temperature": 0.1, **to_openai}


@covering(
    without_tools,
    pytest.mark.parametrize("given", [{"response_format": JSON_MODE}, {"format": "json"}], ids=str),
    times=2,
)
async def test_json_mode_of_a_call_is_json_whoever_answers(way: Way, given: dict[str, Any], servers: Servers) -> None:
    llm = servers.llm()
    await way(llm, "easy", **given)
    await way(llm, "hard", **given)
    assert servers.small.last["format"] == "json"
    assert servers.large.last["response_format"] == JSON_MODE


@covering(
    without_tools,
    pytest.mark.parametrize("name", ["response_format", "format"]),
    pytest.mark.parametrize("schema", [SCHEMA, City], ids=["schema", "class"]),
    times=2,
)
async def test_a_schema_of_a_call_is_followed_whoever_answers(
    way: Way, name: str, schema: Any, servers: Servers
) -> None:
    llm = servers.llm()
    await way(llm, "easy", **{name: schema})
    await way(llm, "hard", **{name: schema})
    plain = City.model_json_schema() if schema is City else SCHEMA
    assert servers.small.last["format"] == plain
    envelope = {"type": "json_schema", "json_schema": {"name": "City", "schema": plain}}
    assert servers.large.last["response_format"] == envelope


@without_tools
async def test_an_arm_that_knows_no_json_mode_is_not_asked_for_json(way: Way, servers: Servers) -> None:
    completes = servers.openai(is_chat_model=False, is_function_calling_model=False)
    answer = await way(servers.llm(small=completes, large=servers.ollama()), "easy", response_format=JSON_MODE)
    hybrid = answer.additional_kwargs["hybrid"]
    assert (hybrid["route"], hybrid["reason"]) == ("large", "structured_output")
    assert servers.small.last["format"] == "json"


@covering(
    every_way,
    pytest.mark.parametrize(
        ("query", "given"),
        [
            ("easy", {"parallel_tool_calls": False}),
            ("easy", {"user": "u"}),
            ("easy", {"logprobs": True}),
            ("easy", {"reasoning_effort": "low"}),
            ("hard", {"top_k": 4}),
            ("hard", {"num_ctx": 1024}),
            ("hard", {"keep_alive": "1h"}),
            ("hard", {"think": True}),
            ("hard", {"stream_usage": True}),  # for the class of LangChain
        ],
        ids=str,
    ),
)
async def test_a_setting_without_a_word_there_is_left_out_with_one_warning(
    way: Way, query: str, given: dict[str, Any], servers: Servers
) -> None:
    llm = servers.llm()
    with pytest.warns(HybridLLMWarning, match=f"does not know {next(iter(given))}="):
        await way(llm, query, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        await way(llm, query, **given)
        await way(llm.with_quality(threshold=0.4), query, **given)  # copies do not warn again
    await way(llm, {"easy": "hard", "hard": "easy"}[query], **given)


async def test_a_form_of_the_answer_is_left_out_where_ollama_shall_call_tools(servers: Servers) -> None:
    with pytest.warns(HybridLLMWarning, match=r"small .* format="):
        servers.llm().chat_with_tools([TOOL], "easy", format=SCHEMA)
    assert "format" not in servers.small.last


async def test_not_to_call_a_tool_means_that_ollama_gets_none(servers: Servers) -> None:
    llm = servers.llm()
    llm.chat_with_tools([TOOL], "easy", tool_choice="none")
    llm.chat_with_tools([TOOL], "hard", tool_choice="none")
    assert "tools" not in servers.small.last
    assert servers.large.last["tool_choice"] == "none"


@pytest.mark.parametrize("query", ["easy", "hard"])
async def test_settings_of_structured_predict_hold_wherever_the_query_goes(query: str, servers: Servers) -> None:
    servers.small.text = servers.large.text = '{"name": "Lima"}'
    llm = servers.llm(large=servers.openai(should_use_structured_outputs=True))
    template = PromptTemplate("{query_str}")
    given = {"temperature": 0, "max_tokens": 5}
    assert llm.structured_predict(City, template, llm_kwargs=given, query_str=query) == City(name="Lima")
    assert (await llm.astructured_predict(City, template, llm_kwargs=given, query_str=query)) == City(name="Lima")
    last = (servers.small if query == "easy" else servers.large).last
    asked = last.get("options", last)
    assert (asked["temperature"], asked.get("num_predict") or asked.get("max_tokens")) == (0, 5)
    assert given == {"temperature": 0, "max_tokens": 5}


async def test_a_call_may_ask_for_fewer_tokens_than_the_model_was_made_with(servers: Servers) -> None:
    llm = servers.llm(large=servers.openai(max_tokens=100))
    llm.complete("hard", num_predict=5)
    assert servers.large.last["max_tokens"] == 5
    llm.complete("hard")
    assert servers.large.last["max_tokens"] == 100


async def test_ollama_that_was_made_to_think_is_told_how_much(servers: Servers) -> None:
    servers.llm(small=servers.ollama(thinking="low")).chat([ChatMessage("easy")], reasoning_effort="high")
    assert servers.small.last["think"] == "high"
    servers.llm(small=servers.ollama(thinking=True)).chat([ChatMessage("easy")], think=False)
    assert servers.small.last["think"] is False


async def test_settings_of_a_call_change_neither_the_model_nor_its_clients(servers: Servers) -> None:
    small = servers.ollama(context_window=-1)
    llm = servers.llm(small=small)
    await chat(llm, "easy", temperature=0, keep_alive="1h")
    assert (small.temperature, small.keep_alive, small.additional_kwargs) == (0.5, None, {"top_k": 3})
    assert small.context_window == 2048  # asked for once, and known from then on


def test_a_client_that_a_call_with_settings_made_is_kept() -> None:
    small = Ollama(model="m", base_url="http://ollama.test", context_window=2048)
    from llamaindex_hybrid._settings import with_fields

    with with_fields(small, {"keep_alive": "1h"}).client._client as client:  # type: ignore[attr-defined]
        assert small.client._client is client


async def test_the_old_completions_get_their_own_words(servers: Servers) -> None:
    llm = servers.llm(large=servers.openai(is_chat_model=False, is_function_calling_model=False))
    with pytest.warns(HybridLLMWarning, match=r"large .* logprobs=, reasoning_effort="):
        llm.complete("hard", num_predict=5, logprobs=True, reasoning_effort="low", seed=1)
    assert servers.large.last == {"temperature": 0.1, "max_tokens": 5, "seed": 1}


async def test_the_responses_api_gets_its_own_words(servers: Servers) -> None:
    large = OpenAIResponses(
        model="gpt-4o", api_base="http://hosted.test/v1", api_key="none", http_client=servers.clients["http_client"]
    )
    llm = servers.llm(large=large)
    with pytest.warns(HybridLLMWarning, match=r"large .* seed="):
        llm.chat([ChatMessage("hard")], num_predict=5, seed=1, format="json")
    assert servers.large.last["max_output_tokens"] == 5
    assert servers.large.last["text"] == {"format": JSON_MODE}


async def test_openais_own_class_is_of_the_family(servers: Servers) -> None:
    llm = servers.llm(large=servers.openai(OpenAI, model="gpt-4o"))
    llm.chat([ChatMessage("hard")], num_predict=5, format="json")
    assert (servers.large.last["max_tokens"], servers.large.last["response_format"]) == (5, JSON_MODE)


async def test_strict_is_for_tools_and_breaks_no_call_without(servers: Servers) -> None:
    llm = servers.llm()
    with pytest.warns(HybridLLMWarning, match=r"large .* strict="):
        llm.chat([ChatMessage("hard")], strict=True)
    llm.chat([ChatMessage("easy")], strict=True)
    llm.chat_with_tools([TOOL], "hard", strict=True)
    assert servers.large.last["tools"][0]["function"]["strict"] is True


async def test_a_model_of_another_family_gets_the_settings_of_a_call_as_they_are() -> None:
    class Stranger(MockFunctionCallingLLM):
        def chat(self, messages: Any, **kwargs: Any) -> Any:
            return super().chat([ChatMessage(str(kwargs))])

    llm = HybridLLM(Stranger(), MockLLM(), ROUTER, threshold=0.5)
    given = {"num_predict": 1, "response_format": JSON_MODE}
    assert str(given) in str(llm.chat([ChatMessage("easy")], **given).message.content)
