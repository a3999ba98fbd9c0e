"""What happens when an arm breaks: the other one answers, before the first token or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Breaker, Failover
from tests.ways import (
    DOWN,
    LARGE,
    SMALL,
    Arms,
    awaited,
    by_acall,
    by_astream,
    by_call,
    by_stream,
    every_stream,
    every_way,
    text_of,
)

REFUSED = ValueError("a bad request")


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


# --- before the first token ----------------------------------------------------------------------------------------


@every_way
async def test_the_other_arm_answers_when_small_is_down(way):
    arms, failover = Arms([DOWN]), Failover()
    items = await way(failover, SMALL, arms)
    assert (text_of(items), arms.asked) == ("from large", ["small", "large"])
    assert {decision for _, decision in items} == {SMALL.override(route="large", reason="fallback")}


@every_stream
async def test_chunks_that_show_nothing_are_held_back_and_dropped_when_the_arm_fails(way):
    items = await way(Failover(), SMALL, Arms(["", "", DOWN]))
    assert [chunk for chunk, _ in items] == ["from ", "large"]


@every_stream
async def test_chunks_that_show_nothing_come_out_when_the_arm_goes_on(way):
    items = await way(Failover(), SMALL, Arms(["", "", "a", "", "b"]))
    assert [chunk for chunk, _ in items] == ["", "", "a", "", "b"]


@every_stream
@pytest.mark.parametrize("chunks", [[], ["", ""]])
async def test_an_arm_that_says_nothing_at_all_has_answered(way, chunks):
    arms = Arms(chunks)
    assert [chunk for chunk, _ in await way(Failover(), SMALL, arms)] == chunks
    assert arms.asked == ["small"]


@pytest.mark.parametrize("error", [DOWN, REFUSED])
async def test_after_the_first_token_every_error_is_raised_and_no_answers_are_glued(error):
    arms = Arms(["a", error])
    chunks = Failover().stream(SMALL, arms)
    assert next(chunks) == ("a", SMALL)
    with pytest.raises(type(error)):
        next(chunks)
    items = Failover().astream(SMALL, awaited(arms))
    assert await anext(items) == ("a", SMALL)
    with pytest.raises(type(error)):
        await anext(items)
    assert arms.asked == ["small", "small"]


@every_way
@pytest.mark.parametrize("error", [REFUSED, KeyError("a bug"), KeyboardInterrupt(), SystemExit(-1)], ids=repr)
async def test_what_is_no_outage_is_raised_and_large_is_not_asked(way, error):
    arms = Arms([error])
    with pytest.raises(type(error)):
        await way(Failover(), SMALL, arms)
    assert arms.asked == ["small"]


@every_way
@pytest.mark.parametrize("reason", ["forced", "context", "modality", "tools", "structured_output"])
async def test_a_decision_that_only_one_arm_can_follow_stays_there(way, reason):
    arms = Arms([DOWN])
    with pytest.raises(ConnectionRefusedError):
        await way(Failover(to_small=True), SMALL.override(reason=reason), arms)
    assert arms.asked == ["small"]


@every_way
@pytest.mark.parametrize("reason", ["score", "unfamiliar", "follow_up", "no_text", "scorer_error"])
async def test_small_may_answer_what_was_only_a_judgement_when_large_is_down(way, reason):
    arms = Arms(["from small"], [DOWN])
    items = await way(Failover(to_small=True), LARGE.override(reason=reason), arms)
    assert arms.asked == ["large", "small"]
    assert {(decision.route, decision.reason) for _, decision in items} == {("small", "fallback")}


@every_way
@pytest.mark.parametrize(("options", "chosen"), [({}, LARGE), ({"to_large": False}, SMALL)], ids=str)
async def test_an_arm_that_may_not_be_left_raises_and_is_asked_each_time(way, options, chosen):
    arms = Arms([DOWN], [DOWN])
    failover = Failover(**options)
    for _ in range(5):
        with pytest.raises(ConnectionRefusedError):
            await way(failover, chosen, arms)
    assert arms.asked == [chosen.route] * 5


@every_way
async def test_both_arms_down_raises_the_second_error_which_remembers_the_first(way):
    with pytest.raises(TimeoutError) as caught:
        await way(Failover(to_small=True), SMALL, Arms([DOWN], [TimeoutError("large")]))
    assert caught.value.__context__ is DOWN


# --- breakers ------------------------------------------------------------------------------------------------------


@every_way
async def test_after_three_failures_small_is_skipped_for_thirty_seconds_and_then_probed(way):
    clock, arms = Clock(), Arms([DOWN])
    failover = Failover(small=Breaker(clock=clock))
    reasons = [(await way(failover, SMALL, arms))[0][1].reason for _ in range(5)]
    assert reasons == ["fallback"] * 3 + ["cooldown"] * 2
    clock.now, arms.small = 30, ["from small"]
    items = await way(failover, SMALL, arms)
    assert (text_of(items), items[0][1]) == ("from small", SMALL)
    assert not failover.breakers["small"].open


@every_way
async def test_larges_breaker_works_the_same_when_small_may_answer(way):
    arms, failover = Arms(["from small"], [DOWN]), Failover(to_small=True)
    decisions = [(await way(failover, LARGE, arms))[0][1] for _ in range(4)]
    assert [decision.reason for decision in decisions] == ["fallback"] * 3 + ["cooldown"]
    assert {decision.route for decision in decisions} == {"small"}
    assert arms.asked == ["large", "small"] * 3 + ["small"]


@every_way
async def test_a_refused_request_shows_that_the_arm_is_there(way):
    failover, error = Failover(small=Breaker(failures=1, clock=Clock(), cooldown=0)), REFUSED
    error.status_code = 400
    await way(failover, SMALL, Arms([DOWN]))
    assert failover.breakers["small"].open
    with pytest.raises(ValueError):
        await way(failover, SMALL, Arms([error]))
    assert not failover.breakers["small"].open


@every_stream
async def test_failing_after_the_first_token_counts_as_a_failure(way):
    failover = Failover(small=Breaker(failures=1))
    with pytest.raises(ConnectionRefusedError):
        await way(failover, SMALL, Arms(["a", DOWN]))
    assert failover.breakers["small"].open


@pytest.mark.parametrize("verb", ["acall", "astream"])
async def test_a_cancelled_probe_is_passed_on_and_gives_its_place_back(verb):
    clock, started, asked = Clock(), asyncio.Event(), []
    failover = Failover(small=Breaker(failures=1, clock=clock))
    failover.breakers["small"].fail()
    clock.now = 30

    async def hang(decision: Decision) -> str:
        asked.append(decision.route)
        started.set()
        await asyncio.sleep(10)
        return "never"

    async def hanging(decision: Decision) -> AsyncIterator[str]:
        yield await hang(decision)

    async def read() -> None:
        async for _ in failover.astream(SMALL, hanging):
            pass

    task = asyncio.ensure_future(failover.acall(SMALL, hang) if verb == "acall" else read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked == ["small"]
    assert failover.breakers["small"].admit()  # the next call is the probe, without another cooldown


# --- readers that close early --------------------------------------------------------------------------------------


class Held:
    """Both arms as objects that are closed when somebody closes them, not by being forgotten."""

    def __init__(self, arms: Arms) -> None:
        self.arms, self.streams, self.closed = arms, [], []

    def __call__(self, decision: Decision) -> Held:
        held = Held(self.arms)
        held.closed, held.route, held.chunks = self.closed, decision.route, self.arms(decision)
        self.streams.append(held)
        return held

    def __iter__(self) -> Held:
        return self

    __aiter__ = __iter__

    def __next__(self) -> str:
        return next(self.chunks)

    async def __anext__(self) -> str:
        for chunk in self.chunks:
            return chunk
        raise StopAsyncIteration

    def close(self) -> None:
        self.closed.append(self.route)

    async def aclose(self) -> None:
        self.close()


@pytest.mark.parametrize(
    ("small", "closed"),
    [(["a", "b"], ["small"]), ([DOWN], ["small", "large"])],
    ids=["small answers", "large steps in"],
)
async def test_a_reader_that_closes_early_closes_the_arm_at_once(small, closed):
    held = Held(Arms(small, ["c", "d"]))
    chunks = Failover().stream(SMALL, held)
    next(chunks)
    assert held.closed == closed[:-1]
    chunks.close()
    assert held.closed == closed
    held = Held(Arms(small, ["c", "d"]))
    items = Failover().astream(SMALL, held)
    await anext(items)
    assert held.closed == closed[:-1]
    await items.aclose()
    assert held.closed == closed


@every_stream
@pytest.mark.parametrize("chunks", [["a", "b"], ["a", REFUSED], [REFUSED]], ids=str)
async def test_a_stream_is_closed_however_it_ends(way, chunks):
    held = Held(Arms(chunks))
    with suppress(ValueError):
        if way is by_stream:
            await by_stream(Failover(), SMALL, held)
        else:
            [_ async for _ in Failover().astream(SMALL, held)]
    assert held.closed == ["small"]


@pytest.mark.parametrize("verb", ["stream", "astream"])
async def test_a_reader_that_has_enough_counts_as_a_success(verb):
    failover = Failover(small=Breaker(failures=1, cooldown=0))
    failover.breakers["small"].fail()
    arms = Arms(["a", "b"])
    if verb == "stream":
        chunks = failover.stream(SMALL, arms)
        next(chunks)
        chunks.close()
    else:
        items = failover.astream(SMALL, awaited(arms))
        await anext(items)
        await items.aclose()
    assert not failover.breakers["small"].open


# --- many at once --------------------------------------------------------------------------------------------------


async def test_two_hundred_calls_from_threads_and_asyncio_lose_no_answer():
    failover = Failover(small_timeout=5, small=Breaker(failures=3, cooldown=0.001))

    def arm(i: int) -> Callable[[Decision], Iterator[str]]:
        def stream(decision: Decision) -> Iterator[str]:
            yield ""
            if decision.route == "small" and i % 3 == 0:
                raise DOWN
            yield f"{i} from "
            yield decision.route

        return stream

    def in_a_thread(i: int) -> list[tuple[str, Decision]]:
        return asyncio.run((by_call if i % 4 else by_stream)(failover, SMALL, arm(i)))

    with ThreadPoolExecutor(20) as threads:
        in_threads = [asyncio.wrap_future(threads.submit(in_a_thread, i)) for i in range(100)]
        in_tasks = [(by_acall if i % 4 else by_astream)(failover, SMALL, arm(i)) for i in range(100, 200)]
        answers = await asyncio.gather(*in_threads, *in_tasks)
    for i, items in enumerate(answers):
        (decision,) = {decision for _, decision in items}
        assert text_of(items) == f"{i} from {decision.route}"
        assert decision.reason in ({"fallback", "cooldown"} if i % 3 == 0 else {"score", "cooldown"})
