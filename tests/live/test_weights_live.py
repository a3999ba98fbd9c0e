"""The digest of a real Ollama's model: the one that was certified leaves the promise, another one ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.ollama import Ollama

from hybrid_llm import Router
from hybrid_llm.errors import HybridLLMWarning
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM
from tests.dispatch.test_weights import MENU, RECORD

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]


def by_ollama(servers: Any, router: Router) -> tuple[dict[str, Any], Callable[[], None]]:
    small = ChatOllama(model="tiny-small", base_url=servers.ollama)
    answer = ChatHybrid(small, FakeChatModel(), router, quality=0.9).invoke("What is the capital of France?")
    return answer.response_metadata["hybrid"], small._client.close


def by_openai(servers: Any, router: Router) -> tuple[dict[str, Any], Callable[[], None]]:
    client = httpx.Client()
    small = ChatOpenAI(model="tiny-small", base_url=f"{servers.ollama}/v1", api_key="none", http_client=client)  # type: ignore[arg-type]
    answer = ChatHybrid(small, FakeChatModel(), router, quality=0.9).invoke("What is the capital of France?")
    return answer.response_metadata["hybrid"], client.close


def by_llamaindex(servers: Any, router: Router) -> tuple[dict[str, Any], Callable[[], None]]:
    small = Ollama(model="tiny-small", base_url=servers.ollama, context_window=2048)
    answer = HybridLLM(small, FakeLLM(), router, quality=0.9).chat([ChatMessage("What is the capital of France?")])
    return answer.message.additional_kwargs["hybrid"], small.client._client.close


@pytest.mark.parametrize("ask", [by_ollama, by_openai, by_llamaindex])
@pytest.mark.parametrize("same", [True, False])
def test_weights_are_compared_with_those_that_the_server_has(ask: Any, same: bool, servers: Any) -> None:
    listed = httpx.get(f"{servers.ollama}/api/tags").json()["models"]
    digest = next(one["digest"] for one in listed if one["name"].startswith("tiny-small"))
    record = replace(RECORD, small="tiny-small", fingerprint={"weights of tiny-small": digest if same else "0" * 64})
    router = Router(FixedScorer(0.9), certificate=MENU, record=record)
    if same:
        decision, close = ask(servers, router)
    else:
        with pytest.warns(HybridLLMWarning, match="tiny-small has other weights"):
            decision, close = ask(servers, router)
    close()
    assert (decision["route"], decision["certified"]) == ("small", same)
    assert decision["void_reason"].startswith(
        "" if same else f"The small model tiny-small has other weights ({digest[:12]}"
    )
