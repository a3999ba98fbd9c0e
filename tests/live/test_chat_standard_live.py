"""LangChain's standard tests of a chat model on real servers: Ollama, the hosted server, routed freely, looked at.

The models on these servers are tiny and were never trained: each says one sentence, and calls one tool of its own,
``get_current_weather``. What they cannot do is listed below with its reason; the bare ``ChatOllama`` and ``ChatOpenAI``
fail in the same tests. ``tests/langchain/test_chat_standard.py`` passes all of them, with models that can.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from hybrid_llm import Router
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from tests.live._chaos import free_port, servers_home
from tests.live._llama_server import LlamaServer
from tests.looks import LEVEL, router_with, untrained

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore:.* is for a model to know:hybrid_llm.errors.HybridLLMWarning"),
    pytest.mark.filterwarnings("ignore:.*is in beta:langchain_core._api.beta_decorator.LangChainBetaWarning"),
    pytest.mark.filterwarnings("ignore:Received a Pydantic BaseModel V1 schema:UserWarning"),
]
_made: list[Any] = []
MOST = 48
"""Tokens of an answer of word salad, which has no end of its own."""

OTHER_TOOL = (
    "the tiny models call only get_current_weather, so a tool of another name or with other arguments is not called"
)
NO_WORDS = "held to a schema, the tiny models write noise, which ends at the length limit or leaves fields out"
CANNOT = {
    "test_tool_calling": OTHER_TOOL,
    "test_tool_calling_async": OTHER_TOOL,
    "test_bind_runnables_as_tools": OTHER_TOOL,
    "test_tool_choice": OTHER_TOOL + "; Ollama ignores tool_choice",
    "test_tool_calling_with_no_arguments": OTHER_TOOL,
    "test_agent_loop": OTHER_TOOL,
    "test_unicode_tool_call_integration": OTHER_TOOL,
    "test_structured_output": NO_WORDS,
    "test_structured_output_async": NO_WORDS,
    "test_structured_output_pydantic_2_v1": NO_WORDS,
    "test_structured_output_optional_param": NO_WORDS,
}
"""Tests that fail for want of a trained model. They are not run: noise until the length limit takes minutes."""


class _Pair:
    """What the suites are told of the pair."""

    threshold = 0.5
    small_profile: ClassVar[dict[str, Any] | None] = None

    @pytest.fixture(autouse=True)
    def _cannot(self, request: pytest.FixtureRequest) -> None:
        if request.function.__name__ in CANNOT:
            request.applymarker(pytest.mark.xfail(reason=CANNOT[request.function.__name__], run=False))

    @pytest.fixture(autouse=True)
    async def _close(self) -> AsyncIterator[None]:
        yield
        while _made:
            client = _made.pop()
            done = client.close() if not isinstance(client, httpx.AsyncClient) else client.aclose()
            if done is not None:
                await done

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatHybrid

    @property
    def chat_model_params(self) -> dict[str, Any]:
        small = ChatOllama(
            model="tiny-small",
            base_url=os.environ["HYBRID_LIVE_OLLAMA"],
            profile=self.small_profile,
        )
        sync, asynchronous = httpx.Client(), httpx.AsyncClient()
        large = ChatOpenAI(
            model="tiny-large",
            base_url=os.environ["HYBRID_LIVE_OPENAI"],
            api_key="none",
            stream_usage=True,
            http_client=sync,
            http_async_client=asynchronous,
        )
        _made.extend([small._client, small._async_client, sync, asynchronous])
        router = Router(FixedScorer({"Hello": 0.9}, default=0.4))
        return {"small": small, "large": large, "router": router, "threshold": self.threshold}


class TestOllama(_Pair, ChatModelIntegrationTests):
    threshold = 0.0
    small_profile: ClassVar = {"tool_calling": True, "tool_choice": True, "structured_output": True}


class TestHosted(_Pair, ChatModelIntegrationTests):
    threshold = 2.0


class TestRouted(_Pair, ChatModelIntegrationTests):
    pass


class _LookedAt(_Pair):
    """A pair with a second look, whose small model says how sure it is: llama.cpp on a server of the tests' own."""

    model_name = ""
    server: ClassVar[LlamaServer | None] = None

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _own_server(cls) -> Iterator[None]:
        server = LlamaServer(servers_home(), cls.model_name, free_port())
        cls.server = server
        server.start()
        yield
        server.kill()

    @property
    def chat_model_params(self) -> dict[str, Any]:
        assert self.server is not None
        sync, asynchronous = httpx.Client(), httpx.AsyncClient()
        small = ChatOpenAI(
            model=self.server.model,
            base_url=self.server.url,
            api_key="none",
            temperature=0,
            extra_body={"max_tokens": MOST, "cache_prompt": False},
            stream_usage=True,
            http_client=sync,
            http_async_client=asynchronous,
        )
        _made.extend([sync, asynchronous])
        large = super().chat_model_params["large"]
        return {
            "small": small,
            "large": large,
            "router": router_with(untrained()),
            "second_look": "logprobs",
            **LEVEL,
        }


class TestKept(_LookedAt, ChatModelIntegrationTests):
    """Sure of its one sentence."""

    model_name = "tiny-small"

    def test_small_answers(self, model: BaseChatModel) -> None:
        assert model.invoke("Hello").response_metadata["hybrid"]["reason"] == "kept"


class TestKeptOrEscalated(_LookedAt, ChatModelIntegrationTests):
    """Word salad, some of which it is surer of; cut off where the test sets no limit, and then answered by large."""

    model_name = "tiny-random"

    def test_both_answer(self, model: BaseChatModel) -> None:
        asked = [f"What is question {place} about?" for place in range(14)]
        answers = [model.invoke(question, max_tokens=MOST) for question in asked]
        assert {"kept", "escalated"} <= {answer.response_metadata["hybrid"]["reason"] for answer in answers}
