"""Checkers: other local models that are asked beside small, so that final answers can be compared.

One that fails costs its signal, never the request; after three failures in a row they are left alone for half a minute.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch.answers import Answers
from hybrid_llm.dispatch.attempts import Attempts, OpenCall
from hybrid_llm.dispatch.breaker import Breaker
from hybrid_llm.dispatch.request import Capabilities
from hybrid_llm.errors import LookError
from hybrid_llm.look import Answer

Ask = Callable[[Decision], Any]
Reads = Callable[[Any], Answer]


class GivenUpError(Exception):
    """A checker was not waited for."""


class Beside:
    """The checkers of one answer.

    Args:
        asks: By name what asks each; none where nothing is to be compared.
        decision: What they are asked with.
        attempts: Where their calls are noted.
        breaker: Theirs.
        arm: What is known of the checker.
        answers: Reads what they used.
        read: Reads what they answer.
    """

    def __init__(
        self,
        asks: Mapping[str, Ask],
        decision: Decision,
        attempts: Attempts,
        *,
        breaker: Breaker,
        arm: Capabilities,
        answers: Answers,
        read: Reads,
    ) -> None:
        self._asks = dict(asks) if asks and breaker.admit() else {}
        self._decision, self._attempts = decision, attempts
        self._breaker, self._arm, self._answers, self._read = breaker, arm, answers, read

    def _begin(self, name: str) -> OpenCall:
        arm = self._arm if self._arm.model else Capabilities(model=name)
        return self._attempts.beside(self._decision, arm)

    def _end(self, call: OpenCall, value: Any, error: BaseException | None) -> Answer | None:
        """Note how a call ended; return the answer, if it gave one that can be read."""
        call.until = call.until or time.perf_counter()
        if error is None:
            call.read = self._answers.used(value, None)
        self._attempts.add(call, error)
        if isinstance(error, GivenUpError):
            self._breaker.release()
            return None
        if error is not None:
            self._breaker.fail()
            return None
        self._breaker.succeed()
        try:
            return self._read(value)
        except LookError:
            return None


class InThreads(Beside):
    """Asks them in threads of their own.

    Each of :meth:`answers` and :meth:`cancel` ends all of them; call one of the two.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calls: dict[str, tuple[threading.Thread, OpenCall, list[Any]]] = {}

    def start(self) -> None:
        """Ask them, if that has not been done."""
        for name, ask in self._asks.items():
            if name not in self._calls:
                call, outcome = self._begin(name), list[Any]()
                context = contextvars.copy_context()
                run = threading.Thread(
                    target=context.run, args=(self._run, ask, call, outcome), daemon=True, name="hybrid-llm-checker"
                )
                self._calls[name] = run, call, outcome
                run.start()

    def answers(self, seconds: float | None) -> dict[str, Answer | None]:
        """Return what they answer, no later than this."""
        until = None if seconds is None else time.monotonic() + seconds
        for run, _, _ in self._calls.values():
            run.join(None if until is None else max(until - time.monotonic(), 0.0))
        return self._ended()

    def cancel(self) -> None:
        """Wait for none of them any longer."""
        self._ended()

    def _ended(self) -> dict[str, Answer | None]:
        found: dict[str, Answer | None] = {}
        for name, (run, call, outcome) in self._calls.items():
            if not outcome:
                self._breaker.left.add(run)
            value, error = outcome[0] if outcome else (None, GivenUpError())
            found[name] = self._end(call, value, error)
        self._calls, self._asks = {}, {}
        return found

    def _run(self, ask: Ask, call: OpenCall, outcome: list[Any]) -> None:
        try:
            value, error = ask(self._decision), None
        except BaseException as raised:  # noqa: BLE001 - whatever a checker raises costs its signal alone
            value, error = None, raised
        call.until = time.perf_counter()
        outcome.append((value, error))


class InTasks(Beside):
    """Asks them in tasks of their own; as :class:`InThreads` otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calls: dict[str, tuple[asyncio.Task[Any], OpenCall]] = {}

    def start(self) -> None:
        """Ask them, if that has not been done."""
        for name, ask in self._asks.items():
            if name not in self._calls:
                call = self._begin(name)
                self._calls[name] = asyncio.create_task(self._run(ask, call)), call

    async def answers(self, seconds: float | None) -> dict[str, Answer | None]:
        """Return what they answer, no later than this."""
        if self._calls:
            await asyncio.wait([task for task, _ in self._calls.values()], timeout=seconds)
        return await self._ended()

    async def cancel(self) -> None:
        """Wait for none of them any longer."""
        await self._ended()

    async def _ended(self) -> dict[str, Answer | None]:
        calls, self._calls, self._asks = self._calls, {}, {}
        late = {name for name, (task, _) in calls.items() if not task.done()}
        for name in late:
            calls[name][0].cancel()
        outcomes = await asyncio.gather(*(task for task, _ in calls.values()), return_exceptions=True)
        found: dict[str, Answer | None] = {}
        for (name, (_, call)), outcome in zip(calls.items(), outcomes, strict=True):
            error = GivenUpError() if name in late else outcome if isinstance(outcome, BaseException) else None
            found[name] = self._end(call, outcome, error)
        return found

    async def _run(self, ask: Callable[[Decision], Awaitable[Any]], call: OpenCall) -> Any:
        try:
            return await ask(self._decision)
        finally:
            call.until = time.perf_counter()
