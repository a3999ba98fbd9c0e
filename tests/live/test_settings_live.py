"""Settings of one call at the real servers: the same outcome on either."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike
from ollama import AsyncClient, Client

from hybrid_llm import HybridLLMWarning
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from llamaindex_hybrid import HybridLLM

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]
ROUTER = FixedScorer({"easy": 0.9}, default=0.1)
SCHEMA = {"title": "Verdict", "type": "object", "properties": {"good": {"type": "boolean"}}, "required": ["good"]}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "Verdict", "schema": SCHEMA}}
each_query = pytest.mark.parametrize(("query", "route"), [("easy", "small"), ("hard", "large")])


@tool
def get_current_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"sunny in {city}"


@pytest.fixture
async def chat(servers: Any, http: dict[str, Any]) -> Any:
    """A pair of LangChain's models on the two servers."""
    small = ChatOllama(model="tiny-small", base_url=servers.ollama)
    clients = {"http_client": http["sync"], "http_async_client": http["async"]}
    large = ChatOpenAI(model="tiny-large", base_url=servers.openai, api_key="none", **clients)
    yield ChatHybrid(small, large, ROUTER, threshold=0.5)
    small._client.close()
    await small._async_client.close()


@pytest.fixture
async def llm(servers: Any, http: dict[str, Any]) -> Any:
    """A pair of LlamaIndex's LLMs on the two servers."""
    clients = {"client": Client(servers.ollama), "async_client": AsyncClient(servers.ollama)}
    small = Ollama(model="tiny-small", context_window=2048, **clients)
    large = OpenAILike(
        model="tiny-large",
        api_base=servers.openai,
        api_key="none",
        is_chat_model=True,
        context_window=8192,
        http_client=http["sync"],
        async_http_client=http["async"],
    )
    yield HybridLLM(small, large, ROUTER, threshold=0.5)
    clients["client"]._client.close()
    await clients["async_client"]._client.aclose()


@each_query
async def test_a_call_gets_no_more_tokens_than_it_asks_for_from_either(
    query: str, route: str, chat: ChatHybrid, llm: HybridLLM
) -> None:
    for given in ({"max_tokens": 3}, {"num_predict": 3}, {"options": {"num_predict": 3}}):
        answer = chat.invoke(query, temperature=0, seed=1, stop=["zzz"], **given)
        assert answer.response_metadata["hybrid"]["route"] == route
        if route == "small":  # ChatOpenAI says max_completion_tokens, which llama.cpp's server does not read
            assert answer.usage_metadata["output_tokens"] == 3
        answered = await llm.acomplete(query, temperature=0, seed=1, stop=["zzz"], **given)
        assert answered.additional_kwargs["hybrid"]["route"] == route
        usage = answered.raw["usage"] if route == "small" else dict(answered.raw.usage)
        assert usage["completion_tokens"] == 3


@each_query
@pytest.mark.parametrize("given", [{"response_format": JSON_SCHEMA}, {"format": SCHEMA}], ids=["openai", "ollama"])
async def test_a_form_of_the_answer_is_followed_by_either(
    query: str, route: str, given: dict[str, Any], chat: ChatHybrid, llm: HybridLLM
) -> None:
    said = chat.invoke(query, **given)
    assert said.response_metadata["hybrid"]["route"] == route
    answers = [said.text, llm.chat([ChatMessage(query)], **given).message.content, llm.complete(query, **given).text]
    for answer in answers:
        assert isinstance(json.loads(answer)["good"], bool)


async def test_parallel_tool_calls_are_known_to_one_server_and_break_neither(chat: ChatHybrid) -> None:
    bound = chat.bind_tools([get_current_weather], parallel_tool_calls=False)
    with pytest.warns(HybridLLMWarning, match="parallel_tool_calls="):
        assert bound.invoke("easy").tool_calls
    assert bound.invoke("hard").tool_calls
