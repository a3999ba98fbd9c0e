"""Answers that are held back while something hangs, breaks in the middle, or is cancelled; and what it costs."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from hybrid_llm import Decision, Pair
from hybrid_llm.dispatch import Attempts, Capabilities, Place, Request
from tests.dispatch.held import LARGE, SMALL, Played, by_astream, by_stream, read
from tests.looks import CHECKER, LEVEL, LookScenario, Said, router_with, trained, untrained
from tests.scenarios import EASY

pytestmark = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")
EIGHTEEN = Said("It is 18.", 0.4)


def comparing(**options: Any) -> Pair:
    checker = options.pop("checker", Capabilities(model=CHECKER))
    look = router_with(trained(checker=True))
    return Pair(look, **{"small": SMALL, "large": LARGE, "checker": checker, "second_look": True, **LEVEL, **options})


def looking(**options: Any) -> Pair:
    return Pair(router_with(untrained()), small=SMALL, large=LARGE, second_look="logprobs", **LEVEL, **options)


def of_large(decision: Decision) -> str:
    assert decision.route == "large"
    return "from large"


@pytest.mark.parametrize("way", [by_stream, by_astream])
async def test_a_stream_without_chunks_is_an_answer_with_nothing_in_it_where_small_never_counts_as_down(
    way: Any,
) -> None:
    class Nothing(Played):
        def chunks(self, decision: Decision) -> Iterator[Said | str]:
            return iter(()) if decision.route == "small" else super().chunks(decision)

    pair = Pair(router_with(), small=SMALL, threshold=0.5, check=lambda *_: True, fallback_to_large=False)
    said, came = await way(pair, Request(EASY), Nothing(LookScenario("")), Attempts())
    assert (said, came.reason, came.look and came.look.rejected) == ("from large", "rejected", "empty")


# --- small dies while its answer is held ---------------------------------------------------------------------------


def breaks_in_the_middle(decision: Decision) -> Iterator[Any]:
    if decision.route == "large":
        yield from ("from ", "large")
    else:
        yield "Li"
        raise ConnectionResetError("gone")


async def abreaks_in_the_middle(decision: Decision) -> AsyncIterator[Any]:
    for chunk in breaks_in_the_middle(decision):
        await asyncio.sleep(0)
        yield chunk


async def test_small_that_dies_in_the_middle_of_a_held_answer_is_answered_for_by_large() -> None:
    items = list(looking().stream(Request(EASY), breaks_in_the_middle, read=read))
    assert ["".join(chunk for chunk, _ in items)] == ["from large"]
    assert {(decision.route, decision.reason, decision.look) for _, decision in items} == {("large", "fallback", None)}
    items = [item async for item in looking().astream(Request(EASY), abreaks_in_the_middle, read=read)]
    assert "".join(chunk for chunk, _ in items) == "from large"


# --- timeouts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"look_timeout": 0.05}, {"look_timeout": 0.05, "small_timeout": 9}], ids=str)
async def test_a_held_answer_has_a_time_of_its_own(options: dict[str, float]) -> None:
    late = threading.Event()

    def ask(decision: Decision) -> Any:
        return of_large(decision) if decision.route == "large" else late.wait(5) and Said()

    def chunks(decision: Decision) -> Iterator[Any]:
        yield Said() if decision.route == "small" else "from large"
        if decision.route == "small":
            late.wait(5)

    async def aask(decision: Decision) -> Any:
        return of_large(decision) if decision.route == "large" else await asyncio.sleep(5, Said())

    async def achunks(decision: Decision) -> AsyncIterator[Any]:
        yield Said() if decision.route == "small" else "from large"
        if decision.route == "small":
            await asyncio.sleep(5)

    start = time.monotonic()
    came = [
        looking(**options).call(Request(EASY), ask, read=read)[1],
        (await looking(**options).acall(Request(EASY), aask, read=read))[1],
        *(decision for _, decision in looking(**options).stream(Request(EASY), chunks, read=read)),
        *[decision async for _, decision in looking(**options).astream(Request(EASY), achunks, read=read)],
    ]
    late.set()
    assert time.monotonic() - start < 4
    assert [decision.reason for decision in came] == ["fallback"] * 4


def test_the_error_names_the_option_whose_time_is_over() -> None:
    pair, late = looking(look_timeout=0.05, fallback_to_large=False), threading.Event()
    with pytest.raises(TimeoutError, match=r"look_timeout=0\.05"):
        pair.call(Request(EASY), lambda _: late.wait(5) and Said(), read=read)
    late.set()


def test_the_first_token_of_a_held_stream_has_the_time_of_small_timeout() -> None:
    late = threading.Event()

    def chunks(decision: Decision) -> Iterator[Any]:
        if decision.route == "small":
            late.wait(5)
        yield "from large"

    items = list(looking(small_timeout=0.05).stream(Request(EASY), chunks, read=read))
    late.set()
    assert [decision.reason for _, decision in items] == ["fallback"]


# --- the checker ---------------------------------------------------------------------------------------------------


def test_small_and_its_checker_run_side_by_side() -> None:
    both = threading.Barrier(2, timeout=5)

    def ask(decision: Decision) -> Any:
        both.wait()
        return EIGHTEEN

    def check(decision: Decision) -> str:
        both.wait()
        return "18"

    assert comparing().call(Request(EASY), ask, read=read, checker=check)[1].reason == "kept"


async def test_small_and_its_checker_run_side_by_side_in_a_loop() -> None:
    both = asyncio.Barrier(2)

    async def ask(decision: Decision) -> Any:
        await asyncio.wait_for(both.wait(), 5)
        return EIGHTEEN

    async def check(decision: Decision) -> str:
        await asyncio.wait_for(both.wait(), 5)
        return "18"

    assert (await comparing().acall(Request(EASY), ask, read=read, checker=check))[1].reason == "kept"


async def test_two_models_of_one_server_run_one_after_the_other() -> None:
    done: list[str] = []
    url = "http://127.0.0.1:11434"
    pair = comparing(
        small=Capabilities(model="small", place=Place(url)), checker=Capabilities(model=CHECKER, place=Place(url))
    )

    def ask(decision: Decision) -> Any:
        time.sleep(0.02)
        done.append("small")
        return EIGHTEEN

    def check(decision: Decision) -> str:
        done.append("checker")
        return "18"

    assert pair.call(Request(EASY), ask, read=read, checker=check)[1].reason == "kept"
    assert done == ["small", "checker"]


def test_a_checker_that_hangs_costs_its_signal_and_no_more_than_the_time_of_the_look() -> None:
    late, attempts = threading.Event(), Attempts()
    _, decision = comparing(look_timeout=0.1).call(
        Request(EASY), lambda _: Said("It is 18.", 0.6), attempts, read=read, checker=lambda _: late.wait(5)
    )
    late.set()
    assert decision.reason == "kept"  # by what is left
    assert [(attempt.model, attempt.error) for attempt in attempts.made] == [("small", None), (CHECKER, "GivenUpError")]


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_checker_that_hangs_has_smalls_time_where_the_look_has_none(is_async: bool) -> None:
    hangs, pair = threading.Event(), comparing(small_timeout=0.05)

    async def ask(decision: Decision) -> Any:
        return EIGHTEEN if decision.route == "small" else "from large"

    async def check(_: Decision) -> Any:
        await asyncio.sleep(5)

    if is_async:
        _, came = await pair.acall(Request(EASY), ask, read=read, checker=check)
    else:
        both = {"small": EIGHTEEN, "large": "from large"}
        _, came = pair.call(Request(EASY), lambda d: both[d.route], read=read, checker=lambda _: hangs.wait(5))
    hangs.set()
    assert came.reason == "escalated"


def test_a_checker_that_keeps_failing_is_left_alone_for_a_while() -> None:
    pair, asked = comparing(), []

    def check(decision: Decision) -> str:
        asked.append(decision)
        raise ConnectionRefusedError("not running")

    for _ in range(5):
        pair.call(Request(EASY), lambda _: Said("It is 18.", 0.6), read=read, checker=check)
    assert len(asked) == 3


def test_a_tool_call_is_compared_with_nothing() -> None:
    late = threading.Event()
    call = Said("", calls=(("look_up", {"city": "Lima"}),))
    request = Request(EASY, wanted=None)
    start = time.monotonic()
    _, decision = comparing().call(request, lambda d: call if d.route == "small" else "", read=read, checker=late.wait)
    late.set()
    assert decision.look is not None
    assert decision.look.rejected == "unknown_tool"
    assert time.monotonic() - start < 4


# --- a cancel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_cancel_ends_small_and_its_checker_and_never_starts_large(streamed: bool) -> None:
    ended: list[str] = []
    begun = asyncio.Event()

    async def wait_for_ever(name: str) -> Any:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)

    async def ask(decision: Decision) -> Any:
        return await wait_for_ever(decision.route)

    async def chunks(decision: Decision) -> AsyncIterator[Any]:
        yield await wait_for_ever(decision.route)

    async def check(decision: Decision) -> Any:
        return await wait_for_ever("checker")

    async def run() -> None:
        if streamed:
            async for _ in comparing().astream(Request(EASY), chunks, read=read, checker=check):
                raise AssertionError("nothing is shown")
        else:
            await comparing().acall(Request(EASY), ask, read=read, checker=check)

    task = asyncio.create_task(run())
    await begun.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == ["checker", "small"]


def test_ctrl_c_while_small_answers_starts_nobody_else() -> None:
    asked: list[str] = []

    def ask(decision: Decision) -> Any:
        asked.append(decision.route)
        raise KeyboardInterrupt

    late = threading.Event()
    with pytest.raises(KeyboardInterrupt):
        comparing().call(Request(EASY), ask, read=read, checker=lambda _: late.wait(5))
    late.set()
    assert asked == ["small"]


# --- many at a time ------------------------------------------------------------------------------------------------


async def test_no_answer_of_a_batch_waits_for_another_ones_look() -> None:
    first, done = threading.Event(), asyncio.Event()

    def slow(decision: Decision) -> Any:
        first.wait(5)
        return Said()

    def quick(decision: Decision) -> Any:
        if decision.route == "large":
            first.set()  # only now may the other one of the batch go on
            return "from large"
        return Said(sure=0.1)

    came = looking().batch([Request(EASY)] * 2, [slow, quick], read=read)
    assert [decision.reason for _, decision in came] == ["kept", "escalated"]

    async def aslow(decision: Decision) -> Any:
        await asyncio.wait_for(done.wait(), 5)
        return Said()

    async def aquick(decision: Decision) -> Any:
        if decision.route == "large":
            done.set()
        return quick(decision)

    came = await looking().abatch([Request(EASY)] * 2, [aslow, aquick], read=read)
    assert [decision.reason for _, decision in came] == ["kept", "escalated"]


# --- what is shown -------------------------------------------------------------------------------------------------


async def test_a_stream_that_is_kept_comes_in_one_piece_and_one_that_is_not_in_the_chunks_of_large() -> None:
    def chunks(decision: Decision) -> Iterator[str]:
        yield from ("Li", "ma.") if decision.route == "small" else ("from ", "large")

    def reads(sure: float) -> Any:
        return lambda text: read(Said(text, sure))

    for sure, shown in ((0.9, ["Lima."]), (0.1, ["from ", "large"])):
        items = list(looking().stream(Request(EASY), chunks, read=reads(sure)))
        assert [chunk for chunk, _ in items] == shown
        assert len({decision for _, decision in items}) == 1


def test_the_chunks_of_large_come_as_they_are_made_after_an_escalation() -> None:
    made: list[str] = []

    def chunks(decision: Decision) -> Iterator[Any]:
        if decision.route == "small":
            yield Said(sure=0.1)
            return
        for word in ("from ", "large"):
            made.append(word)
            yield word

    items = looking().stream(Request(EASY), chunks, read=read)
    assert next(items)[0] == "from "
    assert made == ["from "]
    items.close()


@pytest.mark.parametrize("way", [by_stream, by_astream])
async def test_one_chunk_is_one_answer(way: Any) -> None:
    assert (await way(looking(), Request(EASY), Played(LookScenario(""))))[0] == Said()


# --- what it costs -------------------------------------------------------------------------------------------------


def test_a_look_costs_less_than_a_millisecond_beyond_the_arms() -> None:
    pair, request, words = looking(), Request(EASY), Said("word " * 200)
    plain = Pair(router_with(untrained()), small=SMALL, large=LARGE, threshold=0.5)

    def median(one: Pair) -> float:
        times = []
        for _ in range(60):
            start = time.perf_counter()
            one.call(request, lambda _: words, read=read)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    assert min(median(pair) - median(plain) for _ in range(3)) < 0.001
