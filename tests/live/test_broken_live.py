"""A real Ollama that loads its model longer than small has, and one without ``num_ctx``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_ollama import ChatOllama
from llama_index.core.llms import MockLLM
from llama_index.llms.ollama import Ollama

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, RunnableHybrid
from llamaindex_hybrid import HybridLLM
from tests.live._chaos import ChaosServers

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning"),
]
EASY = FixedScorer(0.9)
SOON = 0.1
"""Seconds that small has: less than the tiny model takes to load, more than it takes to answer."""
Ask = Callable[[], Any]


LOOP = asyncio.new_event_loop()
_opened: list[Any] = []


def opened(small: Any) -> Any:
    """Return a model whose clients are closed after the test."""
    _opened.append(small)
    return small


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """Close what a test opened."""
    yield
    time.sleep(0.5)  # what was left in the background
    while _opened:
        small = _opened.pop()
        small._client.close()
        if small._async_client is not None:
            LOOP.run_until_complete(small._async_client.close())


def chat(url: str, **options: Any) -> ChatHybrid:
    small = opened(ChatOllama(model="tiny-small", base_url=url))
    return ChatHybrid(small, FakeListChatModel(responses=["large"]), EASY, threshold=0.5, **options)


def by_chat(url: str) -> Ask:
    model = chat(url, small_timeout=SOON)
    return lambda: model.invoke("hi").response_metadata


def by_achat(url: str) -> Ask:
    model = chat(url, small_timeout=SOON)
    return lambda: LOOP.run_until_complete(model.ainvoke("hi")).response_metadata


def by_chain(url: str) -> Ask:
    small = opened(ChatOllama(model="tiny-small", base_url=url, client_kwargs={"timeout": SOON}))
    hybrid = RunnableHybrid(small, FakeListChatModel(responses=["large"]), EASY, threshold=0.5)
    return lambda: hybrid.invoke("hi").response_metadata


def by_llm(url: str) -> Ask:
    small = opened(Ollama(model="tiny-small", base_url=url, context_window=2048, request_timeout=SOON))
    llm = HybridLLM(small, MockLLM(), EASY, threshold=0.5)
    return lambda: llm.complete("hi").additional_kwargs


@pytest.fixture
def cold(chaos: ChaosServers) -> Iterator[str]:
    """The address of a server whose model is not loaded."""
    httpx.post(f"{chaos.ollama}/api/generate", json={"model": "tiny-small", "keep_alive": 0}, timeout=10)
    time.sleep(0.5)
    return chaos.ollama


@pytest.mark.parametrize("way", [by_chat, by_achat, by_chain, by_llm])
def test_a_model_that_loads_too_long_is_warm_for_later_calls(way: Callable[[str], Ask], cold: str) -> None:
    ask = way(cold)
    first = ask()["hybrid"]["reason"]
    time.sleep(2)
    later = [ask()["hybrid"]["reason"] for _ in range(3)]
    assert first == "fallback"
    assert later.count("score") >= 2  # a busy machine may make one late


def test_a_server_that_hangs_is_still_left_alone(chaos: ChaosServers) -> None:
    hybrid = chat(chaos.ollama, small_timeout=SOON)
    chaos.hang_small()
    try:
        for _ in range(3):
            hybrid.invoke("hi")
        deadline = time.monotonic() + 10
        while hybrid.invoke("hi").response_metadata["hybrid"]["reason"] != "cooldown":
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        chaos.thaw_small()


@pytest.mark.parametrize("settings", [{}, {"num_ctx": 2048}], ids=["nothing said", "num_ctx"])
def test_a_prompt_that_the_server_would_cut_goes_to_large(settings: dict[str, Any], chaos: ChaosServers) -> None:
    small = opened(ChatOllama(model="tiny-small", base_url=chaos.ollama, **settings))
    hybrid = ChatHybrid(small, FakeListChatModel(responses=["large"]), EASY, threshold=0.5)
    long = [SystemMessage("Answer in French."), HumanMessage("alpha beta gamma delta " * 3000)]
    assert hybrid.invoke(long).response_metadata["hybrid"]["reason"] == "context"
    assert hybrid.invoke("hi").response_metadata["hybrid"]["reason"] == "score"
