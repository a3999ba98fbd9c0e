"""What observers are told of a request: which arm was called, what came of it, how long it took; never a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from hybrid_llm.decision import Decision, Route


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of an arm.

    Args:
        route: The arm.
        model: Its name, as far as it is known.
        seconds: From the call to the end of its answer, or to its error.
        kept: Whether its answer is the one that was shown.
        error: Class of the error that it ended with; ``None`` when there was none.
    """

    route: Route
    model: str
    seconds: float
    kept: bool
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ArmCall:
    """A call that is about to be made.

    Args:
        decision: Why this arm is called.
        model: Its name, as far as it is known.
        method: What the caller's own program called (``"invoke"``, ``"chat"``); empty when nobody said.
        query_hash: First 16 hex digits of the SHA-256 of the query; empty when the request has no text.
        seconds: Since the request came: what the decision, and an arm that failed before, took.
    """

    decision: Decision
    model: str
    method: str
    query_hash: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """A request that has come to its end.

    Args:
        decision: The decision that came true; after an error the last one that was tried.
        attempts: Every call of an arm that was made for it, in order.
        seconds: From the decision to the end of the answer (a stream ends when its reader is done).
        method: As in :class:`ArmCall`.
        query_hash: As in :class:`ArmCall`.
        error: Class of the error that was raised; ``None`` when there was an answer.
    """

    decision: Decision
    attempts: tuple[Attempt, ...]
    seconds: float
    method: str = ""
    query_hash: str = ""
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "decision": self.decision.as_dict(),
            "attempts": [attempt.as_dict() for attempt in self.attempts],
            "seconds": self.seconds,
            "method": self.method,
            "query_hash": self.query_hash,
            "error": self.error,
        }


class Observer:
    """Is told of each request; override what you need.

    The methods are called in the thread or task of the request, so they should be quick. One that raises costs its
    own notice and one warning, never the request.

    Example:
        >>> class Count(Observer):
        ...     routes = []
        ...     def finished(self, event):
        ...         self.routes.append(event.decision.route)
    """

    def calling(self, call: ArmCall) -> None:
        """Hear of an arm just before it is called."""

    def finished(self, event: RequestEvent) -> None:
        """Hear of a request once its answer is complete, or its error is raised."""


Observes = Observer | Callable[[RequestEvent], object]
"""What ``observers=`` takes: an :class:`Observer`, or a function that is told of each finished request."""
