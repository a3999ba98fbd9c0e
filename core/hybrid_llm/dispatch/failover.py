"""What happens when an arm breaks: the other one answers, before the first token or not at all.

An outage (no connection, a timeout, a 5xx, a model that is not there) is answered by the other arm. Everything else
(a 400, a refused key, a cancelled call, a bug) is raised: going on would hide it. After the first token every error
is raised, so that two half answers are never glued together.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final, TypeVar

from hybrid_llm.decision import Decision, Reason, Route
from hybrid_llm.dispatch.breaker import Breaker
from hybrid_llm.dispatch.outage import is_outage, status_of
from hybrid_llm.errors import ConfigError

T = TypeVar("T")

_FINAL: Final[frozenset[Reason]] = frozenset(
    {"forced", "context", "modality", "tools", "structured_output", "fallback", "cooldown"}
)
"""Decisions that stay on their arm: the caller's own word, what the other arm cannot serve, and a second try."""


class Failover:
    """Calls the arm of a decision, and the other one when that is down; one breaker per arm.

    Each verb takes a decision and a function that calls the arm of the decision it is given, and hands back the
    decision that came true: ``reason="fallback"`` when the other arm answered, ``"cooldown"`` when the chosen one was
    not even tried. A forced route, and one that the other arm cannot serve, stay where they are.

    Args:
        to_large: Whether large answers when small is down.
        to_small: Whether small answers when large is down.
        small_timeout: Seconds that small has until its first token (its whole answer, when it is not streamed);
            ``None`` waits as long as the arm itself does. A call that is given up on is left behind in its thread.
        small: Breaker of the small arm; by default 3 failures, 30 s.
        large: Breaker of the large arm, asked only with ``to_small``.

    Raises:
        ConfigError: ``small_timeout`` is not positive.

    Example:
        >>> def answer(decision):
        ...     if decision.route == "small":
        ...         raise ConnectionError("Ollama is down")
        ...     return "4"
        >>> text, decision = Failover().call(Decision("small", 0.9, 0.5), answer)
        >>> text, decision.route, decision.reason
        ('4', 'large', 'fallback')
    """

    def __init__(
        self,
        *,
        to_large: bool = True,
        to_small: bool = False,
        small_timeout: float | None = None,
        small: Breaker | None = None,
        large: Breaker | None = None,
    ) -> None:
        if small_timeout is not None and not small_timeout > 0:
            raise ConfigError(f"small_timeout={small_timeout} must be a number of seconds > 0, or None.")
        self._leaves: dict[Route, bool] = {"small": to_large, "large": to_small}
        self._timeout: dict[Route, float | None] = {"small": small_timeout, "large": None}
        self.breakers: dict[Route, Breaker] = {"small": small or Breaker(), "large": large or Breaker()}

    def call(self, decision: Decision, answer: Callable[[Decision], T]) -> tuple[T, Decision]:
        """Return the answer, and the decision that came true.

        Args:
            decision: Where the call is to go.
            answer: Calls the arm of the decision it is given; called a second time with the other arm.
        """
        decision = self._admitted(decision)
        try:
            value = _within(self._timeout[decision.route], lambda: answer(decision), _forget)
        except BaseException as error:
            second = self._after(decision, error)
            if second is None:
                raise
            return self.call(second, answer)
        self.breakers[decision.route].succeed()
        return value, decision

    async def acall(self, decision: Decision, answer: Callable[[Decision], Awaitable[T]]) -> tuple[T, Decision]:
        """Do what :meth:`call` does; a call that is given up on is cancelled."""
        decision = self._admitted(decision)
        try:
            async with _awithin(self._timeout[decision.route]):
                value = await answer(decision)
        except BaseException as error:
            second = self._after(decision, error)
            if second is None:
                raise
            return await self.acall(second, answer)
        self.breakers[decision.route].succeed()
        return value, decision

    def stream(
        self,
        decision: Decision,
        answer: Callable[[Decision], Iterator[T]],
        shows: Callable[[T], bool] = lambda chunk: True,
    ) -> Generator[tuple[T, Decision], None, None]:
        """Yield each chunk as it comes, with the decision that came true.

        Args:
            decision: Where the call is to go.
            answer: Opens the stream of the arm of the decision it is given.
            shows: Whether a chunk shows the user anything; chunks before the first that does are held back, so that
                the other arm can still answer.
        """
        decision = self._admitted(decision)
        breaker, seconds = self.breakers[decision.route], self._timeout[decision.route]

        def opened() -> tuple[list[T], Iterator[T]]:
            return _opened(answer(decision) if seconds is None else _OneContext(answer(decision)), shows)

        try:
            head, chunks = _within(seconds, opened, _close)
        except BaseException as error:
            second = self._after(decision, error)
            if second is None:
                raise
            yield from self.stream(second, answer, shows)
            return
        try:
            for chunk in head:
                yield chunk, decision
            for chunk in chunks:
                yield chunk, decision
        except GeneratorExit:  # the reader has enough
            breaker.succeed()
            raise
        except BaseException as error:
            self._note(decision, error)
            raise
        else:
            breaker.succeed()
        finally:
            _close((head, chunks))

    async def astream(
        self,
        decision: Decision,
        answer: Callable[[Decision], AsyncIterator[T]],
        shows: Callable[[T], bool] = lambda chunk: True,
    ) -> AsyncGenerator[tuple[T, Decision], None]:
        """Do what :meth:`stream` does."""
        decision = self._admitted(decision)
        breaker = self.breakers[decision.route]
        chunks: AsyncIterator[T] | None = None
        try:
            async with _awithin(self._timeout[decision.route]):
                chunks = answer(decision)
                head = await _aopened(chunks, shows)
        except BaseException as error:
            await _aclose(chunks)
            second = self._after(decision, error)
            if second is None:
                raise
            async with aclosing(self.astream(second, answer, shows)) as items:
                async for item in items:
                    yield item
            return
        try:
            for chunk in head:
                yield chunk, decision
            async for chunk in chunks:
                yield chunk, decision
        except GeneratorExit:
            breaker.succeed()
            raise
        except BaseException as error:
            self._note(decision, error)
            raise
        else:
            breaker.succeed()
        finally:
            await _aclose(chunks)

    def _may_leave(self, decision: Decision) -> bool:
        return self._leaves[decision.route] and decision.reason not in _FINAL

    def _admitted(self, decision: Decision) -> Decision:
        """Return the decision, or the one for the other arm when the chosen one is in its cooldown."""
        if not self._may_leave(decision) or self.breakers[decision.route].admit():
            return decision
        return decision.override(route=_other(decision.route), reason="cooldown")

    def _after(self, decision: Decision, error: BaseException) -> Decision | None:
        """Note a failure before the first token; return the decision to go on with, ``None`` to raise the error."""
        self._note(decision, error)
        if not is_outage(error) or not self._may_leave(decision):
            return None
        return decision.override(route=_other(decision.route), reason="fallback")

    def _note(self, decision: Decision, error: BaseException) -> None:
        breaker = self.breakers[decision.route]
        if is_outage(error):
            breaker.fail()
        elif isinstance(error, Exception) and status_of(error) is not None:
            breaker.succeed()  # it refused the request, so it is there
        else:
            breaker.release()


def _other(route: Route) -> Route:
    return "large" if route == "small" else "small"


def _within(seconds: float | None, work: Callable[[], T], abandon: Callable[[T], None]) -> T:
    """Return what the work returns; past the time raise TimeoutError, and ``abandon`` a result that comes later."""
    if seconds is None:
        return work()
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
    threading.Thread(target=context.run, args=(run,), daemon=True, name="hybrid-llm-small").start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if not outcome.cancel():  # it came in this very moment, or the work itself raised a TimeoutError
            return outcome.result()
        raise _no_answer(seconds) from None


@asynccontextmanager
async def _awithin(seconds: float | None) -> AsyncIterator[None]:
    """Cancel what runs inside past the time, and raise TimeoutError."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise _no_answer(seconds) from None
        raise


def _no_answer(seconds: float | None) -> TimeoutError:
    return TimeoutError(f"The small arm gave no answer within small_timeout={seconds} s.")


class _OneContext(Iterator[T]):
    """A stream that stays in one context when another thread goes on with it: what it set there, it may reset."""

    def __init__(self, chunks: Iterator[T]) -> None:
        self._chunks, self._context = iter(chunks), contextvars.copy_context()

    def __next__(self) -> T:
        return self._context.run(next, self._chunks)

    def close(self) -> None:
        self._context.run(_close, ([], self._chunks))


def _opened(chunks: Iterator[T], shows: Callable[[T], bool]) -> tuple[list[T], Iterator[T]]:
    """Read up to and including the first chunk that shows something; return these chunks and the rest."""
    chunks, head = iter(chunks), []
    try:
        for chunk in chunks:
            head.append(chunk)
            if shows(chunk):
                break
    except BaseException:
        _close((head, chunks))
        raise
    return head, chunks


async def _aopened(chunks: AsyncIterator[T], shows: Callable[[T], bool]) -> list[T]:
    head = []
    async for chunk in chunks:
        head.append(chunk)
        if shows(chunk):
            break
    return head


def _forget(_: object) -> None:
    """Do nothing with an answer that came too late."""


def _close(opened: tuple[list[Any], Iterator[Any]]) -> None:
    close = getattr(opened[1], "close", None)
    if close:
        close()


async def _aclose(chunks: AsyncIterator[Any] | None) -> None:
    close = getattr(chunks, "aclose", None)
    if close:
        await close()
