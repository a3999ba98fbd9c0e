"""Waiting for the first token of an arm, no longer than the arm has."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from hybrid_llm.dispatch.left_behind import LeftBehind
from hybrid_llm.errors import HangingError

T = TypeVar("T")


def within(
    seconds: float | None,
    work: Callable[[], T],
    abandon: Callable[[T], None],
    left: LeftBehind,
    option: str = "small_timeout",
) -> T:
    """Return what the work returns, no later than this.

    Args:
        seconds: How long it may take; ``None`` does it here, in its own time.
        work: What to do.
        abandon: What becomes of a result that comes too late.
        left: The threads of calls that were given up on.
        option: Whose seconds these are.

    Raises:
        TimeoutError: The time is over.
        HangingError: Too many calls that were given up on still run.
    """
    if seconds is None:
        return work()
    if left.full:
        raise HangingError(
            f"The small arm hangs: {left.most} calls that small_timeout gave up on still wait for it, so it is not "
            "called again before one of them ends. Restart its server, and give its client a timeout of its own."
        )
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            if outcome.set_running_or_notify_cancel():
                outcome.set_exception(error)
        else:
            if outcome.set_running_or_notify_cancel():
                outcome.set_result(value)
            else:
                abandon(value)

    context = contextvars.copy_context()
    # not a pool: its threads are waited for when the program ends, and this one may hang
    thread = threading.Thread(target=context.run, args=(run,), daemon=True, name="hybrid-llm-small")
    thread.start()
    try:
        return outcome.result(seconds)
    except BaseException as error:
        if outcome.cancel():  # also on Ctrl-C
            left.add(thread)
            if isinstance(error, TimeoutError):
                raise _no_answer(seconds, option) from None
        elif isinstance(error, TimeoutError):  # it came in this very moment, or the work itself raised this
            return outcome.result()
        raise


@asynccontextmanager
async def awithin(seconds: float | None, option: str = "small_timeout") -> AsyncIterator[None]:
    """Cancel what runs inside past the time, and raise TimeoutError."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise _no_answer(seconds, option) from None
        raise


def _no_answer(seconds: float | None, option: str) -> TimeoutError:
    return TimeoutError(f"The small arm gave no answer within {option}={seconds} s.")


class OneContext(Iterator[T]):
    """A stream that stays in one context when another thread goes on with it: what it set there, it may reset."""

    def __init__(self, chunks: Iterator[T]) -> None:
        self._chunks, self._context = iter(chunks), contextvars.copy_context()

    def __next__(self) -> T:
        return self._context.run(next, self._chunks)

    def close(self) -> None:
        """Close the stream in its context."""
        self._context.run(close, ([], self._chunks))


def opened(chunks: Iterator[T], shows: Callable[[T], bool]) -> tuple[list[T], Iterator[T]]:
    """Read up to and including the first chunk that shows something; return these chunks and the rest."""
    chunks, head = iter(chunks), []
    try:
        for chunk in chunks:
            head.append(chunk)
            if shows(chunk):
                break
    except BaseException:
        close((head, chunks))
        raise
    return head, chunks


async def aopened(chunks: AsyncIterator[T], shows: Callable[[T], bool]) -> list[T]:
    """Read up to and including the first chunk that shows something; return these chunks."""
    head = []
    async for chunk in chunks:
        head.append(chunk)
        if shows(chunk):
            break
    return head


def forget(_: object) -> None:
    """Do nothing with an answer that came too late."""


def close(stream: tuple[list[Any], Iterator[Any]]) -> None:
    """Close what :func:`opened` returned."""
    end = getattr(stream[1], "close", None)
    if end:
        end()


async def aclose(chunks: AsyncIterator[Any] | None) -> None:
    """Close a stream that was opened, if it was."""
    end = getattr(chunks, "aclose", None)
    if end:
        await end()
