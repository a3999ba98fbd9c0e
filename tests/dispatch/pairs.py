"""A pair of two arms in this process, and every way to ask it; shared by the tests of this room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hybrid_llm import Decision, Level, Pair
from hybrid_llm.dispatch import FUNCTION, Capabilities, Request
from hybrid_llm.testing import FakeArms, FixedScorer
from tests.scenarios import FAILURES, SCORES, THRESHOLD, WINDOW, Scenario

LOCAL = Capabilities(WINDOW, structured=False, model="qwen3:4b")
HOSTED = Capabilities(100 * WINDOW, frozenset({"image"}), tools=None, forced_tool=True, model="gpt-4o")
IMAGE = frozenset({"image"})
DOWN = FAILURES["refused"]


def arms_of(small: BaseException | None = None, large: BaseException | None = None) -> FakeArms:
    """Return arms that break before they show anything, where an error is given, or else say who they are."""
    return FakeArms(small=["", small or "from small"], large=["", large or "from large"])


Way = Callable[[Pair, Request, FakeArms], Awaitable[tuple[str, Decision]]]


async def by_call(pair: Pair, request: Request, arms: FakeArms) -> tuple[str, Decision]:
    return pair.call(request, arms.call)


async def by_acall(pair: Pair, request: Request, arms: FakeArms) -> tuple[str, Decision]:
    return await pair.acall(request, arms.acall)


async def by_stream(pair: Pair, request: Request, arms: FakeArms) -> tuple[str, Decision]:
    return one_answer(list(pair.stream(request, arms.stream)))


async def by_astream(pair: Pair, request: Request, arms: FakeArms) -> tuple[str, Decision]:
    return one_answer([item async for item in pair.astream(request, arms.astream)])


async def by_batch(pair: Pair, request: Request, arms: FakeArms) -> tuple[str, Decision]:
    return pair.batch([request], [arms.call])[0]


async def by_abatch(pair: Pair, request: Request, arms: FakeArms) -> tuple[str, Decision]:
    return (await pair.abatch([request], [arms.acall]))[0]


async def by_decided(pair: Pair, request: Request, arms: FakeArms) -> tuple[str, Decision]:
    return pair.call(pair.admitted(pair.decide(request)), arms.call)


WAYS = [by_call, by_acall, by_stream, by_astream, by_batch, by_abatch, by_decided]
every_way = pytest.mark.parametrize("way", WAYS)


def one_answer(items: list[tuple[str, Decision]]) -> tuple[str, Decision]:
    (decision,) = {decision for _, decision in items}
    return "".join(chunk for chunk, _ in items), decision


def pair_of(scorer: Any = None, **options: Any) -> Pair:
    given = {"threshold": THRESHOLD, "small": LOCAL, "large": HOSTED, **options}
    return Pair(scorer or FixedScorer(SCORES, default=0.0), **given)


def request_of(scenario: Scenario) -> Request:
    options = dict(scenario.options)
    route = options.pop("route", None)
    kinds = {FUNCTION: scenario.tools, "web_search": scenario.provider_tool}
    return Request(
        scenario.text,
        turns=[text for role, text in scenario.history if role == "user"],
        tokens=WINDOW + 1 if scenario.long else WINDOW,
        modalities=IMAGE if scenario.image else frozenset(),
        tools=frozenset(kind for kind, given in kinds.items() if given),
        forced_tool=scenario.forced_tool,
        structured=scenario.structured,
        level=Level.of(**options),
        route=route,
    )
