"""Small's answer as a whole, before anything of it is shown: what breaks in it, breaks before the first token."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch.attempts import Attempts
from hybrid_llm.dispatch.failover import Failover
from hybrid_llm.dispatch.first_token import OneContext, aclose, aopened, awithin, close, forget, opened, within


class Holding(Failover):
    """A failover that also holds answers back; see :class:`~hybrid_llm.dispatch.failover.Failover`.

    Args:
        look_timeout: Seconds that a whole answer has.
        **options: Those of a failover.

    Attributes:
        to_small: Whether small's answer may be shown when large is down.
        small_timeout: Seconds that small has.
    """

    def __init__(self, *, look_timeout: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.look_timeout = look_timeout
        self.to_small = self._leaves["large"]
        self.small_timeout = self._timeout["small"]

    def hold(
        self, decision: Decision, ask: Callable[[Decision], Any], attempts: Attempts, *, streams: bool
    ) -> tuple[list[Any], Decision]:
        """Return small's whole answer in its chunks, and the decision; none, and another one, where small is down.

        Args:
            decision: That of :meth:`admitted`.
            ask: Calls small, or opens its stream.
            attempts: Where the call is noted.
            streams: Which of the two ``ask`` does.
        """
        attempts.begin(decision, self._serves(decision.route))
        try:
            chunks = self._streamed(decision, ask, attempts) if streams else [self._asked(decision, ask, attempts)]
        except BaseException as error:
            second = self._after(decision, error, attempts)
            if second is None:
                raise
            return [], second
        self._succeed(decision, attempts)
        return chunks, decision

    async def ahold(
        self, decision: Decision, ask: Callable[[Decision], Any], attempts: Attempts, *, streams: bool
    ) -> tuple[list[Any], Decision]:
        """Do what :meth:`hold` does; a call that is given up on is cancelled."""
        attempts.begin(decision, self._serves(decision.route))
        try:
            chunks = (
                await self._astreamed(decision, ask, attempts)
                if streams
                else [await self._aasked(decision, ask, attempts)]
            )
        except BaseException as error:
            second = self._after(decision, error, attempts)
            if second is None:
                raise
            return [], second
        self._succeed(decision, attempts)
        return chunks, decision

    def _asked(self, decision: Decision, ask: Callable[[Decision], Any], attempts: Attempts) -> Any:
        seconds, option = self._limit
        value = within(seconds, lambda: ask(decision), forget, self.breakers["small"].left, option)
        attempts.hear(value, self._answers)
        self._check_whole(value, decision)
        return value

    async def _aasked(self, decision: Decision, ask: Callable[[Decision], Awaitable[Any]], attempts: Attempts) -> Any:
        seconds, option = self._limit
        async with awithin(seconds, option):
            value = await ask(decision)
        attempts.hear(value, self._answers)
        self._check_whole(value, decision)
        return value

    def _streamed(self, decision: Decision, ask: Callable[[Decision], Iterator[Any]], attempts: Attempts) -> list[Any]:
        start, left = time.monotonic(), self.breakers["small"].left
        seconds, option = self._first_limit

        def first() -> tuple[list[Any], Iterator[Any]]:
            return opened(ask(decision) if seconds is None else OneContext(ask(decision)), self._answers.shows)

        head, chunks = within(seconds, first, close, left, option)

        def rest() -> list[Any]:
            try:
                return list(chunks)
            finally:  # here: where it is given up on, another thread goes on with it
                close((head, chunks))

        try:
            ended = self._check_head(head, decision, attempts)
        except BaseException:
            close((head, chunks))
            raise
        more = within(_after(start, self.look_timeout), rest, forget, left, "look_timeout")
        self._check_rest(more, ended, decision, attempts)
        return [*head, *more]

    async def _astreamed(
        self, decision: Decision, ask: Callable[[Decision], AsyncIterator[Any]], attempts: Attempts
    ) -> list[Any]:
        start, chunks = time.monotonic(), ask(decision)
        seconds, option = self._first_limit
        try:
            async with awithin(seconds, option):
                head = await aopened(chunks, self._answers.shows)
            ended = self._check_head(head, decision, attempts)
            async with awithin(_after(start, self.look_timeout), "look_timeout"):
                rest = [chunk async for chunk in chunks]
        finally:
            await aclose(chunks)
        self._check_rest(rest, ended, decision, attempts)
        return [*head, *rest]

    def _check_rest(self, rest: list[Any], ended: bool, decision: Decision, attempts: Attempts) -> None:
        said = [self._ended(chunk, decision, attempts) for chunk in rest]
        self._check_end(ended or any(said), decision)

    @property
    def _limit(self) -> tuple[float | None, str]:
        """Seconds of an answer in one piece, and whose they are."""
        if self.look_timeout is not None:
            return self.look_timeout, "look_timeout"
        return self._timeout["small"], "small_timeout"

    @property
    def _first_limit(self) -> tuple[float | None, str]:
        """Seconds until the first token, and whose they are."""
        first, whole = self._timeout["small"], self.look_timeout
        if whole is not None and (first is None or whole < first):
            return whole, "look_timeout"
        return first, "small_timeout"


def _after(start: float, seconds: float | None) -> float | None:
    """Return what is left of some seconds; a moment, where nothing is."""
    return None if seconds is None else max(seconds - (time.monotonic() - start), 0.001)
