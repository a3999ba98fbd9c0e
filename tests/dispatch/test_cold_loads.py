"""A small arm that only loads its model is not down: it goes on loading in the background, and is not counted out."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Capabilities, Failover, OllamaServer
from hybrid_llm.dispatch import ollama as ollama_room
from hybrid_llm.dispatch.outage import timed_out
from tests.ways import DOWN, SMALL, Arms, every_way, text_of


class Waking:
    """Notes how often it was woken, and says afterwards whether that was a failure."""

    def __init__(self, *, fails: bool = False) -> None:
        self.woken, self.fails = 0, fails

    def __call__(self, failed: Callable[[], object]) -> None:
        self.woken += 1
        if self.fails:
            failed()


def failover(wake: Waking, **options: Any) -> Failover:
    return Failover(serves=lambda _: Capabilities(wake=wake), **options)


LATE = [TimeoutError("late"), httpx.ReadTimeout("late")]
late = pytest.mark.parametrize("error", LATE, ids=["small_timeout", "the client's own"])


@every_way
@late
async def test_a_time_out_wakes_the_model_and_counts_for_nothing_while_it_loads(way, error):
    wake, arms = Waking(), Arms([error])
    pair = failover(wake)
    reasons = [(await way(pair, SMALL, arms))[0][1].reason for _ in range(5)]
    assert reasons == ["fallback"] * 5
    assert wake.woken == 5
    arms.small = ["warm"]
    assert text_of(await way(pair, SMALL, arms)) == "warm"


@every_way
@late
async def test_a_server_that_is_found_down_or_slow_is_left_alone_after_three(way, error):
    pair = failover(Waking(fails=True))
    reasons = [(await way(pair, SMALL, Arms([error])))[0][1].reason for _ in range(4)]
    assert reasons == ["fallback"] * 3 + ["cooldown"]


@every_way
async def test_nobody_is_woken_by_another_outage(way):
    wake = Waking()
    pair = failover(wake)
    for error in (DOWN, httpx.ConnectTimeout("nobody there"), ConnectionError()):
        await way(pair, SMALL, Arms([error]))
    assert wake.woken == 0
    assert pair.breakers["small"].open


def test_nor_by_a_time_out_after_the_first_token():
    wake = Waking()
    stream = failover(wake).stream(SMALL, Arms(["half", TimeoutError()]))
    with pytest.raises(TimeoutError):
        list(stream)
    assert wake.woken == 0


def test_a_probe_that_times_out_leaves_its_place_to_the_next():
    wake = Waking()
    pair = failover(wake)
    for _ in range(3):
        pair.breakers["small"].fail()
    pair.breakers["small"]._retry_at = time.monotonic()
    assert pair.call(SMALL, lambda d: next(Arms([TimeoutError()])(d)))[1].reason == "fallback"
    assert pair.admitted(SMALL) == SMALL


def test_only_a_server_that_was_reached_can_be_loading():
    assert all(map(timed_out, LATE))
    assert not any(map(timed_out, [httpx.ConnectTimeout(""), httpx.PoolTimeout(""), ConnectionError(), ValueError()]))


class Server:
    """An Ollama whose model takes a while to load."""

    def __init__(self) -> None:
        self.up, self.loads, self.may_finish = True, 0, threading.Event()
        self.may_finish.set()
        self.loaded = self.keeps = True
        self.bodies: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not self.up:
            raise httpx.ReadTimeout("frozen")
        if request.url.path == "/api/generate":
            self.loads += 1
            self.bodies.append(json.loads(request.content))
            assert self.may_finish.wait(5)
            self.loaded = self.keeps or self.loads > 1
            return httpx.Response(200 if self.loads < 9 else 500, json={"done_reason": "load"})
        if request.url.path == "/api/ps":
            return httpx.Response(200, json={"models": [{"name": "m:latest"}] if self.loaded else []})
        return httpx.Response(200, json={"version": "0"})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(ollama_room, "_MOMENT", 0.01)
    return Server()


@pytest.fixture
def ollama(server: Server) -> Iterator[OllamaServer]:
    http = httpx.Client(base_url="http://small", transport=httpx.MockTransport(server))
    yield OllamaServer(lambda: http, "m", lambda: {"keep_alive": "1h", "options": {"num_ctx": 4096}})
    server.may_finish.set()
    settled()


def settled() -> None:
    for thread in threading.enumerate():
        if thread.name == "hybrid-llm-wake":
            thread.join(5)


def test_the_model_is_loaded_by_an_empty_call_with_the_settings_of_the_real_ones(server, ollama):
    ollama.wake(pytest.fail)
    settled()
    assert server.bodies == [{"model": "m", "stream": False, "keep_alive": "1h", "options": {"num_ctx": 4096}}]


def test_it_is_loaded_once_at_a_time(server, ollama):
    server.may_finish.clear()
    for _ in range(5):
        ollama.wake(pytest.fail)
    server.may_finish.set()
    settled()
    assert server.loads == 1


def test_a_load_that_went_down_with_the_call_is_begun_again(server, ollama):
    server.keeps = False
    ollama.wake(pytest.fail)
    settled()
    assert server.loads == 2


@pytest.mark.parametrize("broken", [{"up": False}, {"loads": 9}], ids=["frozen", "cannot load"])
def test_a_server_that_cannot_load_it_has_failed(server, ollama, broken):
    vars(server).update(broken)
    failures: list[int] = []
    ollama.wake(lambda: failures.append(1))
    settled()
    assert failures == [1]


def test_a_loaded_model_that_is_late_again_is_slow(server, ollama):
    failures: list[int] = []
    for _ in range(3):
        ollama.wake(lambda: failures.append(1))
        settled()
    assert failures == [1, 1]


def test_a_pair_without_a_server_counts_as_ever():
    pair, late = Failover(), Arms([TimeoutError()])
    reasons = [pair.call(SMALL, lambda d: "".join(late(d)))[1].reason for _ in range(4)]
    assert reasons == ["fallback"] * 3 + ["cooldown"]
    assert isinstance(SMALL, Decision)
