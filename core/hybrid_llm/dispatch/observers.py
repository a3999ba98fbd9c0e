"""Telling the observers of a pair, without letting one of them hurt a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from hybrid_llm.errors import HybridLLMWarning
from hybrid_llm.event import ArmCall, Observes, RequestEvent


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
        self._after: list[Any] = [getattr(each, "finished", each) for each in observers]
        self._warned = False

    def __bool__(self) -> bool:
        """Return whether there is anybody to tell."""
        return bool(self._after)

    def calling(self, call: ArmCall) -> None:
        """Tell of an arm that is called next."""
        for tell in self._before:
            self._tell(tell, call)

    def finished(self, event: RequestEvent) -> None:
        """Tell of a request that has come to its end."""
        for tell in self._after:
            self._tell(tell, event)

    def _tell(self, tell: Callable[[Any], object], event: ArmCall | RequestEvent) -> None:
        try:
            tell(event)
        except Exception as error:  # noqa: BLE001 - whatever an observer raises, the request goes on
            if not self._warned:
                from hybrid_llm.router import warn_user  # with numpy, which importing an adapter need not wait for

                self._warned = True
                with suppress(HybridLLMWarning):  # where warnings are errors, the request goes on all the same
                    warn_user(f"An observer failed ({type(error).__name__}: {error}); requests go on, it misses some.")
