"""Telling the observers of a pair, without letting one of them hurt a request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch.attempts import Attempts
from hybrid_llm.dispatch.breaker import Breaker
from hybrid_llm.dispatch.state import Decided
from hybrid_llm.errors import HybridLLMWarning
from hybrid_llm.event import ArmCall, Observes, RequestEvent

T = TypeVar("T")


class Observers:
    """The observers of one pair.

    Args:
        observers: Objects with ``calling`` or ``finished``, or functions that are told of finished requests.

    Example:
        >>> from hybrid_llm import Decision
        >>> seen = []
        >>> Observers([seen.append]).finished(RequestEvent(Decision("small"), (), 0.2))
        >>> seen[0].decision.route
        'small'
    """

    def __init__(self, observers: Sequence[Observes]) -> None:
        self._before = [method for each in observers if (method := getattr(each, "calling", None))]
        self._after: list[tuple[Any, bool]] = [
            (getattr(each, "finished", each), bool(getattr(each, "texts", False))) for each in observers
        ]
        self._all_hear_texts = all(texts for _, texts in self._after)
        self._warned = False

    def __bool__(self) -> bool:
        """Return whether there is anybody to tell."""
        return bool(self._after)

    def hear_texts_of(self, decided: Decided) -> bool:
        """Return whether one of them asks for texts, and may have those of this request: a private one tells none."""
        return any(texts for _, texts in self._after) and not _is_private(decided)

    @contextmanager
    def telling(
        self,
        decided: Decided,
        attempts: Attempts,
        ask: Callable[[Decision], T],
        *,
        name: Callable[[Route], str],
        breakers: Mapping[Route, Breaker],
        end: Callable[[RequestEvent], None] | None = None,
    ) -> Iterator[Callable[[Decision], T]]:
        """Tell of a request from beginning to end; give the function that calls an arm and tells of it.

        Args:
            decided: The request.
            attempts: Where its calls are noted.
            ask: Calls the arm of a decision.
            name: Returns what to call an arm.
            breakers: Of the arms.
            end: What is to follow before they are told of its end, which is then told there.
        """
        request, error = decided.request, None
        # of a private text not even the hash is told: that of a short one can be guessed
        text = "" if _is_private(decided) else request.text
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""

        def told(decision: Decision) -> T:
            self.calling(ArmCall(decision, name(decision.route), request.method, digest, seconds=attempts.seconds))
            return ask(decision)

        try:
            yield told
        except GeneratorExit:  # the reader of a stream has enough
            raise
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            (end or self.finished)(
                RequestEvent(
                    attempts.decision or decided.decision,
                    attempts.made,
                    attempts.seconds,
                    request.method,
                    digest,
                    error,
                    turns=len(request.turns),
                    resting=tuple(route for route, breaker in breakers.items() if breaker.open),
                    query=request.text if self.hear_texts_of(decided) else None,
                )
            )

    def calling(self, call: ArmCall) -> None:
        """Tell of an arm that is called next."""
        for tell in self._before:
            self._tell(tell, call)

    def finished(self, event: RequestEvent) -> None:
        """Tell of a request that has come to its end."""
        bare = event.without_texts() if event.query is not None and not self._all_hear_texts else event
        for tell, texts in self._after:
            self._tell(tell, event if texts else bare)

    def _tell(self, tell: Callable[[Any], object], event: ArmCall | RequestEvent) -> None:
        try:
            tell(event)
        except Exception as error:  # noqa: BLE001 - whatever an observer raises, the request goes on
            if not self._warned:
                from hybrid_llm.router import warn_user  # with numpy, which importing an adapter need not wait for

                self._warned = True
                with suppress(HybridLLMWarning):  # where warnings are errors, the request goes on all the same
                    warn_user(f"An observer failed ({type(error).__name__}: {error}); requests go on, it misses some.")


def _is_private(decided: Decided) -> bool:
    return decided.decision.private or decided.request.private
