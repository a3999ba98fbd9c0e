"""In shadow with a second look small is asked behind large's answer, and observers hear what would have come of it."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import warnings
import weakref
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest

from hybrid_llm import Decision, Pair
from hybrid_llm.decision import Look
from hybrid_llm.dispatch import Attempts, Place, is_behind
from hybrid_llm.dispatch.behind import Behind
from hybrid_llm.event import Observer, RequestEvent, Usage
from tests.covering import covering
from tests.dispatch.held import SMALL, Played, Way, by_acall, by_call, every_way, pair_for, read, request_for
from tests.looks import LOOK_SCENARIOS, UNSURE, LookScenario, Said

pytestmark = pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning")
KEPT, ESCALATED = LookScenario("kept"), LookScenario("escalated", Said(sure=UNSURE))
HELD = [
    one
    for one in LOOK_SCENARIOS
    if not (one.large_fails or one.raises) and one.reason in ("kept", "escalated", "rejected", "fallback")
]
"""Those in which large does not break after all: what comes true there is what would have come true."""


class Texts(Observer):
    texts = True

    def __init__(self) -> None:
        self.events: list[RequestEvent] = []

    def finished(self, event: RequestEvent) -> None:
        self.events.append(event)


async def looked(pair: Pair) -> None:
    """Wait until all is looked at."""
    while not pair.state.behind.wait(0):
        await asyncio.sleep(0.002)


async def shadowed(way: Way, scenario: LookScenario, played: Any = None, **options: Any) -> RequestEvent:
    """Ask in shadow; return what observers heard once small's answer was looked at."""
    seen: list[RequestEvent] = []
    pair = pair_for(scenario, shadow=True, observers=[seen.append], **options)
    answer, came = await way(pair, request_for(scenario), played or Played(scenario))
    assert (answer, came.route, came.reason) == ("from large", "large", "shadow")
    assert came.shadow is not None
    assert came.shadow.held
    await looked(pair)
    (event,) = seen
    assert event.kept is not None
    assert event.kept.route == "large"
    return event


# --- what is heard -------------------------------------------------------------------------------------------------


@covering(pytest.mark.parametrize("scenario", HELD, ids=lambda one: one.name), every_way)
async def test_what_would_have_come_of_it_is_what_comes_of_it_out_of_shadow(scenario: LookScenario, way: Way) -> None:
    event = await shadowed(way, scenario)
    would = event.decision.shadow
    assert would is not None
    assert (would.route, would.reason) == (scenario.route, scenario.reason)
    assert (would.look.rejected if would.look else None) == scenario.rejected
    played, pair = Played(scenario), pair_for(scenario)
    assert would == (await way(pair, request_for(scenario), played))[1]
    assert [one.kept for one in event.attempts] == [True] + [False] * (len(event.attempts) - 1)
    assert event.attempts[1].route == "small"


async def test_smalls_call_is_told_with_its_tokens_and_its_text_is_for_those_who_ask_for_texts() -> None:
    texts, bare = Texts(), list[RequestEvent]()
    pair = pair_for(KEPT, shadow=True, observers=[texts, bare.append], prices={"small": (1.0, 1.0), "large": (9, 9)})
    attempts = Attempts()

    def ask(decision: Decision) -> Any:
        if decision.route == "small":
            attempts.tell(Usage(3, 4))  # as an adapter tells it, of the request that it knows
            return "Lima."
        attempts.tell(Usage(10, 20))
        return "from large"

    pair.call(request_for(KEPT), ask, attempts, read=read)
    await looked(pair)
    large, small = texts.events[0].attempts
    assert (large.output_tokens, small.input_tokens, small.output_tokens) == (20, 3, 4)
    assert small.cost_usd == pytest.approx(7e-6)
    assert (small.text, large.text, bare[0].attempts[1].text) == ("Lima.", "from large", None)
    assert attempts.made == (replace(large, text=large.text),)  # what is noted on the answer has nothing of it


# --- what is not changed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [by_call, by_acall])
async def test_nobody_waits_for_small(way: Way) -> None:
    gate, agate = threading.Event(), asyncio.Event()

    class Slow(Played):
        def ask(self, decision: Decision) -> Any:
            assert is_behind() == (decision.route == "small")
            if decision.route == "small" and way is by_call:
                gate.wait(5)
            return super().ask(decision)

        async def aask(self, decision: Decision) -> Any:
            if decision.route == "small":
                await agate.wait()
            return await super().aask(decision)

    seen: list[RequestEvent] = []
    pair = pair_for(KEPT, shadow=True, observers=[seen.append])
    assert (await way(pair, request_for(KEPT), Slow(KEPT)))[0] == "from large"
    assert seen == []
    gate.set()
    agate.set()
    await looked(pair)
    assert seen[0].decision.shadow is not None
    assert seen[0].decision.shadow.reason == "kept"
    assert seen[0].late >= 0


@every_way
@pytest.mark.parametrize("fails", ["bad request", "bug"])
async def test_what_goes_wrong_behind_a_request_is_told_and_not_raised(fails: str, way: Way) -> None:
    event = await shadowed(way, LookScenario("broken", small_fails=fails))
    assert event.error is None
    assert event.decision.shadow is not None
    assert event.decision.shadow.look == Look()
    assert event.attempts[1].error is not None


@every_way
async def test_small_is_not_asked_where_nobody_hears_of_it_or_large_gave_nothing(way: Way) -> None:
    played = Played(KEPT)
    pair = pair_for(KEPT, shadow=True)
    await way(pair, request_for(KEPT), played)
    await looked(pair)
    assert played.asked == ["large"]
    down, seen = Played(LookScenario("down", large_fails="500")), list[RequestEvent]()
    pair = pair_for(KEPT, shadow=True, observers=[seen.append])
    with pytest.raises(Exception, match="500"):
        await way(pair, request_for(KEPT), down)
    await looked(pair)
    assert (down.asked, seen[0].error is None) == (["large"], False)


async def test_a_private_request_is_answered_by_small_alone_and_once() -> None:
    seen, played = list[RequestEvent](), Played(KEPT)
    options: dict[str, Any] = {"shadow": True, "private": True}
    at_home = replace(SMALL, place=Place())
    pair = Pair(KEPT.router(), small=at_home, second_look=KEPT.form, **KEPT.level(), **options, observers=[seen.append])
    await by_call(pair, request_for(KEPT), played)
    await looked(pair)
    assert (played.asked, seen[0].decision.shadow) == (["small"], None)


async def test_a_small_that_is_down_is_left_alone_in_shadow_too() -> None:
    scenario, seen = LookScenario("down", small_fails="refused"), list[RequestEvent]()
    pair, played = pair_for(scenario, shadow=True, observers=[seen.append]), Played(scenario)
    for _ in range(5):
        await by_call(pair, request_for(scenario), played)
        await looked(pair)
    reasons = [event.decision.shadow.reason for event in seen if event.decision.shadow]
    assert reasons == ["fallback"] * 3 + ["cooldown"] * 2
    assert played.asked.count("small") == 3


# --- bounds and ends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [by_call, by_acall])
async def test_what_finds_no_room_is_told_without_a_look_and_the_user_once(way: Way) -> None:
    gate = threading.Event()

    class Stuck(Played):
        def ask(self, decision: Decision) -> Any:
            if decision.route == "small" and way is by_call:
                gate.wait(5)
            return super().ask(decision)

        async def aask(self, decision: Decision) -> Any:
            while decision.route == "small" and not gate.is_set():
                await asyncio.sleep(0.001)
            return await super().aask(decision)

    seen: list[RequestEvent] = []
    pair = pair_for(KEPT, shadow=True, observers=[seen.append])
    pair.state.behind = Behind(most=3, workers=2)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(5):
            await way(pair, request_for(KEPT), Stuck(KEPT))
    assert ["wait to be looked at" in str(one.message) for one in told] == [True]
    assert [event.decision.shadow.held for event in seen if event.decision.shadow] == [True, True]
    gate.set()
    await looked(pair)
    assert [event.decision.shadow.reason for event in seen if event.decision.shadow][2:] == ["kept"] * 3


def test_an_event_loop_that_ends_takes_its_looks_with_it_and_loses_no_request() -> None:
    seen: list[RequestEvent] = []
    pair = pair_for(KEPT, shadow=True, observers=[seen.append])

    class Endless(Played):
        async def aask(self, decision: Decision) -> Any:
            if decision.route == "small":
                await asyncio.sleep(60)
            return await super().aask(decision)

    async def program() -> None:
        for _ in range(3):
            await by_acall(pair, request_for(KEPT), Endless(KEPT))

    asyncio.run(program())
    assert [event.decision.shadow.held for event in seen if event.decision.shadow] == [True] * 3


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_loop_that_was_closed_in_the_middle_of_its_looks_takes_up_no_room() -> None:
    behind, came = Behind(most=1), list[Any]()

    async def program(n: int) -> bool:
        return behind.aput(lambda: asyncio.sleep(60, n), came.append)

    for n in range(3):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(program(n))
        loop.close()
    assert came == [None, None]
    behind.finish()
    assert came == [None, None, None]


async def test_few_are_under_way_at_a_time_in_an_event_loop_as_in_threads() -> None:
    behind, running, most = Behind(workers=2), list[int](), list[int]()

    async def work(number: int) -> None:
        running.append(number)
        most.append(len(running))
        await asyncio.sleep(0)
        running.remove(number)

    for number in range(5):
        behind.aput(lambda number=number: work(number), lambda came: None)
    while not behind.wait(0):
        await asyncio.sleep(0)
    assert max(most) == 2


def test_work_is_done_in_the_context_of_its_request() -> None:
    behind, came, asked = Behind(), list[Any](), ContextVar[str]("asked", default="nothing")
    asked.set("by a user")
    behind.put(asked.get, lambda answer: came.extend((answer, asked.get())))
    assert behind.wait(5)
    assert came == ["by a user", "by a user"]


def test_where_no_event_loop_runs_a_piece_ends_at_once() -> None:
    behind, came = Behind(), list[Any]()
    assert not behind.aput(lambda: asyncio.sleep(0, 1), came.append)
    assert (came, behind.wait(0)) == ([None], True)


def test_event_loops_that_are_closed_are_let_go() -> None:
    behind, loops = Behind(workers=1), list[Any]()

    async def program() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        for _ in range(3):  # so that some wait for their turn
            behind.aput(lambda: asyncio.sleep(0), lambda came: None)
        await asyncio.sleep(0.01)

    for _ in range(3):
        asyncio.run(program())
    gc.collect()
    assert [loop() is None for loop in loops[:-1]] == [True, True]


def test_a_piece_that_raises_ends_itself_and_not_those_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    behind, came = Behind(workers=1), list[Any]()
    for work in (sys.exit, lambda: "next"):
        assert behind.put(work, came.append)
    assert behind.wait(5)
    assert came == [None, "next"]
    assert "Work behind a request failed: SystemExit." in caplog.text


def test_whoever_raises_at_the_end_of_a_piece_keeps_none_from_being_done() -> None:
    behind, came = Behind(workers=1), list[Any]()
    for end in (sys.exit, came.append):
        assert behind.put(lambda: 1, end)
    assert behind.wait(5)
    assert came == [1]


def test_where_no_thread_can_be_started_a_piece_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    behind, came = Behind(), list[Any]()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refused)
        assert not behind.put(lambda: 1, came.append)
    assert behind.put(lambda: 2, came.append)
    assert behind.wait(5)
    assert came == [None, 2]


def test_the_end_of_the_program_waits_a_moment_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_llm.dispatch.behind.PATIENCE", 0.05)
    gate, behind, came = threading.Event(), Behind(workers=1), list[Any]()
    behind.put(lambda: "first", came.append)
    behind.put(lambda: gate.wait(5), came.append)
    behind.put(lambda: "never", came.append)
    behind.finish()
    assert came == ["first", None, None]
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "hybrid-llm-behind":
            thread.join(5)
    assert came == ["first", None, None]  # each is told once


def test_a_forked_process_begins_anew_and_leaves_to_its_parent_what_is_the_parents() -> None:
    program = """
import os, threading
from hybrid_llm.dispatch.behind import Behind
gate, behind = threading.Event(), Behind(most=1, workers=1)
behind.put(lambda: gate.wait(5), lambda came: os.write(1, b"parent "))
with behind._changed:  # as another thread may have it just then
    child = os.fork()
if child:
    os.waitpid(child, 0)
    gate.set()
else:
    behind.put(lambda: 1, lambda came: os.write(1, b"child "))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], env=environment, check=True, timeout=60, capture_output=True
    )
    assert done.stdout == b"child parent "
