"""Decide, then call: the one verb that every adapter uses, sync and async, whole and streamed, one and many.

An adapter reads its framework's request into a :class:`~hybrid_llm.dispatch.request.Request`, brings a function that
calls an arm, and hands both to a :class:`Pair`. What is decided, which arm is called, what happens when it breaks and
who is told of it is written here and below, once.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch.answers import Answers
from hybrid_llm.dispatch.attempts import Attempts
from hybrid_llm.dispatch.deciding import Deciding
from hybrid_llm.dispatch.failover import Failover
from hybrid_llm.dispatch.observers import Observers
from hybrid_llm.dispatch.options import PairOptions
from hybrid_llm.dispatch.policy import Policy, Serves
from hybrid_llm.dispatch.privacy import alone
from hybrid_llm.dispatch.request import Request
from hybrid_llm.dispatch.state import Decided, PairState
from hybrid_llm.event import ArmCall, RequestEvent

if TYPE_CHECKING:
    from pathlib import Path

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
        answers: Reads what the arms answer; by default any text that is not all white space shows something.
        state: That of the pair this one is a copy of.
        **options: See :class:`~hybrid_llm.dispatch.options.PairOptions`.

    Raises:
        TypeError: ``router`` is nothing that scores, or there is no such option.
        LevelError: Two levels, one out of range, or one that this router has no thresholds for.
        ConfigError: An option is out of its range.

    Example:
        >>> from hybrid_llm.testing import FixedScorer
        >>> pair = Pair(FixedScorer({"2+2?": 0.9}, default=0.1), threshold=0.5)
        >>> answer, decision = pair.call(Request("2+2?"), lambda decision: f"from {decision.route}")
        >>> answer, decision.reason
        ('from small', 'score')
        >>> pair.force = "large"
        >>> pair.call(Request("2+2?"), lambda decision: f"from {decision.route}")[0]
        'from large'
    """

    def __init__(
        self,
        router: Router | Scorer | str | Path,
        *,
        small: Serves | None = None,
        large: Serves | None = None,
        answers: Answers | None = None,
        state: PairState | None = None,
        **options: Any,
    ) -> None:
        from hybrid_llm.router import Router  # with numpy, which importing an adapter need not wait for

        self.options = PairOptions(**options)
        self.state = state or PairState()
        self._policy = Policy(
            Router.of(router),
            level=self.options.level,
            small=small,
            large=large,
            allowed=self.options.range,
            rules=self.options.rules,  # type: ignore[arg-type]  # checked, and read
            stays=self.options.stay is not None,
        )
        self._deciding = Deciding(self._policy, self.options, self.state)
        self._failover = Failover(
            to_large=self.options.fallback_to_large,
            to_small=self.options.fallback_to_small,
            small_timeout=self.options.small_timeout,
            serves=self._policy.capabilities,
            answers=answers,
            **self.state.breakers,
        )
        self._observers = Observers(self.options.observers)

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

    # decide

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

    # call

    def call(self, request: Request | Decided, ask: Callable[[Decision], T]) -> tuple[T, Decision]:
        """Return the answer, and the decision that came true.

        Args:
            request: What is asked; one that was decided before is not decided again.
            ask: Calls the arm of the decision it is given; called a second time when the first arm is down.

        Raises:
            LevelError: As :meth:`check`.
            PrivateError: The request is private, and nobody here may answer it, or small is down.
            Exception: What the arm raised, where no other arm may answer.
        """
        decided = request if isinstance(request, Decided) else self.decide(request)
        attempts = Attempts(decided.seconds)
        with self._told(decided, attempts, ask) as ask:
            return self._failover.call(decided.decision, ask, attempts, admitted=decided.admitted)

    async def acall(self, request: Request | Decided, ask: Callable[[Decision], Awaitable[T]]) -> tuple[T, Decision]:
        """Do what :meth:`call` does without blocking the event loop."""
        decided = request if isinstance(request, Decided) else await self.adecide(request)
        attempts = Attempts(decided.seconds)
        with self._told(decided, attempts, ask) as ask:
            return await self._failover.acall(decided.decision, ask, attempts, admitted=decided.admitted)

    def stream(
        self,
        request: Request | Decided,
        ask: Callable[[Decision], Iterator[T]],
    ) -> Generator[tuple[T, Decision], None, None]:
        """Yield each chunk as it comes, with the decision that came true.

        Args:
            request: As in :meth:`call`.
            ask: Opens the stream of the arm of the decision it is given. Chunks before the first that shows something
                are held back, so that the other arm can still answer.
        """
        decided = request if isinstance(request, Decided) else self.decide(request)
        attempts = Attempts(decided.seconds)
        with self._told(decided, attempts, ask) as ask:
            yield from self._failover.stream(decided.decision, ask, attempts, admitted=decided.admitted)

    async def astream(
        self,
        request: Request | Decided,
        ask: Callable[[Decision], AsyncIterator[T]],
    ) -> AsyncGenerator[tuple[T, Decision], None]:
        """Do what :meth:`stream` does without blocking the event loop."""
        decided = request if isinstance(request, Decided) else await self.adecide(request)
        attempts = Attempts(decided.seconds)
        with self._told(decided, attempts, ask) as ask:
            chunks = self._failover.astream(decided.decision, ask, attempts, admitted=decided.admitted)
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
    ) -> list[Answer]:
        """Decide n requests in one scoring pass, then answer them side by side; return what each came to, in order.

        Args:
            requests: The requests; in the place of one that could not be read its error.
            asks: For each request what :meth:`call` takes as ``ask``.
            call: What answers a decided request; :meth:`call` by default.
            max_workers: Requests at a time, at most.
            return_exceptions: Whether an error takes the place of its answer. Else the first one is raised; that of a
                request that makes no sense before any arm is called.

        Raises:
            LevelError: As :meth:`check`.
            Exception: What could not be read, or what an arm raised.
        """
        outcomes: list[Any] = self._deciding.checked(requests, return_exceptions=return_exceptions)
        outcomes = _in_place(outcomes, self.decide_many([one for one in outcomes if isinstance(one, Request)]))
        answer: Callable[[Decided, Any], Any] = call or self.call

        def one(outcome: Decided | Exception, ask: Asked, context: contextvars.Context) -> Any:
            if isinstance(outcome, Exception):
                return outcome
            try:
                return context.run(answer, outcome, ask)
            except Exception as error:
                if return_exceptions:
                    return error
                raise

        if not outcomes:
            return []
        contexts = [contextvars.copy_context() for _ in outcomes]
        with ThreadPoolExecutor(max_workers) as pool:
            return list(pool.map(one, outcomes, asks, contexts))

    async def abatch(
        self,
        requests: Sequence[Request | Exception],
        asks: Sequence[Asked],
        *,
        call: Callable[[Decided, Asked], Awaitable[Answer]] | None = None,
        max_workers: int | None = None,
        return_exceptions: bool = False,
    ) -> list[Answer]:
        """Do what :meth:`batch` does without blocking the event loop."""
        checked = partial(self._deciding.checked, return_exceptions=return_exceptions)
        outcomes: list[Any] = await asyncio.to_thread(checked, requests)
        outcomes = _in_place(outcomes, await self.adecide_many([one for one in outcomes if isinstance(one, Request)]))
        answer: Callable[[Decided, Any], Awaitable[Any]] = call or self.acall
        limit = asyncio.Semaphore(max_workers) if max_workers else nullcontext()

        async def one(outcome: Decided | Exception, ask: Asked) -> Any:
            if isinstance(outcome, Exception):
                return outcome
            async with limit:
                return await answer(outcome, ask)

        answers = (one(outcome, ask) for outcome, ask in zip(outcomes, asks, strict=True))
        found: list[Any] = await asyncio.gather(*answers, return_exceptions=return_exceptions)
        return found

    # tell

    def leave_out(self, route: Route, settings: Iterable[str]) -> None:
        """Warn, once for each, of settings of a call that an arm does not know and that its call goes on without."""
        if new := [name for name in settings if (route, name) not in self.state.left_out]:
            from hybrid_llm.router import warn_user  # with numpy, which importing an adapter need not wait for

            self.state.left_out.update((route, name) for name in new)
            names = ", ".join(f"{name}=" for name in new)
            warn_user(
                f"{route} ({self._name(route)}) does not know {names}: it is left out of what {route} answers. "
                "Where it matters, set it on that model itself, in the model's own words."
            )

    def _name(self, route: Route) -> str:
        return self._policy.capabilities(route).model or route

    def _told(
        self, decided: Decided, attempts: Attempts, ask: Callable[[Decision], T]
    ) -> AbstractContextManager[Callable[[Decision], T]]:
        """Tell the observers of a request from beginning to end; give the function that calls an arm and tells them."""
        telling = self._telling(decided, attempts, ask) if self._observers else nullcontext(ask)
        return alone(telling, self._name("small")) if decided.decision.private else telling

    @contextmanager
    def _telling(
        self, decided: Decided, attempts: Attempts, ask: Callable[[Decision], T]
    ) -> Iterator[Callable[[Decision], T]]:
        # of a private text not even the hash is told: that of a short one can be guessed
        method, text, error = decided.request.method, "" if decided.request.private else decided.request.text, None
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""

        def told(decision: Decision) -> T:
            call = ArmCall(decision, self._name(decision.route), method, digest, seconds=attempts.seconds)
            self._observers.calling(call)
            return ask(decision)

        try:
            yield told
        except GeneratorExit:  # the reader of a stream has enough
            raise
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            came = attempts.decision or decided.decision
            self._observers.finished(RequestEvent(came, attempts.made, attempts.seconds, method, digest, error))


def _in_place(outcomes: Sequence[Request | Exception], decided: Sequence[Decided]) -> list[Any]:
    """Return each request as it was decided, and each error where it stood."""
    rest = iter(decided)
    return [one if isinstance(one, Exception) else next(rest) for one in outcomes]
