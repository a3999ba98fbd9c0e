"""What observers are told of a request: which arm was called, what came of it, how long it took, what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hybrid_llm.decision import Decision, Route


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server says that a call used; ``None`` where it does not say.

    Args:
        input_tokens: Tokens that were read, those from the provider's cache among them.
        output_tokens: Tokens that were written.
        cached_tokens: Those of ``input_tokens`` that came from the provider's prompt cache.
        model: The name by which the server signs its answer; empty when it does not.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    model: str = ""

    def plus(self, other: Usage | None) -> Usage:
        """Return the sum with another part of the same call; the later name counts.

        Example:
            >>> Usage(20).plus(Usage(0, 5)).output_tokens
            5
        """
        return self if other is None else self._with(other, _sum)

    def newer(self, other: Usage | None) -> Usage:
        """Return this, with what a later word about the same call says in place of what it replaces."""
        return self if other is None else self._with(other, lambda old, new: old if new is None else new)

    def _with(self, other: Usage, one_of: Callable[[int | None, int | None], int | None]) -> Usage:
        return Usage(
            one_of(self.input_tokens, other.input_tokens),
            one_of(self.output_tokens, other.output_tokens),
            one_of(self.cached_tokens, other.cached_tokens),
            model=other.model or self.model,
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else one + other


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of an arm.

    Args:
        route: The arm.
        model: Its name, as far as it is known.
        seconds: From the call to the end of its answer, or to its error.
        kept: Whether its answer is the one that was shown.
        error: Class of the error that it ended with; ``None`` when there was none.
        input_tokens: Tokens that it read; ``None`` where its server does not say.
        output_tokens: Tokens that it wrote, likewise.
        cached_tokens: Those of ``input_tokens`` that came from the provider's prompt cache, likewise.
        cost_usd: What it cost, in dollars; ``None`` where its tokens or its price are unknown.
        provider: Who serves it, in the framework's word (``"openai"``, ``"ollama"``); empty when nobody said.
        response_model: The name by which its server signed the answer, where that is another.
        text: What it answered; ``None`` unless an observer asks for texts, and never of a private request.
    """

    route: Route
    model: str
    seconds: float
    kept: bool
    error: str | None = None
    input_tokens: int | None = field(default=None, kw_only=True)
    output_tokens: int | None = field(default=None, kw_only=True)
    cached_tokens: int | None = field(default=None, kw_only=True)
    cost_usd: float | None = field(default=None, kw_only=True)
    provider: str = field(default="", kw_only=True)
    response_model: str = field(default="", kw_only=True)
    text: str | None = field(default=None, kw_only=True, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, never the text; what only some providers tell is there where they do.

        Example:
            >>> sorted(Attempt("small", "qwen3:4b", 0.5, kept=True, input_tokens=9).as_dict())
            ['cost_usd', 'error', 'input_tokens', 'kept', 'model', 'output_tokens', 'route', 'seconds']
        """
        told = {
            "cached_tokens": self.cached_tokens,
            "provider": self.provider or None,
            "response_model": self.response_model or None,
        }
        return {
            "route": self.route,
            "model": self.model,
            "seconds": self.seconds,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": self.cost_usd,
            "kept": self.kept,
            "error": self.error,
            **{name: value for name, value in told.items() if value is not None},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Attempt:
        """Read what :meth:`as_dict` wrote; keys that this version does not know are left alone.

        Raises:
            TypeError: It is something else.
        """
        return cls(**{name: value for name, value in data.items() if name in cls.__dataclass_fields__})


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
        turns: How many turns of the user's were answered before, as far as they came with the request.
        resting: The arms whose breaker is open: after failures they are left alone for a while.
        query: The query; ``None`` unless the observer asks for texts, and always of a private request.
        late: Seconds between its end and this: those of a second look in shadow, whose calls come last.
    """

    decision: Decision
    attempts: tuple[Attempt, ...]
    seconds: float
    method: str = ""
    query_hash: str = ""
    error: str | None = None
    turns: int = field(default=0, kw_only=True)
    resting: tuple[Route, ...] = field(default=(), kw_only=True)
    query: str | None = field(default=None, kw_only=True, repr=False)
    late: float = field(default=0.0, kw_only=True)

    @property
    def kept(self) -> Attempt | None:
        """The call whose answer was shown; ``None`` when there was none."""
        return next((attempt for attempt in reversed(self.attempts) if attempt.kept), None)

    def without_texts(self) -> RequestEvent:
        """Return the event for those who get no texts."""
        bare = tuple(replace(attempt, text=None) for attempt in self.attempts)
        return replace(self, attempts=bare, query=None)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, never a text."""
        return {
            "decision": self.decision.as_dict(),
            "attempts": [attempt.as_dict() for attempt in self.attempts],
            "seconds": self.seconds,
            "method": self.method,
            "query_hash": self.query_hash,
            "error": self.error,
            "turns": self.turns,
            "resting": list(self.resting),
        }


class Observer:
    """Is told of each request; override what you need.

    The methods are called in the thread or task of the request, so they should be quick. One that raises costs its
    own notice and one warning, never the request.

    Attributes:
        texts: Whether it is told the query and the answers too, but for private requests; by default it is not.

    Example:
        >>> class Count(Observer):
        ...     routes = []
        ...     def finished(self, event):
        ...         self.routes.append(event.decision.route)
    """

    texts: bool = False

    def calling(self, call: ArmCall) -> None:
        """Hear of an arm just before it is called."""

    def finished(self, event: RequestEvent) -> None:
        """Hear of a request once its answer is complete, or its error is raised."""


Observes = Observer | Callable[[RequestEvent], object]
"""What ``observers=`` takes: an :class:`Observer`, or a function that is told of each finished request."""
