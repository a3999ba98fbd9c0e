"""The journal against the servers' own counts of tokens: the same questions, asked of the servers directly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from llama_index.core.base.llms.types import ChatMessage
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike

from hybrid_llm.observe import Journal, read_journal
from hybrid_llm.report import savings_of
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid
from llamaindex_hybrid import HybridLLM

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]

SCORER = FixedScorer({"How many moons has Mars?": 0.9}, default=0.1)
EASY, HARD = "How many moons has Mars?", "Prove that there are infinitely many primes, please."
IN, OUT = 2.5, 10.0
"""Dollars for a million tokens of the large model, which stands for a hosted one."""


def counted_by_ollama(url: str, query: str) -> tuple[int, int]:
    asked = {"model": "tiny-small", "messages": [{"role": "user", "content": query}], "stream": False}
    answer = httpx.post(f"{url}/api/chat", json=asked, timeout=60).json()
    return answer["prompt_eval_count"], answer["eval_count"]


def counted_by_llama(url: str, query: str) -> tuple[int, int]:
    asked = {"model": "tiny-large", "messages": [{"role": "user", "content": query}]}
    usage = httpx.post(f"{url}/chat/completions", json=asked, timeout=60).json()["usage"]
    return usage["prompt_tokens"], usage["completion_tokens"]


def langchain(servers: Any, http: dict[str, Any], **options: Any) -> tuple[Any, Callable[[], None]]:
    small = ChatOllama(model="tiny-small", base_url=servers.ollama)
    large = ChatOpenAI(
        model="tiny-large",
        base_url=servers.openai,
        api_key="none",
        stream_usage=True,
        http_client=http["sync"],
        http_async_client=http["async"],
    )
    return ChatHybrid(small, large, SCORER, threshold=0.5, **options), small._client.close


def llamaindex(servers: Any, http: dict[str, Any], **options: Any) -> tuple[Any, Callable[[], None]]:
    small = Ollama(model="tiny-small", base_url=servers.ollama, context_window=2048)
    large = OpenAILike(
        model="tiny-large",
        api_base=servers.openai,
        api_key="none",
        is_chat_model=True,
        http_client=http["sync"],
        additional_kwargs={"stream_options": {"include_usage": True}},
    )
    return HybridLLM(small, large, SCORER, threshold=0.5, **options), small.client._client.close


def ask(llm: Any, query: str, stream: bool) -> None:
    if isinstance(llm, ChatHybrid):
        _ = list(llm.stream(query)) if stream else llm.invoke(query)
    else:
        messages = [ChatMessage(query)]
        _ = list(llm.stream_chat(messages)) if stream else llm.chat(messages)


@pytest.mark.parametrize("make", [langchain, llamaindex])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_journal_agrees_with_the_servers(
    make: Any, stream: bool, servers: Any, http: dict[str, Any], tmp_path: Path
) -> None:
    small, large = counted_by_ollama(servers.ollama, EASY), counted_by_llama(servers.openai, HARD)
    journal = Journal(tmp_path / "traffic.sqlite")
    llm, close = make(servers, http, observers=[journal], prices={"tiny-large": (IN, OUT)})
    for query in (EASY, HARD, HARD):
        ask(llm, query, stream)
    close()
    assert journal.flush()
    attempts = [row.event.attempts[0] for row in read_journal(journal.path)]
    assert [(one.input_tokens, one.output_tokens) for one in attempts] == [small, large, large]
    assert attempts[0].cost_usd == 0.0  # it runs on this machine
    found = savings_of(read_journal(journal.path))
    one = (IN * large[0] + OUT * large[1]) / 1e6
    assert found.paid_usd == pytest.approx(2 * one)
    assert found.always_large_usd == (pytest.approx(3 * one),) * 3
    assert found.saved_usd == pytest.approx(one)
