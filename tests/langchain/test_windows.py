"""A prompt that a small chat model would cut goes to the other one, whether or not ``num_ctx`` was given."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from langchain_hybrid._messages import request_of
from langchain_hybrid._options import Options
from tests.servers import ollama_lines

CHINESE = "今天天气很好我们去公园散步然后回家吃饭。" * 300


class Server(httpx.MockTransport):
    """An Ollama with a model of 2,048 tokens."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path == "/api/show":
            return httpx.Response(
                200, json={"parameters": "num_ctx 2048", "model_info": {"llama.context_length": 4096}}
            )
        return httpx.Response(200, content=ollama_lines("4"))


def ollama(server: Server, **settings: Any) -> ChatOllama:
    return ChatOllama(model="m", base_url="http://small", client_kwargs={"transport": server}, **settings)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture(params=[ChatHybrid, RunnableHybrid])
def hybrid(request: pytest.FixtureRequest, server: Server) -> Any:
    return request.param(ollama(server), FakeListChatModel(responses=["large"]), FixedScorer(0.9), threshold=0.5)


def reason(answer: Any) -> str:
    return str(answer.response_metadata["hybrid"]["reason"])


def prompt(tokens: int) -> list[Any]:
    return [SystemMessage("Answer in French."), HumanMessage("abc " * tokens)]


async def test_without_num_ctx_the_server_is_asked_once(hybrid: Any, server: Server) -> None:
    assert server.asked == []  # not at construction
    assert reason(hybrid.invoke("hi")) == "score"
    assert server.asked == ["/api/chat"]  # nor for a prompt that any server reads
    assert reason(hybrid.invoke(prompt(17_000))) == "context"
    assert reason(await hybrid.ainvoke(prompt(3000))) == "context"
    assert reason(hybrid.invoke(prompt(1900))) == "score"
    assert server.asked.count("/api/show") == 1


async def test_an_async_call_may_be_the_one_that_asks(hybrid: Any, server: Server) -> None:
    assert reason(await hybrid.ainvoke(prompt(3000))) == "context"
    assert server.asked == ["/api/show"]


@pytest.mark.parametrize(("num_ctx", "expected"), [(3000, "score"), (2000, "context"), (8192, "score")])
def test_num_ctx_comes_first_up_to_what_the_model_can_read(num_ctx: int, expected: str, server: Server) -> None:
    large = FakeListChatModel(responses=["large"])
    hybrid = ChatHybrid(ollama(server, num_ctx=num_ctx), large, FixedScorer(0.9), threshold=0.5)
    assert reason(hybrid.invoke(prompt(2500))) == expected
    assert reason(hybrid.invoke(prompt(4200))) == "context"


def test_six_thousand_chinese_letters_are_no_fifteen_hundred_tokens(hybrid: Any) -> None:
    assert request_of([HumanMessage(CHINESE)], Options()).tokens >= 3600
    assert reason(hybrid.invoke(CHINESE)) == "context"


@tool
def look(place: str) -> str:
    """Look."""
    return place


look.description = CHINESE


def test_the_descriptions_of_tools_take_their_place(hybrid: Any, server: Server) -> None:
    large = FakeListChatModel(responses=["large"])
    if isinstance(hybrid, RunnableHybrid):
        bound = ollama(server).bind_tools([look])
        assert reason(RunnableHybrid(bound, large, FixedScorer(0.9), threshold=0.5).invoke(prompt(1100))) == "context"
    else:
        assert request_of("hi", Options(), tools=[{"function": {"description": CHINESE}}]).tokens >= 3600


def test_a_picture_takes_about_a_thousand_and_its_bytes_nothing() -> None:
    data = base64.b64encode(b"x" * 100_000).decode()
    picture = HumanMessage([{"type": "text", "text": "What is it?"}, {"type": "image", "base64": data}])
    assert 1000 <= request_of([picture], Options()).tokens <= 1100


def test_tool_calls_are_counted_with_the_message() -> None:
    call = AIMessage("", tool_calls=[{"name": "look", "args": {"place": "Lima " * 1000}, "id": "1"}])
    assert request_of([HumanMessage("hi"), call], Options()).tokens >= 1250
