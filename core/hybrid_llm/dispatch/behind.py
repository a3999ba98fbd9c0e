"""Work behind requests that are answered already: a few at a time, so many waiting, and nobody waits for it.

What a synchronous request leaves is done in a thread, what one of an event loop leaves in a task of that loop. Each is
ended exactly once: with what it came to, or with nothing where there was no room, it failed, or the program ended.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
logger = logging.getLogger("hybrid_llm")

MOST: Final = 100
"""Pieces of work that wait or are under way, at most."""
WORKERS: Final = 2
"""How many are under way at a time: in threads, and in each event loop."""
PATIENCE: Final = 5.0
"""Seconds that the end of the program waits for what is left to threads."""

_BEHIND: ContextVar[bool] = ContextVar("hybrid_llm_behind", default=False)


def is_behind() -> bool:
    """Return whether this is called for a request that is answered already, so that nobody is to see anything of it.

    Example:
        >>> is_behind()
        False
    """
    return _BEHIND.get()


class Behind:
    """Does work behind requests; safe to use from many threads.

    Args:
        most: How many pieces may wait or be under way.
        workers: How many are under way at a time.

    Example:
        >>> behind, came = Behind(), []
        >>> behind.put(lambda: 4, came.append), behind.wait(5), came
        (True, True, [4])
    """

    def __init__(self, most: int = MOST, workers: int = WORKERS) -> None:
        self._most, self._workers = most, workers
        self._kept = False
        self.begin()
        _ALL.add(self)

    def begin(self) -> None:
        """Start with nothing to do, in a forked process too: what was left is the parent's."""
        self._changed = threading.Condition()
        self._open: set[_Work[Any]] = set()
        self._waiting: deque[_Work[Any]] = deque()
        self._threads = 0
        self._turns: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}

    def put(self, work: Callable[[], T], end: Callable[[T | None], None]) -> bool:
        """Have work done in a thread, in the context of this call; return whether there was room for it.

        Args:
            work: What to do; it raises nothing.
            end: Is given what it came to, or ``None`` where it was not done to its end.
        """
        one = _Work(work, end)
        if not self._take(one):
            return False
        with self._changed:
            self._waiting.append(one)
            starts = self._threads < self._workers
            self._threads += starts
        if starts:
            try:
                threading.Thread(target=self._run, daemon=True, name="hybrid-llm-behind").start()
            except RuntimeError:  # the program ends, or has too many threads
                return self._left_to_others()
        return True

    def aput(self, work: Callable[[], Awaitable[T]], end: Callable[[T | None], None]) -> bool:
        """Do what :meth:`put` does in a task of the event loop that runs here; where none does, there is no room."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a stream that is closed after its loop
            end(None)
            return False
        one = _Work(work, end)
        if not self._take(one):
            return False
        turn = self._turn(loop)

        async def run() -> T:
            _BEHIND.set(True)
            async with turn:
                return await work()

        def ended(task: asyncio.Task[T]) -> None:  # also of a task that was cancelled before it began
            done = not task.cancelled() and task.exception() is None
            self._end(one, task.result() if done else None)

        one.task = loop.create_task(run())
        one.task.add_done_callback(ended)
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is left, no longer than this; return whether that is so. Not for an event loop."""
        until = time.monotonic() + seconds
        with self._changed:
            while self._open and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._open

    def finish(self) -> None:
        """End all that is left: what runs in threads has a few seconds, what belongs to an event loop none."""
        until = time.monotonic() + PATIENCE
        with self._changed:
            while any(one.task is None for one in self._open) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            self._waiting.clear()
            rest = list(self._open)
        for one in rest:
            self._end(one, None)

    def _take(self, one: _Work[Any]) -> bool:
        if not self._kept:
            self._kept = True
            atexit.register(_finish, weakref.ref(self))
        if len(self._open) >= self._most:
            self._end_of_closed_loops()
        with self._changed:
            room = len(self._open) < self._most
            if room:
                self._open.add(one)
        if not room:
            one.end(None)
        return room

    def _turn(self, loop: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
        """Return what lets a few pieces of an event loop begin; a new loop has those of closed ones forgotten."""
        with self._changed:
            if loop not in self._turns:  # a semaphore holds on to its loop, so that weak keys would keep both
                self._turns = {each: turn for each, turn in self._turns.items() if not each.is_closed()}
                self._turns[loop] = asyncio.Semaphore(self._workers)
            return self._turns[loop]

    def _end_of_closed_loops(self) -> None:
        """End what its event loop left behind: one that was closed without cancelling its tasks."""
        with self._changed:
            left = [one for one in self._open if one.task is not None and one.task.get_loop().is_closed()]
        for one in left:
            self._end(one, None)

    def _left_to_others(self) -> bool:
        """Return whether another thread comes to what waits, after none could be started; else end all of it."""
        with self._changed:
            self._threads -= 1
            if self._threads:
                return True
            left = list(self._waiting)
            self._waiting.clear()
        for one in left:
            self._end(one, None)
        return False

    def _run(self) -> None:
        while (one := self._next()) is not None:
            came = None
            with _noted():
                came = one.context.run(_behind, one.work)
            with _noted():
                one.context.run(self._end, one, came)

    def _next(self) -> _Work[Any] | None:
        """Return the piece that is next; without one a thread comes to its end."""
        with self._changed:
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None

    def _end(self, one: _Work[Any], came: Any) -> None:
        """Say once that a piece has ended."""
        with self._changed:
            if one.ended:
                return
            one.ended = True
        try:
            one.end(came)
        finally:
            with self._changed:
                self._open.discard(one)
                self._changed.notify_all()


class _Work(Generic[T]):
    """A piece of work, and who hears of its end."""

    def __init__(self, work: Callable[[], T], end: Callable[[Any], None]) -> None:
        self.work, self.end = work, end
        self.context: Context = copy_context()
        self.task: asyncio.Task[Any] | None = None
        self.ended = False


def _behind(work: Callable[[], T]) -> T:
    _BEHIND.set(True)
    return work()


@contextmanager
def _noted() -> Iterator[None]:
    """Log what is raised in a thread, ``sys.exit()`` too, and go on: the next piece has nothing to do with it."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001
        logger.warning("Work behind a request failed: %s.", type(error).__name__)


def _finish(behind: weakref.ref[Behind]) -> None:
    held = behind()
    if held is not None:
        held.finish()


_ALL: Final[weakref.WeakSet[Behind]] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_ALL):
        each.begin()


if hasattr(os, "register_at_fork"):  # at once: later two threads could meet in it
    os.register_at_fork(after_in_child=_after_fork)
