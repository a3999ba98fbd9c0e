"""The four verbs of Failover as one kind of function, and arms that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from hybrid_llm import Decision
from hybrid_llm.dispatch import Failover
from hybrid_llm.testing import FakeArms

SMALL, LARGE = Decision("small", 0.9, 0.5), Decision("large", 0.1, 0.5)
DOWN = ConnectionRefusedError("connection refused")
Item = tuple[str, Decision]
Work = Callable[[Decision], Iterator[str]]
Way = Callable[[Failover, Decision, Work], Awaitable[list[Item]]]


async def by_call(failover: Failover, decision: Decision, work: Work) -> list[Item]:
    return [failover.call(decision, lambda d: "".join(work(d)))]


async def by_acall(failover: Failover, decision: Decision, work: Work) -> list[Item]:
    async def answer(d: Decision) -> str:
        await asyncio.sleep(0)
        return "".join(work(d))

    return [await failover.acall(decision, answer)]


async def by_stream(failover: Failover, decision: Decision, work: Work) -> list[Item]:
    return list(failover.stream(decision, work))


async def by_astream(failover: Failover, decision: Decision, work: Work) -> list[Item]:
    return [item async for item in failover.astream(decision, awaited(work))]


def awaited(work: Work) -> Callable[[Decision], AsyncIterator[str]]:
    """Return the arms as async generators."""

    async def stream(decision: Decision) -> AsyncIterator[str]:
        for chunk in work(decision):
            await asyncio.sleep(0)
            yield chunk

    return stream


every_way = pytest.mark.parametrize("way", [by_call, by_acall, by_stream, by_astream])
every_stream = pytest.mark.parametrize("way", [by_stream, by_astream])


class Arms(FakeArms):
    """The public fake as the one function that every way here takes: it streams."""

    def __call__(self, decision: Decision) -> Iterator[str]:
        return self.stream(decision)


def text_of(items: list[Item]) -> str:
    return "".join(chunk for chunk, _ in items)
