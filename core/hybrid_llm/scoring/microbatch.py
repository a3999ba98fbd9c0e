"""Concurrent ``await``s join one pass: one hand-off to a worker thread, on all the encoder's threads.

Nothing waits for company: the calls that are ready in one turn of the event loop go together, and those that arrive
while a pass runs go with the next one. When nobody waits, nothing runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Scores = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]
"""Scores, whether each text was cut, and familiarity, all of shape (n,)."""

PASS: Final = 32
"""Texts in one joint pass at most: the first callers are not to wait for the last ones."""


class MicroBatch(threading.local):
    """Scores for the tasks of an event loop; each thread, and so each running loop, has a queue of its own.

    Args:
        score: Scores texts in one pass; called in a worker thread.
        recall: Gives scores that need no pass. Only a trained scorer has it: its scores depend on nothing but the
            text, so that calls may be joined. Of a scorer of your own nobody knows; each call is a pass of its own.
    """

    def __init__(
        self, score: Callable[[Sequence[str]], Scores], recall: Callable[[Sequence[str]], Scores | None] | None
    ) -> None:
        self._score, self._recall = score, recall
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue = _Queue(score)

    async def score(self, texts: list[str]) -> Scores:
        """Score texts in a pass with those of other tasks; a call of many texts has a pass of its own.

        Raises:
            Exception: What the scorer raised.
        """
        known = self._recall(texts) if self._recall else None
        if known is not None:
            return known
        if self._recall is None or len(texts) >= PASS:
            return await asyncio.to_thread(self._score, texts)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # an older queue lives until its pass is done
            self._loop, self._queue = loop, _Queue(self._score)
        return await self._queue.join(texts, loop.create_future())


class _Queue:
    """Who waits in one event loop; only that loop's thread touches it."""

    def __init__(self, score: Callable[[Sequence[str]], Scores]) -> None:
        self._score = score
        self._waiting: deque[tuple[list[str], asyncio.Future[Scores]]] = deque()
        self._running = False

    async def join(self, texts: list[str], answer: asyncio.Future[Scores]) -> Scores:
        self._waiting.append((texts, answer))
        if not self._running:
            self._running = True
            answer.get_loop().call_soon(self._next)  # after all that are ready now have joined
        return await answer

    def _next(self) -> None:
        """Start a pass for those who wait first; stop when nobody does."""
        together: list[tuple[list[str], asyncio.Future[Scores]]] = []
        size = 0
        while self._waiting and size + len(self._waiting[0][0]) <= PASS:
            texts, answer = self._waiting.popleft()
            if not answer.done():  # the task may have been cancelled
                together.append((texts, answer))
                size += len(texts)
        self._running = bool(together)
        if not together:
            return
        loop = together[0][1].get_loop()
        try:
            work = loop.run_in_executor(None, self._score, [text for texts, _ in together for text in texts])
        except RuntimeError as error:  # the loop is being closed: nobody will be answered any more
            together.extend(self._waiting)
            self._waiting.clear()
            self._answer(together, error)
            return
        work.add_done_callback(lambda done: self._finish(together, done))

    def _finish(self, together: list[tuple[list[str], asyncio.Future[Scores]]], done: asyncio.Future[Scores]) -> None:
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        self._answer(together, error or done.result())

    def _answer(self, together: list[tuple[list[str], asyncio.Future[Scores]]], result: Scores | BaseException) -> None:
        """Give each task its part of the scores, or the error; then go on."""
        start = 0
        for texts, answer in together:
            part = slice(start, start := start + len(texts))
            if answer.done():
                continue
            if isinstance(result, BaseException):
                answer.set_exception(result)
            else:
                answer.set_result((result[0][part], result[1][part], result[2][part]))
        self._next()
