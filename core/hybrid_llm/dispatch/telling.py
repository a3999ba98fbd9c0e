"""Telling of the requests of one pair, from their decision to their end; in shadow to that of the look behind it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch.attempts import Attempts
from hybrid_llm.dispatch.held import Held, Way
from hybrid_llm.dispatch.observers import Observers
from hybrid_llm.dispatch.options import PairOptions
from hybrid_llm.dispatch.privacy import alone
from hybrid_llm.dispatch.rates import Rates
from hybrid_llm.dispatch.shadow_look import ShadowLook
from hybrid_llm.dispatch.state import Decided
from hybrid_llm.event import RequestEvent

T = TypeVar("T")


class Telling:
    """Tells the observers of a pair.

    Args:
        options: Those of the pair: who hears, and what the arms cost.
        held: How small's answers are held back.
    """

    def __init__(self, options: PairOptions, held: Held) -> None:
        self._observers = Observers(options.observers)
        self._rates = Rates(options.prices, options.local_hosts)
        self._held, self._policy, self._state = held, held.policy, held.state

    def begun(self, decided: Decided, attempts: Attempts | None) -> Attempts:
        """Return where the calls of a request are noted."""
        attempts = attempts or Attempts()
        texts, nests = self._observers.hear_texts_of(decided), self._policy.nests
        attempts.start(decided.seconds, self._rates, keeps_texts=texts, nests=nests)
        return attempts

    def of(
        self, decided: Decided, attempts: Attempts, ask: Callable[[Decision], T], way: Way
    ) -> AbstractContextManager[Callable[[Decision], T]]:
        """Tell of a request from beginning to end; give the function that calls an arm and tells of it.

        Args:
            decided: The request.
            attempts: Where its calls are noted.
            ask: Calls the arm of a decision.
            way: How it is asked.
        """
        if not self._observers:
            telling: AbstractContextManager[Callable[[Decision], T]] = nullcontext(ask)
        else:
            telling = self._observers.telling(
                decided,
                attempts,
                ask,
                name=self.name,
                breakers=self._state.breakers,
                end=self._looks_behind(decided, attempts, ask, way),
            )
        return alone(telling, self.name("small")) if decided.decision.private else telling

    def name(self, route: Route) -> str:
        """Return what to call an arm."""
        return self._policy.capabilities(route).model or route

    def _looks_behind(
        self, decided: Decided, attempts: Attempts, ask: Callable[[Decision], T], way: Way
    ) -> Callable[[RequestEvent], None] | None:
        """Return what follows the end of a request in shadow whose answer of small would have been held back."""
        would = decided.decision.shadow
        if would is None or not would.held or decided.request.private:
            return None
        attempts.behind = self.begun(decided, None)
        return ShadowLook(self._held, decided, ask, way, attempts.behind, self._observers.finished).follow
