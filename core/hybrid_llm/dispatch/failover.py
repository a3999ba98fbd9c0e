"""What happens when an arm breaks: the other one answers, before the first token or not at all.

An outage (no connection, a timeout, a 5xx, a model that is not there, an answer with nothing to show) is answered by
the other arm. Everything else (a 400, a refused key, a cancelled call, a bug) is raised: going on would hide it. After
the first token every error is raised, so that two half answers are never glued together; a stream that ends without
the chunk that says why is such an error. The user is told once when an outage begins, by a warning
and a line in the log ``hybrid_llm``, and by another line when it ends.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, suppress
from typing import Any, Final, TypeVar

from hybrid_llm.decision import Decision, Reason, Route
from hybrid_llm.dispatch.answers import Answers
from hybrid_llm.dispatch.attempts import Attempts
from hybrid_llm.dispatch.breaker import Breaker
from hybrid_llm.dispatch.first_token import OneContext, aclose, aopened, awithin, close, forget, opened, within
from hybrid_llm.dispatch.outage import is_outage, reason_of, status_of, timed_out
from hybrid_llm.dispatch.request import Capabilities, Wakes
from hybrid_llm.errors import ConfigError, HybridLLMWarning

T = TypeVar("T")

logger = logging.getLogger("hybrid_llm")

_FINAL: Final[frozenset[Reason]] = frozenset(
    {
        *("private", "forced", "context", "modality", "tools", "structured_output"),
        *("fallback", "cooldown", "escalated", "rejected"),
    }
)
"""Decisions that stay on their arm: private, the caller's own word, what the other arm cannot serve, a second try."""


class Failover:
    """Calls the arm of a decision, and the other one when that is down; one breaker per arm.

    Each verb takes a decision and a function that calls the arm of the decision it is given, and hands back the
    decision that came true: ``reason="fallback"`` when the other arm answered, ``"cooldown"`` when the chosen one was
    not even tried. A forced route, and one that the other arm cannot serve, stay where they are.

    Args:
        to_large: Whether large answers when small is down.
        to_small: Whether small answers when large is down.
        small_timeout: Seconds that small has until its first token (its whole answer, when it is not streamed);
            ``None`` waits as long as the arm itself does. A call that is given up on has its connection closed; where
            that cannot be done it is left behind in its thread, and 8 of them are the most.
        small: Breaker of the small arm; by default 3 failures, 30 s.
        large: Breaker of the large arm, asked only with ``to_small``.
        serves: Returns what is known of an arm: what to call it when it is down, and what its answers hold.
        answers: Reads the answers of the arms.

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
        serves: Callable[[Route], Capabilities] = lambda _: Capabilities(),
        answers: Answers | None = None,
    ) -> None:
        if small_timeout is not None and not small_timeout > 0:
            raise ConfigError(f"small_timeout={small_timeout} must be a number of seconds > 0, or None.")
        self._leaves: dict[Route, bool] = {"small": to_large, "large": to_small}
        self._timeout: dict[Route, float | None] = {"small": small_timeout, "large": None}
        self.breakers: dict[Route, Breaker] = {"small": small or Breaker(), "large": large or Breaker()}
        self._serves = serves
        self._answers = answers or Answers()
        self._closing: set[Route] = set()  # arms whose streams were seen to end with a word on why

    def admitted(self, decision: Decision) -> Decision:
        """Return the decision, or the one for the other arm when the chosen one is in its cooldown.

        A call follows at once: after a cooldown this one is the probe.
        """
        if not self._may_leave(decision) or self.breakers[decision.route].admit():
            return decision
        return _instead(decision, "cooldown")

    def call(
        self,
        decision: Decision,
        answer: Callable[[Decision], T],
        attempts: Attempts | None = None,
        *,
        admitted: bool = False,
    ) -> tuple[T, Decision]:
        """Return the answer, and the decision that came true.

        Args:
            decision: Where the call is to go.
            answer: Calls the arm of the decision it is given; called a second time with the other arm.
            attempts: Where each call of an arm is noted.
            admitted: Whether the decision comes from :meth:`admitted`.
        """
        decision, attempts = self._begun(decision, attempts, admitted)
        try:
            value = self._within(decision, lambda: answer(decision), forget)
            attempts.hear(value, self._answers)
            self._check_whole(value, decision)
        except BaseException as error:
            second = self._after(decision, error, attempts)
            if second is None:
                raise
            return self.call(second, answer, attempts, admitted=True)
        self._succeed(decision, attempts)
        return value, decision

    async def acall(
        self,
        decision: Decision,
        answer: Callable[[Decision], Awaitable[T]],
        attempts: Attempts | None = None,
        *,
        admitted: bool = False,
    ) -> tuple[T, Decision]:
        """Do what :meth:`call` does; a call that is given up on is cancelled."""
        decision, attempts = self._begun(decision, attempts, admitted)
        try:
            async with awithin(self._timeout[decision.route]):
                value = await answer(decision)
            attempts.hear(value, self._answers)
            self._check_whole(value, decision)
        except BaseException as error:
            second = self._after(decision, error, attempts)
            if second is None:
                raise
            return await self.acall(second, answer, attempts, admitted=True)
        self._succeed(decision, attempts)
        return value, decision

    def stream(
        self,
        decision: Decision,
        answer: Callable[[Decision], Iterator[T]],
        attempts: Attempts | None = None,
        *,
        admitted: bool = False,
    ) -> Generator[tuple[T, Decision], None, None]:
        """Yield each chunk as it comes, with the decision that came true.

        Args:
            decision: Where the call is to go.
            answer: Opens the stream of the arm of the decision it is given.
            attempts: Where each call of an arm is noted.
            admitted: Whether the decision comes from :meth:`admitted`.
        """
        decision, attempts = self._begun(decision, attempts, admitted)
        seconds = self._timeout[decision.route]

        def first() -> tuple[list[T], Iterator[T]]:
            chunks = answer(decision) if seconds is None else OneContext(answer(decision))
            return opened(chunks, self._answers.shows)

        try:
            head, chunks = self._within(decision, first, close)
            ended = self._check_head(head, decision, attempts)
        except BaseException as error:
            second = self._after(decision, error, attempts)
            if second is None:
                raise
            yield from self.stream(second, answer, attempts, admitted=True)
            return
        try:
            for chunk in head:
                yield chunk, decision
            for chunk in chunks:
                ended = self._ended(chunk, decision, attempts) or ended
                yield chunk, decision
            self._check_end(ended, decision)
        except GeneratorExit:  # the reader has enough
            self._succeed(decision, attempts)
            raise
        except BaseException as error:
            self._note(decision, error, attempts)
            raise
        else:
            self._succeed(decision, attempts)
        finally:
            close((head, chunks))

    async def astream(
        self,
        decision: Decision,
        answer: Callable[[Decision], AsyncIterator[T]],
        attempts: Attempts | None = None,
        *,
        admitted: bool = False,
    ) -> AsyncGenerator[tuple[T, Decision], None]:
        """Do what :meth:`stream` does."""
        decision, attempts = self._begun(decision, attempts, admitted)
        chunks: AsyncIterator[T] | None = None
        try:
            async with awithin(self._timeout[decision.route]):
                chunks = answer(decision)
                head = await aopened(chunks, self._answers.shows)
            ended = self._check_head(head, decision, attempts)
        except BaseException as error:
            await aclose(chunks)
            second = self._after(decision, error, attempts)
            if second is None:
                raise
            async with aclosing(self.astream(second, answer, attempts, admitted=True)) as items:
                async for item in items:
                    yield item
            return
        try:
            for chunk in head:
                yield chunk, decision
            async for chunk in chunks:
                ended = self._ended(chunk, decision, attempts) or ended
                yield chunk, decision
            self._check_end(ended, decision)
        except GeneratorExit:
            self._succeed(decision, attempts)
            raise
        except BaseException as error:
            self._note(decision, error, attempts)
            raise
        else:
            self._succeed(decision, attempts)
        finally:
            await aclose(chunks)

    def _within(self, decision: Decision, work: Callable[[], T], abandon: Callable[[T], None]) -> T:
        return within(self._timeout[decision.route], work, abandon, self.breakers[decision.route].left)

    def _begun(self, decision: Decision, attempts: Attempts | None, admitted: bool) -> tuple[Decision, Attempts]:
        """Return the decision to follow, and where the call of its arm has been noted."""
        decision, attempts = decision if admitted else self.admitted(decision), attempts or Attempts()
        attempts.begin(decision, self._serves(decision.route))
        return decision, attempts

    def _check_whole(self, value: object, decision: Decision) -> None:
        """Refuse an answer that was given in one piece, and holds nothing or only a part."""
        if not self._answers.shows(value):
            self._check_nothing(value, decision)
        elif self._answers.ended(value) is None and self._serves(decision.route).closes:
            raise self._answers.cut()

    def _check_head(self, head: list[Any], decision: Decision, attempts: Attempts) -> bool:
        """Refuse a stream that showed nothing; return whether it is known to be at its end."""
        ended = [self._ended(chunk, decision, attempts) for chunk in head]
        if head and self._answers.shows(head[-1]):
            return any(ended)
        self._check_nothing(head[-1] if head else None, decision)
        return True

    def _check_nothing(self, last: object, decision: Decision) -> None:
        # what large gives is passed on, and so is what nobody else may answer
        if decision.route == "small" and self._may_leave(decision) and self._serves("small").speaks:
            raise self._answers.nothing(last)

    def _check_end(self, ended: bool, decision: Decision) -> None:
        """Refuse a stream that is over and did not say why, where the arm always says so."""
        if not ended and (decision.route in self._closing or self._serves(decision.route).closes):
            raise self._answers.cut()

    def _ended(self, chunk: object, decision: Decision, attempts: Attempts) -> bool:
        """Return whether a chunk is at the end of its stream; a model that says why is one that always does."""
        attempts.hear(chunk, self._answers)
        why = self._answers.ended(chunk)
        if why and self._serves(decision.route).is_one_model:
            self._closing.add(decision.route)
        return why is not None

    def _name(self, route: Route) -> str:
        return self._serves(route).model or route

    def _may_leave(self, decision: Decision) -> bool:
        return self._leaves[decision.route] and decision.reason not in _FINAL

    def _after(self, decision: Decision, error: BaseException, attempts: Attempts) -> Decision | None:
        """Note a failure before the first token; return the decision to go on with, ``None`` to raise the error."""
        wake = self._serves(decision.route).wake if timed_out(error) else None
        self._note(decision, error, attempts, wake)
        if not is_outage(error) or not self._may_leave(decision):
            return None
        self.announce(decision.route, error)
        return _instead(decision, "fallback")

    def announce(self, route: Route, error: BaseException) -> None:
        """Tell the user that an arm is down and the other one answers, once in each outage."""
        if self.breakers[route].announce():
            message = f"{route} is down: {reason_of(error, self._name(route))}. {_other(route)} answers instead."
            logger.warning(message)
            from hybrid_llm.router import warn_user  # with numpy, which importing an adapter need not wait for

            with suppress(HybridLLMWarning):  # where warnings are errors, the log has it, and the request goes on
                warn_user(message)

    def _note(self, decision: Decision, error: BaseException, attempts: Attempts, wake: Wakes | None = None) -> None:
        attempts.end(error)
        breaker = self.breakers[decision.route]
        if wake is not None:  # it may only be loading its model: whether it failed is found out while large answers
            breaker.release()
            wake(breaker.fail)
        elif is_outage(error):
            breaker.fail()
        elif isinstance(error, Exception) and status_of(error) is not None:
            self._found_alive(decision.route)  # it refused the request, so it is there
        else:
            breaker.release()

    def _succeed(self, decision: Decision, attempts: Attempts) -> None:
        attempts.end()
        self._found_alive(decision.route)

    def _found_alive(self, route: Route) -> None:
        if self.breakers[route].succeed():
            logger.warning("%s is back: model %r answers again.", route, self._name(route))


def _instead(decision: Decision, reason: Reason) -> Decision:
    """Return the decision for the other arm; of small in large's place nothing is promised."""
    other = _other(decision.route)
    certified = decision.certified and other == "large"
    return decision.override(route=other, reason=reason, look=None, certified=certified)


def _other(route: Route) -> Route:
    return "large" if route == "small" else "small"
