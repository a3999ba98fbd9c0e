"""Many requests of a pair side by side, each with the context of its own and its error in its place."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from hybrid_llm.dispatch.request import Request
from hybrid_llm.dispatch.state import Decided

Outcome = Decided | Exception


def answer_many(
    outcomes: Sequence[Outcome],
    asks: Sequence[tuple[Any, ...]],
    answer: Callable[..., Any],
    *,
    max_workers: int | None,
    return_exceptions: bool,
) -> list[Any]:
    """Return what each request came to, in order.

    Args:
        outcomes: The decided requests; in the place of one that made no sense its error.
        asks: For each the other arguments of ``answer``.
        answer: What answers one.
        max_workers: Requests at a time, at most.
        return_exceptions: Whether an error takes the place of its answer.
    """

    def one(outcome: Outcome, ask: tuple[Any, ...], context: contextvars.Context) -> Any:
        if isinstance(outcome, Exception):
            return outcome
        try:
            return context.run(answer, outcome, *ask)
        except Exception as error:
            if return_exceptions:
                return error
            raise

    if not outcomes:
        return []
    contexts = [contextvars.copy_context() for _ in outcomes]
    with ThreadPoolExecutor(max_workers) as pool:
        return list(pool.map(one, outcomes, asks, contexts))


async def aanswer_many(
    outcomes: Sequence[Outcome],
    asks: Sequence[tuple[Any, ...]],
    answer: Callable[..., Awaitable[Any]],
    *,
    max_workers: int | None,
    return_exceptions: bool,
) -> list[Any]:
    """Do what :func:`answer_many` does without blocking the event loop."""
    limit = asyncio.Semaphore(max_workers) if max_workers else nullcontext()

    async def one(outcome: Outcome, ask: tuple[Any, ...]) -> Any:
        if isinstance(outcome, Exception):
            return outcome
        async with limit:
            return await answer(outcome, *ask)

    answers = (one(outcome, ask) for outcome, ask in zip(outcomes, asks, strict=True))
    return list(await asyncio.gather(*answers, return_exceptions=return_exceptions))


def in_place(outcomes: Sequence[Request | Exception], decided: Sequence[Outcome]) -> list[Any]:
    """Return each request as it was decided, and each error where it stood."""
    rest = iter(decided)
    return [one if isinstance(one, Exception) else next(rest) for one in outcomes]
