"""A small server that is killed, hangs and comes back, under a chain: nothing is lost, nothing is glued together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

from hybrid_llm.dispatch import Breaker, PairState
from hybrid_llm.testing import FixedScorer
from langchain_hybrid import RunnableHybrid
from tests.live._chaos import ChaosServers
from tests.live.conftest import LARGE_SAYS, SMALL_SAYS

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]

COOLDOWN = 0.5
PATIENCE = 5.0


@pytest.fixture
async def hybrid(chaos: ChaosServers, http: dict[str, Any]) -> AsyncIterator[RunnableHybrid[Any, Any]]:
    """A chain on the servers, with a breaker that tests can wait for."""
    small = ChatOllama(model="tiny-small", base_url=chaos.ollama)
    large = ChatOpenAI(
        model="tiny-large",
        base_url=chaos.openai,
        api_key="none",
        http_client=http["sync"],
        http_async_client=http["async"],
    )
    state = PairState({"small": Breaker(cooldown=COOLDOWN), "large": Breaker()})
    yield RunnableHybrid(small, large, FixedScorer(0.9), threshold=0.5, small_timeout=PATIENCE, state=state)
    small._client.close()
    await small._async_client.close()


def reason(message: Any) -> str:
    return str(message.response_metadata["hybrid"]["reason"])


def wait_for_the_probe() -> None:
    time.sleep(COOLDOWN)


def test_small_is_killed_and_comes_back(chaos: ChaosServers, hybrid: RunnableHybrid[Any, Any]) -> None:
    assert hybrid.invoke("one").text == SMALL_SAYS
    chaos.kill_small()
    answers = [hybrid.invoke("two") for _ in range(5)]
    chaos.bring_small_back()
    assert [answer.text for answer in answers] == [LARGE_SAYS] * 5
    assert [reason(answer) for answer in answers] == ["fallback"] * 3 + ["cooldown"] * 2
    wait_for_the_probe()
    after = hybrid.invoke("three")
    assert (after.text, reason(after)) == (SMALL_SAYS, "score")
    assert not hybrid.state.breakers["small"].open


def test_small_hangs_and_goes_on(chaos: ChaosServers, hybrid: RunnableHybrid[Any, Any]) -> None:
    hybrid.invoke("warm")
    chaos.hang_small()
    try:
        start = time.monotonic()
        answer = hybrid.invoke("one")
        streamed = "".join(chunk.text for chunk in hybrid.stream("two"))
        took = time.monotonic() - start
    finally:
        chaos.thaw_small()
    assert (answer.text, reason(answer), streamed) == (LARGE_SAYS, "fallback", LARGE_SAYS)
    assert took < 2 * PATIENCE + 5
    assert hybrid.invoke("three").text == SMALL_SAYS


async def test_small_is_killed_during_a_stream(chaos: ChaosServers, http: dict[str, Any]) -> None:
    """The random model talks at length, so that there is time to kill it."""
    small = ChatOllama(model="tiny-random", base_url=chaos.ollama, temperature=0, num_predict=20_000, num_ctx=8192)
    large = ChatOpenAI(model="tiny-large", base_url=chaos.openai, api_key="none", http_client=http["sync"])
    hybrid = RunnableHybrid(small, large, FixedScorer(0.9), threshold=0.5)
    texts: list[str] = []
    stream = hybrid.stream("Tell me a story.")
    texts.extend(next(stream).text for _ in range(3))
    chaos.kill_small()
    try:
        with pytest.raises(Exception, match=r"(?i)peer closed|incomplete|disconnect|reset|terminated"):
            texts.extend(chunk.text for chunk in stream)
    finally:
        chaos.bring_small_back()
        small._client.close()
    assert LARGE_SAYS not in "".join(texts)


async def test_three_hundred_calls_through_it_all(chaos: ChaosServers, hybrid: RunnableHybrid[Any, Any]) -> None:
    """Threads and an event loop ask at once while the small server dies and comes back, again and again."""
    over = threading.Event()

    def trouble() -> None:
        for seconds in (0.3, 1.0, 2.0):
            over.wait(seconds)
            chaos.kill_small()
            over.wait(COOLDOWN)
            chaos.bring_small_back()

    def by_threads(n: int) -> list[Any]:
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(hybrid.invoke, [f"question {i}" for i in range(n)]))

    async def by_loop(n: int) -> list[Any]:
        answers = []
        for start in range(0, n, 4):
            answers += await asyncio.gather(*(hybrid.ainvoke(f"query {start + i}") for i in range(4)))
        return answers

    breaking = threading.Thread(target=trouble)
    breaking.start()
    try:
        answers = [*await asyncio.to_thread(by_threads, 200), *await by_loop(100)]
    finally:
        over.set()
        breaking.join()
    said = Counter((message.text, message.response_metadata["hybrid"]["route"]) for message in answers)
    assert set(said) <= {(SMALL_SAYS, "small"), (LARGE_SAYS, "large")}
    assert said.total() == 300
    reasons = Counter(map(reason, answers))
    assert set(reasons) <= {"score", "fallback", "cooldown"}
    assert reasons["fallback"] >= 1
    wait_for_the_probe()
    assert hybrid.invoke("and now").text == SMALL_SAYS
