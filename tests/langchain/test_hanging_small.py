"""A small server that takes connections and never answers: hundreds of calls leave no threads and sockets behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from hybrid_llm.dispatch import Breaker, PairState
from hybrid_llm.dispatch import ollama as ollama_room
from hybrid_llm.dispatch.left_behind import MOST
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware, RunnableHybrid
from tests.covering import covering
from tests.silent_server import ato, descriptors, settled, silent_server, threads, to

pytestmark = [
    pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning"),
    # an async client that is cancelled while it connects leaves the socket to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
EASY = FixedScorer(0.9)
SOON = 0.02
CALLS = MOST + 4
LARGE = FakeListChatModel(responses=["large"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(ollama_room, "_PATIENCE", 0.2)
    with silent_server() as path:
        yield path


def ollama(path: Path) -> ChatOllama:
    return ChatOllama(
        model="m",
        base_url="http://small",
        num_ctx=4096,
        sync_client_kwargs={"transport": to(path)},
        async_client_kwargs={"transport": ato(path)},
    )


def openai(path: Path, **settings: Any) -> ChatOpenAI:
    clients = {
        "http_client": httpx.Client(transport=to(path)),
        "http_async_client": httpx.AsyncClient(transport=ato(path)),
    }
    return ChatOpenAI(model="m", base_url="http://small/v1", api_key="none", **clients, **settings)


def options() -> dict[str, Any]:
    """Return those of a pair whose breaker never opens by itself: each call tries small."""
    state = PairState({"small": Breaker(failures=10**6), "large": Breaker()})
    return {"threshold": 0.5, "small_timeout": SOON, "state": state}


def chat(small: Any) -> Any:
    return ChatHybrid(small, LARGE, EASY, **options())


def chain(small: Any) -> Any:
    return RunnableHybrid(small | StrOutputParser(), LARGE | StrOutputParser(), EASY, **options())


pairs = pytest.mark.parametrize("pair", [chat, chain], ids=["chat", "chain"])
arms = pytest.mark.parametrize("arm", [ollama, openai], ids=["ollama", "openai"])
Ask = Callable[[Any], Any]
WAYS: dict[str, Ask] = {
    "invoke": lambda model: model.invoke("2+2?"),
    "stream": lambda model: list(model.stream("2+2?")),
    "batch": lambda model: model.batch(["2+2?", "3+3?"]),
}


async def by_astream(model: Any) -> None:
    assert [chunk async for chunk in model.astream("2+2?")]


async def by_abatch(model: Any) -> None:
    await model.abatch(["2+2?"] * 3)


AWAYS: dict[str, Ask] = {
    "ainvoke": lambda model: model.ainvoke("2+2?"),
    "astream": by_astream,
    "abatch": by_abatch,
}


def nothing_is_left(before: int) -> None:
    assert threads() <= MOST + 3  # one asks whether it is there, one closes, one may be on its way out
    assert settled() == 0
    assert descriptors() - before <= MOST + 2


@covering(pairs, arms, pytest.mark.parametrize("way", WAYS.values(), ids=WAYS))
def test_calls_that_are_given_up_on_leave_nothing_behind(way: Ask, pair: Any, arm: Any, server: Path) -> None:
    model, before = pair(arm(server, **({} if arm is ollama else {"max_retries": 0}))), descriptors()
    for _ in range(CALLS):
        way(model)
    nothing_is_left(before)


@pytest.mark.slow
@covering(pairs, arms, pytest.mark.parametrize("way", AWAYS.values(), ids=AWAYS))
async def test_nor_do_async_ones(way: Ask, pair: Any, arm: Any, server: Path) -> None:
    model, before = pair(arm(server)), descriptors()
    for _ in range(CALLS):
        await way(model)
    await asyncio.sleep(0.1)
    assert len(asyncio.all_tasks()) == 1
    await asyncio.to_thread(nothing_is_left, before + 4)  # the loop's own thread came to be meanwhile


@pytest.mark.slow
def test_a_client_that_tries_again_leaves_no_more_than_the_limit(server: Path) -> None:
    model, before = chat(openai(server, max_retries=2)), descriptors()
    for _ in range(CALLS):
        assert model.invoke("2+2?").text == "large"
        assert threads() <= MOST + 2
        assert descriptors() - before <= 2 * MOST + 4  # both ends are in this process


@pytest.mark.slow
@arms
def test_nor_does_an_agent(arm: Any, server: Path) -> None:
    router = HybridRouterMiddleware(arm(server), LARGE, EASY, threshold=0.5, small_timeout=SOON)
    router._pair.state.breakers["small"]._failures = 10**6
    agent, before = create_agent(LARGE, middleware=[router]), descriptors()
    for _ in range(CALLS // 2):
        agent.invoke({"messages": [("user", "2+2?")]})
    nothing_is_left(before + 4)


@pytest.mark.slow
def test_a_forced_small_fails_in_its_time_each_time(server: Path) -> None:
    model, before = chat(ollama(server)), descriptors()
    for _ in range(CALLS):
        with pytest.raises((TimeoutError, ConnectionError)):
            model.invoke("2+2?", route="small")
    nothing_is_left(before)
