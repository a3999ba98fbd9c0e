"""Pairs that hold answers back, every way to ask them, and arms that do as a scenario says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from hybrid_llm import Answer, Decision, Pair
from hybrid_llm.dispatch import FUNCTION, Attempts, Capabilities, Request
from hybrid_llm.look import ToolCall, Wanted
from tests.dispatch.pairs import one_answer
from tests.looks import CHECKER, LookScenario, Said, level_of
from tests.scenarios import FAILURES

SMALL = Capabilities(structured=True, model="small", speaks=True)
LARGE = Capabilities(model="large", forced_tool=True)


class Played:
    """Arms and a checker as a scenario says: functions of a decision that remember who was asked."""

    def __init__(self, scenario: LookScenario) -> None:
        self.scenario = scenario
        self.asked: list[str] = []
        self.compared = 0

    def chunks(self, decision: Decision) -> Iterator[Said | str]:
        self.asked.append(decision.route)
        fails = self.scenario.small_fails if decision.route == "small" else self.scenario.large_fails
        if fails:
            raise FAILURES[fails]
        if decision.route == "large":
            yield "from "
            yield "large"
        else:
            yield self.scenario.small

    def ask(self, decision: Decision) -> Any:
        chunks = list(self.chunks(decision))
        return chunks[0] if len(chunks) == 1 else "".join(map(str, chunks))

    async def aask(self, decision: Decision) -> Any:
        await asyncio.sleep(0)
        return self.ask(decision)

    async def achunks(self, decision: Decision) -> AsyncIterator[Any]:
        for chunk in self.chunks(decision):
            await asyncio.sleep(0)
            yield chunk

    def check(self, decision: Decision) -> Any:
        self.compared += 1
        if isinstance(self.scenario.checker, BaseException):
            raise self.scenario.checker
        return self.scenario.checker

    async def acheck(self, decision: Decision) -> Any:
        await asyncio.sleep(0)
        return self.check(decision)


def read(value: Any) -> Answer:
    """Return what a look sees of what the arms here give."""
    if isinstance(value, str):
        return Answer(value)
    calls = [ToolCall(name, arguments) for name, arguments in value.calls]
    return Answer(value.text, value.logprobs, value.finish, calls)


def pair_for(scenario: LookScenario, **options: Any) -> Pair:
    return Pair(
        scenario.router(),
        small=SMALL,
        large=LARGE,
        second_look=scenario.form,
        checker=Capabilities(model=CHECKER) if scenario.checker is not None else None,
        **{**scenario.level(), **dict(scenario.options), **options},
    )


def request_for(scenario: LookScenario) -> Request:
    follows = {"look_up": lambda arguments: isinstance(arguments.get("city"), str)}
    return Request(
        scenario.text,
        tools=frozenset({FUNCTION} if scenario.tools else ()),
        structured=scenario.json,
        level=level_of(scenario),
        route=dict(scenario.of_call).get("route"),
        wanted=Wanted(length_is_meant=scenario.limited, json=scenario.json, tools=follows if scenario.tools else None),
    )


Way = Callable[..., Awaitable[tuple[Any, Decision]]]


async def by_call(pair: Pair, request: Any, played: Played, attempts: Attempts | None = None) -> Any:
    return pair.call(request, played.ask, attempts, read=read, checker=_if(played, played.check))


async def by_acall(pair: Pair, request: Any, played: Played, attempts: Attempts | None = None) -> Any:
    return await pair.acall(request, played.aask, attempts, read=read, checker=_if(played, played.acheck))


async def by_stream(pair: Pair, request: Any, played: Played, attempts: Attempts | None = None) -> Any:
    chunks = pair.stream(request, played.chunks, attempts, read=read, checker=_if(played, played.check))
    return _joined(list(chunks))


async def by_astream(pair: Pair, request: Any, played: Played, attempts: Attempts | None = None) -> Any:
    chunks = pair.astream(request, played.achunks, attempts, read=read, checker=_if(played, played.acheck))
    return _joined([item async for item in chunks])


async def by_batch(pair: Pair, request: Any, played: Played, attempts: Attempts | None = None) -> Any:
    return pair.batch([request], [played.ask], read=read, checkers=[_if(played, played.check)])[0]


async def by_abatch(pair: Pair, request: Any, played: Played, attempts: Attempts | None = None) -> Any:
    return (await pair.abatch([request], [played.aask], read=read, checkers=[_if(played, played.acheck)]))[0]


WAYS = [by_call, by_acall, by_stream, by_astream, by_batch, by_abatch]
every_way = pytest.mark.parametrize("way", WAYS)
every_call = pytest.mark.parametrize("way", [by_call, by_acall, by_stream, by_astream])


def _if(played: Played, checker: Any) -> Any:
    return checker if played.scenario.checker is not None else None


def _joined(items: list[tuple[Any, Decision]]) -> Any:
    return items[0] if len(items) == 1 else one_answer(items)
