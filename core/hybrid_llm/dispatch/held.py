"""An answer that is held back: small answers, it is checked and looked at, then it is shown or large answers.

The four ways of a call differ in how they wait alone. Nothing of an answer that is not kept leaves this module.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch.answers import Answers
from hybrid_llm.dispatch.attempts import Attempts
from hybrid_llm.dispatch.beside import Ask, InTasks, InThreads, Reads
from hybrid_llm.dispatch.holding import Holding
from hybrid_llm.dispatch.looking import Looking
from hybrid_llm.dispatch.outage import is_outage
from hybrid_llm.dispatch.place import Local
from hybrid_llm.dispatch.policy import Policy
from hybrid_llm.dispatch.request import Capabilities
from hybrid_llm.dispatch.state import Decided, PairState
from hybrid_llm.errors import LookError, PrivateError
from hybrid_llm.look import Answer

Checkers = Ask | Mapping[str, Ask] | None
"""What asks the only checker, or by name what asks each."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a request is asked.

    Args:
        read: Makes an answer of what the arms return.
        checker: Asks the checkers.
        streams: Whether the arms are streamed.
        tasks: Whether they are asked in an event loop.
    """

    read: Reads | None = None
    checker: Checkers = None
    streams: bool = False
    tasks: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Answers requests whose decision is held.

    Args:
        looking: Looks at answers.
        failover: Calls the arms.
        policy: Knows what the arms can serve.
        state: What is known of outages.
        answers: Reads what the arms answer.
        checker: What is known of the checker.
        local: Whether it is local, as private requests need it.
    """

    looking: Looking
    failover: Holding
    policy: Policy
    state: PairState
    answers: Answers
    checker: Capabilities
    local: Local

    def call(
        self, decided: Decided, ask: Ask, attempts: Attempts, read: Reads | None, checker: Checkers
    ) -> tuple[Any, Decision]:
        """Return small's answer, or that of large."""
        one = _One(self, decided, attempts, read)
        chunks, came = self._looked_at(one, ask, checker, streams=False)
        if came.route == "small":
            return chunks[0], came
        try:
            return self.failover.call(came, ask, attempts, admitted=True)
        except Exception as error:
            shown = one.instead(came, error)
            if shown is None:
                raise
            return chunks[0], shown

    def stream(
        self, decided: Decided, ask: Ask, attempts: Attempts, read: Reads | None, checker: Checkers
    ) -> Generator[tuple[Any, Decision], None, None]:
        """Yield the chunks of small's answer, or those of large as they come."""
        one, begun = _One(self, decided, attempts, read), False
        chunks, came = self._looked_at(one, ask, checker, streams=not self.answers.held_whole)
        if came.route == "large":
            try:
                for item in self.failover.stream(came, ask, attempts, admitted=True):
                    begun = True
                    yield item
                return
            except Exception as error:
                shown = None if begun else one.instead(came, error)
                if shown is None:
                    raise
                came = shown
        for chunk in one.replayed(chunks):
            yield chunk, came

    async def acall(
        self,
        decided: Decided,
        ask: Callable[[Decision], Awaitable[Any]],
        attempts: Attempts,
        read: Reads | None,
        checker: Checkers,
    ) -> tuple[Any, Decision]:
        """Do what :meth:`call` does without blocking the event loop."""
        one = _One(self, decided, attempts, read)
        chunks, came = await self._alooked_at(one, ask, checker, streams=False)
        if came.route == "small":
            return chunks[0], came
        try:
            return await self.failover.acall(came, ask, attempts, admitted=True)
        except Exception as error:
            shown = one.instead(came, error)
            if shown is None:
                raise
            return chunks[0], shown

    async def astream(
        self, decided: Decided, ask: Ask, attempts: Attempts, read: Reads | None, checker: Checkers
    ) -> AsyncGenerator[tuple[Any, Decision], None]:
        """Do what :meth:`stream` does without blocking the event loop."""
        one, begun = _One(self, decided, attempts, read), False
        chunks, came = await self._alooked_at(one, ask, checker, streams=not self.answers.held_whole)
        if came.route == "large":
            try:
                async with aclosing(self.failover.astream(came, ask, attempts, admitted=True)) as items:
                    async for item in items:
                        begun = True
                        yield item
                return
            except Exception as error:
                shown = None if begun else one.instead(came, error)
                if shown is None:
                    raise
                came = shown
        for chunk in one.replayed(chunks):
            yield chunk, came

    def look(self, decided: Decided, ask: Ask, attempts: Attempts, way: Way) -> Decision:
        """Return the decision that comes true for small's answer, which is shown to nobody."""
        one, streams = _One(self, decided, attempts, way.read), way.streams and not self.answers.held_whole
        return self._looked_at(one, ask, way.checker, streams=streams)[1]

    async def alook(self, decided: Decided, ask: Ask, attempts: Attempts, way: Way) -> Decision:
        """Do what :meth:`look` does without blocking the event loop."""
        one, streams = _One(self, decided, attempts, way.read), way.streams and not self.answers.held_whole
        return (await self._alooked_at(one, ask, way.checker, streams=streams))[1]

    def _looked_at(self, one: _One, ask: Ask, checker: Checkers, *, streams: bool) -> tuple[list[Any], Decision]:
        """Return small's answer and the decision that comes true for it."""
        beside = InThreads(self._asks(one.decided, checker), one.decided.decision, one.attempts, **one.how)
        if not self._waits_its_turn:
            beside.start()
        try:
            chunks, came = self.failover.hold(one.decided.decision, ask, one.attempts, streams=streams)
            one.answered(chunks, came)
            final = one.at_once(chunks, came)
            if final is None:
                beside.start()
                final = one.judged(beside.answers(one.seconds_left))
            return chunks, one.come(final)
        finally:
            beside.cancel()

    async def _alooked_at(self, one: _One, ask: Ask, checker: Checkers, *, streams: bool) -> tuple[list[Any], Decision]:
        private = one.decided.decision.private  # whose checker's server may be asked whether it is local
        asks = (
            await asyncio.to_thread(self._asks, one.decided, checker) if private else self._asks(one.decided, checker)
        )
        beside = InTasks(asks, one.decided.decision, one.attempts, **one.how)
        if not self._waits_its_turn:
            beside.start()
        try:
            chunks, came = await self.failover.ahold(one.decided.decision, ask, one.attempts, streams=streams)
            one.answered(chunks, came)
            final = one.at_once(chunks, came)
            if final is None:
                beside.start()
                final = one.judged(await beside.answers(one.seconds_left))
            return chunks, one.come(final)
        finally:
            await beside.cancel()

    @property
    def _waits_its_turn(self) -> bool:
        """Whether the checker is asked after small: one server has one of its models at work at a time."""
        small, checker = self.policy.capabilities("small").place, self.checker.place
        return small is not None and checker is not None and bool(checker.url) and checker.url == small.url

    @property
    def _is_at_home(self) -> bool:
        """Whether the checker is known to be local; one that is not hears of no private request."""
        try:
            self.local.check(self.checker.place, self.checker.model)
        except Exception as error:
            if not (isinstance(error, PrivateError) or is_outage(error)):
                raise
            self.state.warn_once(
                "remote checker",
                "Private requests are looked at without the checker, which is not known to run on this machine. Where "
                "its host is yours, name it: local_hosts=[...].",
            )
            return False
        return True

    def _asks(self, decided: Decided, checker: Checkers) -> Mapping[str, Ask]:
        """Return by name what asks each checker that the look compares with."""
        look = self.looking.look
        if look is None or checker is None or not self.looking.needs_checkers(decided.decision):
            return {}
        if decided.decision.private and not self._is_at_home:
            return {}
        if callable(checker):
            if len(look.checkers) != 1:
                raise LookError(
                    f"This look compares with {', '.join(look.checkers)}: pass checker={{name: what asks it}}."
                )
            return {look.checkers[0]: checker}
        return {name: checker[name] for name in look.checkers if name in checker}


class _One:
    """One request on its way."""

    def __init__(self, held: Held, decided: Decided, attempts: Attempts, read: Reads | None) -> None:
        self.held, self.decided, self.attempts = held, decided, attempts
        self.read = read or held.answers.read
        self.how: dict[str, Any] = {
            "breaker": held.state.checkers,
            "arm": held.checker,
            "answers": held.answers,
            "read": self.read,
        }
        self._began = time.monotonic()
        self._answer: Answer | None = None
        self._whole: Any = []
        self._place = -1

    @property
    def seconds_left(self) -> float | None:
        """Seconds that checkers still have, once small has answered: small's own, where the look has no time."""
        whole = self.held.failover.look_timeout
        if whole is None:
            return self.held.failover.small_timeout
        return max(whole - (time.monotonic() - self._began), 0.0)

    def answered(self, chunks: list[Any], came: Decision) -> None:
        """Note what small gave, if it is not down; a stream without chunks is an answer with nothing in it."""
        if came.route == "small":
            self._place = len(self.attempts.made) - 1
            self._whole = self.held.answers.joined(chunks) if chunks else []
            self._answer = self.read(self._whole) if chunks else Answer("")

    def replayed(self, chunks: list[Any]) -> list[Any]:
        """Return what is shown of a stream that was held back: one chunk, where its chunks make one."""
        return chunks if isinstance(self._whole, list) else [self._whole]

    def at_once(self, chunks: list[Any], came: Decision) -> Decision | None:
        """Return the decision where no checker is waited for: small is down, or its answer cannot be used."""
        if self._answer is None:
            return came
        look = self.held.looking.cannot_be_used(self.decided.request, self._answer)
        if look is not None:
            return self.held.looking.refused(self.decided.request, came, look)
        return None if self.held.looking.needs_checkers(came, self._answer) else self.judged({})

    def judged(self, checkers: Mapping[str, Answer | None]) -> Decision:
        """Return the decision that the look comes to."""
        assert self._answer is not None
        small = self.held.policy.capabilities("small")
        return self.held.looking.judged(self.decided.request, self.decided.decision, self._answer, checkers, small)

    def come(self, decision: Decision) -> Decision:
        """Note what the look came to."""
        if self._place >= 0:
            self.attempts.show(self._place, kept=decision.route == "small")
            self.attempts.decision = decision
        return decision

    def instead(self, came: Decision, error: Exception) -> Decision | None:
        """Return the decision that shows small's answer after all when large is down; ``None`` where it must not."""
        usable = self._place >= 0 and came.look is not None and came.look.rejected is None
        if not (usable and self.held.failover.to_small and is_outage(error)):
            return None
        self.held.failover.announce("large", error)
        self.attempts.show(self._place, kept=True)
        self.attempts.decision = came.override(route="small", reason="fallback", certified=False)
        return self.attempts.decision
