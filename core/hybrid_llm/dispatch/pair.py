"""Decide, then call: the one verb that every adapter uses, sync and async, whole and streamed, one and many.

An adapter reads its framework's request into a :class:`~hybrid_llm.dispatch.request.Request`, brings a function that
calls an arm, and hands both to a :class:`Pair`. What is decided, which arm is called, what happens when it breaks and
who is told of it is written here and below, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch.answers import Answers
from hybrid_llm.dispatch.attempts import Attempts
from hybrid_llm.dispatch.beside import Reads
from hybrid_llm.dispatch.checks import Check, checked_checks
from hybrid_llm.dispatch.deciding import Deciding
from hybrid_llm.dispatch.held import Checkers, Held, Way
from hybrid_llm.dispatch.holding import Holding
from hybrid_llm.dispatch.looking import Looking, check_checker
from hybrid_llm.dispatch.many import aanswer_many, answer_many, in_place
from hybrid_llm.dispatch.options import PairOptions
from hybrid_llm.dispatch.place import Local
from hybrid_llm.dispatch.policy import Policy, Serves
from hybrid_llm.dispatch.request import Capabilities, Request
from hybrid_llm.dispatch.state import Decided, PairState
from hybrid_llm.dispatch.telling import Telling

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_llm.level import Level
    from hybrid_llm.look import SecondLook
    from hybrid_llm.router import Router, Scorer

T = TypeVar("T")
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Pair:
    """A small and a large arm behind one router.

    Every verb takes a request and a function ``ask`` that calls the arm of the decision it is given, and hands back
    the answer with the decision that came true (``reason="fallback"`` when the other arm had to answer).

    Args:
        router: A ``hybrid_llm.Router``, the path of a router folder, or an object with ``score(queries)`` and ``id``.
        small: What the small arm can serve, or a function that returns it.
        large: The same of the large arm.
        checker: What is known of the model that small's answers are compared with.
        checks: Functions of the query and small's answer, as ``check=`` takes one.
        answers: Reads what the arms answer; by default any text that is not all white space shows something.
        state: That of the pair this one is a copy of.
        **options: See :class:`~hybrid_llm.dispatch.options.PairOptions`.

    Raises:
        TypeError: ``router`` is nothing that scores, or there is no such option.
        LevelError: Two levels, one out of range, or one that this router has no thresholds for.
        ConfigError: An option is out of its range.
        LookError: The router has no such second look, or the checker is the small model itself.

    Example:
        >>> from hybrid_llm.testing import FixedScorer
        >>> pair = Pair(FixedScorer({"2+2?": 0.9}, default=0.1), threshold=0.5)
        >>> answer, decision = pair.call(Request("2+2?"), lambda decision: f"from {decision.route}")
        >>> answer, decision.reason
        ('from small', 'score')
    """

    def __init__(
        self,
        router: Router | Scorer | str | Path,
        *,
        small: Serves | None = None,
        large: Serves | None = None,
        checker: Capabilities | None = None,
        checks: Sequence[Check] = (),
        answers: Answers | None = None,
        state: PairState | None = None,
        **options: Any,
    ) -> None:
        from hybrid_llm.router import Router  # with numpy, which importing an adapter need not wait for

        self.options = PairOptions(**options)
        self.state = state or PairState()
        made, level, check = Router.of(router), self.options.level, self.options.check
        checks = checked_checks([*checks, *([check] if check else [])])
        form, answers, checker = self.options.second_look, answers or Answers(), checker or Capabilities()
        looking = Looking(made, None if form is False else made.look(form), checks, self.state, level)
        self._policy = Policy(
            made,
            level=level,
            small=small,
            large=large,
            allowed=self.options.range,
            looking=looking,
            rules=self.options.rules,  # type: ignore[arg-type]  # checked, and read
            stays=self.options.stay is not None,
        )
        looking.asked = lambda: (self._policy.capabilities("small"), checker)
        if checker.model:
            check_checker(self._policy.capabilities("small"), checker, looking.look, self.state, self.options.at_home)
        self._deciding = Deciding(self._policy, self.options, self.state)
        self._failover = Holding(
            to_large=self.options.fallback_to_large,
            to_small=self.options.fallback_to_small,
            small_timeout=self.options.small_timeout,
            look_timeout=self.options.look_timeout,
            serves=self._policy.capabilities,
            answers=answers,
            **self.state.breakers,
        )
        local = Local(self.options.local_hosts)
        self._held = Held(looking, self._failover, self._policy, self.state, answers, checker, local)
        self._telling = Telling(self.options, self._held)

    @property
    def router(self) -> Router:
        """What scores."""
        return self._policy.router

    @property
    def force(self) -> Route | None:
        """The switch: where everything goes from now on, in all copies of this pair; ``None`` leaves it to the router.

        Raises:
            LevelError: When it is set to something else than ``"small"``, ``"large"`` or ``None``.
        """
        return self.state.force

    @force.setter
    def force(self, route: Route | None) -> None:
        if route is not None:
            Decision(route)  # checks the word
        self.state.force = route

    @property
    def holds(self) -> bool:
        """Whether small's answers may be held back, so that a request has to say what is wanted of one, and how."""
        return self._held.looking.holds

    @property
    def look(self) -> SecondLook | None:
        """The second look, if there is one."""
        return self._held.looking.look

    # decide

    def threshold_for(self, level: Level | None) -> float:
        """Return a number that falls as a level lets small answer more, with a second look or without.

        Raises LevelError where there is no such level.
        """
        return self._held.looking.threshold_for(level)

    def check(self, request: Request) -> None:
        """Refuse a request whose level or route cannot be followed.

        Raises:
            LevelError: The level is outside the allowed range or unknown to the router, or there is no such route.
        """
        self._policy.check(request)

    def decide(self, request: Request) -> Decided:
        """Decide a request, for a caller who has to know the decision before the call.

        Raises:
            LevelError: As :meth:`check`.
        """
        return self.decide_many([request])[0]

    async def adecide(self, request: Request) -> Decided:
        """Do what :meth:`decide` does without blocking the event loop."""
        return (await self.adecide_many([request]))[0]

    def decide_many(self, requests: Sequence[Request]) -> list[Decided]:
        """Decide n requests in one scoring pass.

        Raises:
            LevelError: As :meth:`check`.
        """
        return self._deciding.decide_many(requests)

    async def adecide_many(self, requests: Sequence[Request]) -> list[Decided]:
        """Do what :meth:`decide_many` does without blocking the event loop."""
        return await self._deciding.adecide_many(requests)

    def admitted(self, decided: Decided) -> Decided:
        """Return a request with the decision that holds at this moment: an arm in its cooldown is not called.

        For a caller who has to say who answers before the call; the call has to follow, since it may be the probe.
        """
        if decided.admitted:
            return decided
        return replace(decided, decision=self._failover.admitted(decided.decision), admitted=True)

    def given_back(self, decided: Decided) -> None:
        """Note that an admitted request needed no call, since a cache had its answer: the next one may be the probe."""
        if decided.admitted:
            self._failover.breakers[decided.decision.route].release()

    def _ready(self, decided: Decided) -> Decided:
        """Return a request that is to be held with the decision of this moment; any other as it is."""
        return self.admitted(decided) if decided.decision.held else decided

    # call

    def call(
        self,
        request: Request | Decided,
        ask: Callable[[Decision], T],
        attempts: Attempts | None = None,
        *,
        read: Reads | None = None,
        checker: Checkers = None,
    ) -> tuple[T, Decision]:
        """Return the answer, and the decision that came true.

        Args:
            request: What is asked; one that was decided before is not decided again.
            ask: Calls the arm of the decision it is given; called a second time when the first arm is down.
            attempts: Where each call of an arm is noted, for a caller who wants to know.
            read: Makes a ``hybrid_llm.Answer`` of what ``ask`` returns, for a second look and checks; not of a text.
            checker: Asks the model that a second look compares with; by name what asks each, where there are several.

        Raises:
            LevelError: As :meth:`check`.
            PrivateError: The request is private, and nobody here may answer it, or small is down.
            Exception: What the arm raised, where no other arm may answer.
        """
        decided = request if isinstance(request, Decided) else self.decide(request)
        attempts = self._telling.begun(decided, attempts)
        with self._telling.of(decided, attempts, ask, Way(read, checker)) as ask:
            decided = self._ready(decided)
            if decided.decision.held:
                return self._held.call(decided, ask, attempts, read, checker)
            return self._failover.call(decided.decision, ask, attempts, admitted=decided.admitted)

    async def acall(
        self,
        request: Request | Decided,
        ask: Callable[[Decision], Awaitable[T]],
        attempts: Attempts | None = None,
        *,
        read: Reads | None = None,
        checker: Checkers = None,
    ) -> tuple[T, Decision]:
        """Do what :meth:`call` does without blocking the event loop."""
        decided = request if isinstance(request, Decided) else await self.adecide(request)
        attempts = self._telling.begun(decided, attempts)
        with self._telling.of(decided, attempts, ask, Way(read, checker, tasks=True)) as ask:
            decided = self._ready(decided)
            if decided.decision.held:
                return await self._held.acall(decided, ask, attempts, read, checker)
            return await self._failover.acall(decided.decision, ask, attempts, admitted=decided.admitted)

    def stream(
        self,
        request: Request | Decided,
        ask: Callable[[Decision], Iterator[T]],
        attempts: Attempts | None = None,
        *,
        read: Reads | None = None,
        checker: Checkers = None,
    ) -> Generator[tuple[T, Decision], None, None]:
        """Yield each chunk as it comes, with the decision that came true.

        Args:
            request: As in :meth:`call`.
            ask: Opens the stream of the arm of the decision it is given. Chunks before the first that shows something
                are held back, so that the other arm can still answer.
            attempts: As in :meth:`call`.
            read: As in :meth:`call`; it is given the chunks joined to one answer.
            checker: As in :meth:`call`; it returns a whole answer.
        """
        decided = request if isinstance(request, Decided) else self.decide(request)
        attempts = self._telling.begun(decided, attempts)
        with self._telling.of(decided, attempts, ask, Way(read, checker, streams=True)) as ask:
            decided = self._ready(decided)
            if decided.decision.held:
                yield from self._held.stream(decided, ask, attempts, read, checker)
            else:
                yield from self._failover.stream(decided.decision, ask, attempts, admitted=decided.admitted)

    async def astream(
        self,
        request: Request | Decided,
        ask: Callable[[Decision], AsyncIterator[T]],
        attempts: Attempts | None = None,
        *,
        read: Reads | None = None,
        checker: Checkers = None,
    ) -> AsyncGenerator[tuple[T, Decision], None]:
        """Do what :meth:`stream` does without blocking the event loop."""
        decided = request if isinstance(request, Decided) else await self.adecide(request)
        attempts = self._telling.begun(decided, attempts)
        with self._telling.of(decided, attempts, ask, Way(read, checker, streams=True, tasks=True)) as ask:
            decided = self._ready(decided)
            chunks = (
                self._held.astream(decided, ask, attempts, read, checker)
                if decided.decision.held
                else self._failover.astream(decided.decision, ask, attempts, admitted=decided.admitted)
            )
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    # many

    def batch(
        self,
        requests: Sequence[Request | Exception],
        asks: Sequence[Asked],
        *,
        call: Callable[[Decided, Asked], Answer] | None = None,
        max_workers: int | None = None,
        return_exceptions: bool = False,
        read: Reads | None = None,
        checkers: Sequence[Checkers] | None = None,
    ) -> list[Answer]:
        """Decide n requests in one scoring pass, then answer them side by side; return what each came to, in order.

        Args:
            requests: The requests; in the place of one that could not be read its error.
            asks: For each request what :meth:`call` takes as ``ask``.
            call: What answers a decided request; :meth:`call` by default.
            max_workers: Requests at a time, at most.
            return_exceptions: Whether an error takes the place of its answer. Else the first one is raised; that of a
                request that makes no sense before any arm is called.
            read: As in :meth:`call`.
            checkers: For each request what :meth:`call` takes as ``checker``.

        Raises:
            LevelError: As :meth:`check`.
            Exception: What could not be read, or what an arm raised.
        """
        outcomes: list[Any] = self._deciding.checked(requests, return_exceptions=return_exceptions)
        decide = self._deciding.decide_each if return_exceptions else self.decide_many
        outcomes = in_place(outcomes, decide([one for one in outcomes if isinstance(one, Request)]))

        def answer(decided: Decided, ask: Any, checker: Checkers) -> Any:
            if call is not None:
                return call(decided, ask)
            return self.call(decided, ask, read=read, checker=checker)

        each = list(zip(asks, checkers or [None] * len(asks), strict=True))
        return answer_many(outcomes, each, answer, max_workers=max_workers, return_exceptions=return_exceptions)

    async def abatch(
        self,
        requests: Sequence[Request | Exception],
        asks: Sequence[Asked],
        *,
        call: Callable[[Decided, Asked], Awaitable[Answer]] | None = None,
        max_workers: int | None = None,
        return_exceptions: bool = False,
        read: Reads | None = None,
        checkers: Sequence[Checkers] | None = None,
    ) -> list[Answer]:
        """Do what :meth:`batch` does without blocking the event loop."""
        checked = partial(self._deciding.checked, return_exceptions=return_exceptions)
        outcomes: list[Any] = await asyncio.to_thread(checked, requests)
        decide = self._deciding.adecide_each if return_exceptions else self.adecide_many
        outcomes = in_place(outcomes, await decide([one for one in outcomes if isinstance(one, Request)]))

        async def answer(decided: Decided, ask: Any, checker: Checkers) -> Any:
            if call is not None:
                return await call(decided, ask)
            return await self.acall(decided, ask, read=read, checker=checker)

        each = list(zip(asks, checkers or [None] * len(asks), strict=True))
        return await aanswer_many(outcomes, each, answer, max_workers=max_workers, return_exceptions=return_exceptions)

    # tell

    def leave_out(self, route: Route, settings: Iterable[str]) -> None:
        """Warn, once for each, of settings of a call that an arm does not know and that its call goes on without."""
        self.state.leave_out(route, self._telling.name(route), settings)
