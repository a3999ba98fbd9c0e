"""A small server that hangs costs a bounded number of threads and sockets, however long it hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Breaker, Capabilities, Failover, OllamaServer
from hybrid_llm.dispatch import ollama as ollama_room
from hybrid_llm.dispatch.left_behind import MOST, LeftBehind, hang_up
from hybrid_llm.errors import HangingError
from tests.silent_server import ato, descriptors, settled, silent_server, threads, to
from tests.ways import SMALL, by_call, by_stream, text_of

SOON = 0.01
PATIENT = 10**6
"""Failures in a row that no test reaches: each call tries small."""
FORCED = Decision("small", reason="forced")
MANY = 60
whole_and_streamed = pytest.mark.parametrize("way", [by_call, by_stream])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(ollama_room, "_PATIENCE", 0.2)
    with silent_server() as path:
        yield path


class Deaf:
    """A small arm that waits for something whose connection nobody can close."""

    def __init__(self) -> None:
        self.over, self.asked = threading.Event(), 0

    def __call__(self, decision: Decision) -> Iterator[str]:
        if decision.route == "small":
            self.asked += 1
            self.over.wait(20)
        yield f"from {decision.route}"


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    arm = Deaf()
    yield arm
    arm.over.set()
    assert settled() == 0


def failover(**options: Any) -> Failover:
    return Failover(small_timeout=SOON, small=Breaker(failures=PATIENT, cooldown=0), **options)


@whole_and_streamed
async def test_where_no_connection_can_be_closed_eight_calls_are_the_most_that_are_left_behind(way, deaf):
    pair = failover()
    reasons = [(await way(pair, SMALL, deaf))[0][1].reason for _ in range(60)]
    assert reasons == ["fallback"] * MOST + ["cooldown"] * (60 - MOST)
    assert (deaf.asked, threads("hybrid-llm-small"), threads("hybrid-llm-closer")) == (MOST, MOST, 1)
    assert pair.breakers["small"].open


@whole_and_streamed
async def test_a_forced_request_is_refused_then_and_told_what_to_do(way, deaf):
    pair = failover()
    for _ in range(MOST):
        with pytest.raises(TimeoutError):
            await way(pair, FORCED, deaf)
    with pytest.raises(HangingError, match=r"8 calls that small_timeout gave up on .* Restart its server"):
        await way(pair, FORCED, deaf)
    assert deaf.asked == MOST


@whole_and_streamed
async def test_small_is_called_again_when_those_calls_have_ended(way, deaf):
    pair = failover()
    for _ in range(MOST + 1):
        await way(pair, SMALL, deaf)
    deaf.over.set()
    assert settled() == 0
    assert text_of(await way(pair, SMALL, deaf)) == "from small"
    assert not pair.breakers["small"].open


async def test_a_copy_of_the_breaker_counts_the_same_calls(deaf):
    pair = failover()
    other = Failover(small_timeout=SOON, small=pair.breakers["small"])
    for _ in range(MOST):
        await by_call(pair, SMALL, deaf)
    assert (await by_call(other, SMALL, deaf))[0][1].reason == "cooldown"


def asking(client: httpx.Client) -> Any:
    def work(decision: Decision) -> Iterator[str]:
        if decision.route == "small":
            with client.stream("POST", "http://small/api/chat", json={}, timeout=None) as response:
                yield from response.iter_lines()
        yield f"from {decision.route}"

    return work


@pytest.mark.slow
@whole_and_streamed
async def test_a_call_that_is_given_up_on_has_its_connection_closed_and_its_thread_ends(way, server):
    with httpx.Client(transport=to(server)) as client:
        pair, before = failover(), descriptors()
        for _ in range(MANY):
            assert text_of(await way(pair, SMALL, asking(client))) == "from large"
        assert threads() <= MOST + 1
        assert settled() == 0
        time.sleep(0.05)  # the server's own ends
        assert descriptors() - before <= MOST


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["acall", "astream"])
async def test_so_has_an_async_one_by_being_cancelled(verb, server):
    before = descriptors()
    async with httpx.AsyncClient(transport=ato(server)) as client:

        async def chunks(decision: Decision) -> AsyncIterator[str]:
            if decision.route == "small":
                async with client.stream("POST", "http://small/api/chat", json={}, timeout=None) as response:
                    async for line in response.aiter_lines():
                        yield line
            yield f"from {decision.route}"

        pair = failover()
        for _ in range(MANY):
            if verb == "acall":
                answer = (await pair.acall(SMALL, lambda decision: anext(chunks(decision))))[0]
            else:
                answer = "".join([chunk async for chunk, _ in pair.astream(SMALL, chunks)])
            assert answer == "from large"
        assert len(asyncio.all_tasks()) == 1
    assert threads() == 0
    await asyncio.sleep(0.05)
    assert descriptors() - before <= MOST


def test_a_server_is_asked_by_one_thread_whether_it_is_there_and_all_who_asked_hear_of_it(server):
    failures: list[int] = []
    with httpx.Client(transport=to(server), base_url="http://small") as client:
        ollama, before = OllamaServer(lambda: client, "m"), descriptors()
        for _ in range(MANY):
            ollama.wake(lambda: failures.append(1))
        assert threads() == 1
        assert descriptors() - before <= 2 + 2  # both ends of one connection, and what they take to open
        assert settled() == 0
    assert len(failures) == MANY


@pytest.mark.slow
async def test_a_hung_ollama_is_left_alone_all_the_same(server):
    with httpx.Client(transport=to(server), base_url="http://small") as client:
        wake = OllamaServer(lambda: client, "m").wake
        pair = Failover(small_timeout=SOON, serves=lambda _: Capabilities(wake=wake))
        for _ in range(3):
            await by_call(pair, SMALL, asking(client))
        assert settled() == 0
        assert (await by_call(pair, SMALL, asking(client)))[0][1].reason == "cooldown"


@pytest.mark.slow
def test_a_client_that_tries_again_is_hung_up_on_again(server):
    def stubborn(decision: Decision) -> str:
        for _ in range(3 if decision.route == "small" else 0):
            try:
                client.post("http://small/api/chat", json={}, timeout=None)
            except httpx.TransportError:
                continue
        return f"from {decision.route}"

    with httpx.Client(transport=to(server)) as client:
        pair = failover()
        for _ in range(30):
            assert pair.call(SMALL, stubborn)[0] == "from large"
            assert threads() <= MOST + 1
        assert settled() == 0


def test_a_thread_that_comes_to_its_connection_later_is_hung_up_on_too(server):
    may_go_on = threading.Event()

    def late(decision: Decision) -> str:
        if decision.route == "small":
            may_go_on.wait(5)
            client.post("http://small/api/chat", json={}, timeout=None)
        return f"from {decision.route}"

    with httpx.Client(transport=to(server)) as client:
        assert failover().call(SMALL, late)[0] == "from large"
        may_go_on.set()
        assert settled() == 0


def test_a_thread_without_a_connection_is_left_as_it_is():
    over = threading.Event()
    thread = threading.Thread(target=over.wait, daemon=True)
    thread.start()
    assert not hang_up(thread)
    assert thread.is_alive()
    over.set()


def test_nothing_left_is_not_full():
    assert not LeftBehind(most=1).full
