"""The calls of arms that are made for one request, noted as they are made."""

from __future__ import annotations

import time

from hybrid_llm.decision import Decision, Route
from hybrid_llm.event import Attempt


class Attempts:
    """Notes each call of an arm: :meth:`begin` before it, :meth:`end` after it.

    Args:
        before: Seconds that the request took until now: its decision.

    Attributes:
        decision: That of the last call; ``None`` before the first.

    Example:
        >>> attempts = Attempts()
        >>> attempts.begin(Decision("small"), "qwen3:4b")
        >>> attempts.end(ConnectionRefusedError())
        >>> attempts.begin(Decision("large", reason="fallback"), "gpt-4o")
        >>> attempts.end()
        >>> [(attempt.model, attempt.kept, attempt.error) for attempt in attempts.made]
        [('qwen3:4b', False, 'ConnectionRefusedError'), ('gpt-4o', True, None)]
    """

    def __init__(self, before: float = 0.0) -> None:
        self.decision: Decision | None = None
        self._started = time.perf_counter() - before
        self._made: list[Attempt] = []
        self._open: tuple[Route, str, float] | None = None

    @property
    def made(self) -> tuple[Attempt, ...]:
        """The calls that have ended, in order."""
        return tuple(self._made)

    @property
    def seconds(self) -> float:
        """Seconds since the request came."""
        return time.perf_counter() - self._started

    def begin(self, decision: Decision, model: str) -> None:
        """Note that the arm of a decision is called now."""
        self.decision = decision
        self._open = (decision.route, model, time.perf_counter())

    def end(self, error: BaseException | None = None) -> None:
        """Note how the call that is under way ended."""
        if self._open is not None:
            route, model, since = self._open
            seconds, name = time.perf_counter() - since, type(error).__name__ if error is not None else None
            self._made.append(Attempt(route, model, seconds, kept=error is None, error=name))
            self._open = None
