"""small_timeout: a small arm that hangs is given up on, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice

import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Failover
from hybrid_llm.errors import ConfigError
from tests.ways import LARGE, SMALL, Arms, by_call, by_stream, every_stream, every_way, text_of

SOON = 0.02
USER: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="nobody")


class Hanging:
    """A small arm that hangs until the test is over, and closes its stream when somebody asks it to."""

    def __init__(self) -> None:
        self.over, self.closed, self.started = threading.Event(), threading.Event(), threading.Event()
        self.streams: list[Iterator[str]] = []  # so that none is closed by being forgotten

    def __call__(self, decision: Decision) -> Iterator[str]:
        self.streams.append(self.stream(decision))
        return self.streams[-1]

    def stream(self, decision: Decision) -> Iterator[str]:
        if decision.route == "large":
            yield "from large"
            return
        self.started.set()
        try:
            yield ""
            assert self.over.wait(5)
            yield "too late"
        finally:
            self.closed.set()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    arm = Hanging()
    yield arm
    arm.over.set()
    for thread in threading.enumerate():
        if thread.name == "hybrid-llm-small":
            thread.join(1)
            assert not thread.is_alive()


@pytest.mark.parametrize("way", [by_call, by_stream])
async def test_a_small_arm_that_hangs_is_given_up_on_and_its_late_answer_closed(hanging, way):
    items = await way(Failover(small_timeout=SOON), SMALL, hanging)
    assert (text_of(items), items[0][1].reason) == ("from large", "fallback")
    assert hanging.started.is_set()
    assert not hanging.closed.is_set()
    hanging.over.set()
    assert hanging.closed.wait(1)


@pytest.mark.parametrize("verb", ["acall", "astream"])
async def test_an_async_small_arm_that_hangs_is_cancelled(verb):
    ended = []

    async def hang(decision: Decision) -> str:
        if decision.route == "large":
            return "from large"
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "never"

    async def hanging_stream(decision: Decision) -> AsyncIterator[str]:
        yield ""
        yield await hang(decision)

    failover = Failover(small_timeout=SOON)
    if verb == "acall":
        items = [await failover.acall(SMALL, hang)]
    else:
        items = [item async for item in failover.astream(SMALL, hanging_stream)]
    assert (text_of(items), items[0][1].reason) == ("from large", "fallback")
    assert ended == ["cancelled"]


@pytest.mark.parametrize("way", [by_call, by_stream])
async def test_where_nobody_steps_in_the_timeout_is_raised_and_names_the_option(hanging, way):
    with pytest.raises(TimeoutError, match=r"small_timeout=0\.02 s"):
        await way(Failover(small_timeout=SOON, to_large=False), SMALL, hanging)


@pytest.mark.parametrize("verb", ["acall", "astream"])
async def test_where_nobody_steps_in_the_async_timeout_is_raised_and_names_the_option(verb):
    async def wait(decision: Decision) -> AsyncIterator[str]:
        await asyncio.sleep(10)
        yield decision.route

    failover = Failover(small_timeout=SOON, to_large=False)
    answer = (
        failover.acall(SMALL, lambda d: anext(wait(d))) if verb == "acall" else anext(failover.astream(SMALL, wait))
    )
    with pytest.raises(TimeoutError, match=r"small_timeout=0\.02 s"):
        await answer


@every_stream
async def test_the_timeout_ends_with_the_first_token(way):
    def slow(decision: Decision) -> Iterator[str]:
        yield "a"
        time.sleep(0.04)
        yield decision.route

    assert text_of(await way(Failover(small_timeout=SOON), SMALL, slow)) == "asmall"


@every_way
async def test_large_is_given_the_time_it_takes(way):
    def slow(decision: Decision) -> Iterator[str]:
        time.sleep(0.04)
        yield decision.route

    assert text_of(await way(Failover(small_timeout=SOON), LARGE, slow)) == "large"


@every_way
async def test_a_timeout_of_the_arm_itself_is_raised_as_it_is_after_a_generous_one_of_ours(way):
    own = TimeoutError("the arm's own")
    with pytest.raises(TimeoutError, match="the arm's own"):
        await way(Failover(small_timeout=5, to_large=False), SMALL, Arms([own]))


@every_way
@pytest.mark.parametrize("timeout", [None, 5])
async def test_the_arm_sees_the_callers_context_variables(way, timeout):
    def who(decision: Decision) -> Iterator[str]:
        yield USER.get()

    USER.set("the caller")
    assert text_of(await way(Failover(small_timeout=timeout), SMALL, who)) == "the caller"


@pytest.mark.parametrize("enough", [1, 2, 3], ids=["one chunk", "two", "all"])
def test_a_stream_may_reset_the_context_variable_it_set_wherever_it_is_read_on(enough):
    reset = []

    def stream(decision: Decision) -> Iterator[str]:
        token = USER.set("the arm")
        try:
            yield "a"
            yield USER.get()
        finally:
            USER.reset(token)
            reset.append(decision.route)

    items = Failover(small_timeout=5).stream(SMALL, stream)
    assert [chunk for chunk, _ in islice(items, enough)] == ["a", "the arm"][:enough]
    items.close()
    assert reset == ["small"]


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_timeout_that_is_no_time_is_refused(seconds):
    with pytest.raises(ConfigError, match="small_timeout"):
        Failover(small_timeout=seconds)
