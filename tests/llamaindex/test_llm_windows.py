"""A prompt that a small Ollama would cut goes to the other one, before its class has asked for its window."""

from __future__ import annotations

from typing import Any

import httpx
import ollama as client
import pytest
from llama_index.core.llms import ChatMessage, ImageBlock, MockLLM, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.ollama import Ollama

from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid._requests import chat_request, tokens_of_tools
from tests.servers import ollama_lines


class Server(httpx.MockTransport):
    """An Ollama with a model of 4,096 tokens."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if request.url.path == "/api/show":
            return httpx.Response(
                200, json={"parameters": "num_ctx 2048", "model_info": {"llama.context_length": 4096}}
            )
        return httpx.Response(200, content=ollama_lines(content="4"))


@pytest.fixture
def server() -> Server:
    return Server()


def hybrid(server: Server, **settings: Any) -> HybridLLM:
    clients = {"client": client.Client(transport=server), "async_client": client.AsyncClient(transport=server)}
    small = Ollama(model="m", **clients, **settings)
    return HybridLLM(small, MockLLM(), FixedScorer(0.9), threshold=0.5)


def reason(llm: HybridLLM, tokens: int) -> str:
    answer = llm.chat([ChatMessage("abc " * tokens)])
    return str(answer.additional_kwargs["hybrid"]["reason"])


def test_its_class_asks_for_all_that_the_model_can_read_so_that_is_its_window(server: Server) -> None:
    llm = hybrid(server)
    assert server.asked == []  # not at construction
    assert reason(llm, 17_000) == "context"
    assert server.asked == ["/api/show"]
    assert reason(llm, 3500) == "score"


async def test_an_async_call_may_be_the_one_that_asks(server: Server) -> None:
    answer = await hybrid(server).achat([ChatMessage("abc " * 17_000)])
    assert answer.additional_kwargs["hybrid"]["reason"] == "context"


@pytest.mark.parametrize("settings", [{}, {"context_window": 4096}])
def test_num_ctx_among_the_additional_arguments_is_what_the_server_is_told(settings: Any, server: Server) -> None:
    llm = hybrid(server, additional_kwargs={"num_ctx": 2048}, **settings)
    assert reason(llm, 3000) == "context"
    assert reason(llm, 1000) == "score"


def test_tools_and_pictures_are_counted() -> None:
    tool = FunctionTool.from_defaults(lambda place: place, name="look", description="abcd" * 1000)
    assert tokens_of_tools([tool]) >= 1000
    picture = ChatMessage(blocks=[TextBlock(text="What is it?"), ImageBlock(image=b"x" * 100_000)])
    assert 1000 <= chat_request([picture], {}).tokens <= 1100
    assert chat_request([ChatMessage("hi")], {"tools": [{"description": "abcd" * 1000}]}).tokens >= 1000
