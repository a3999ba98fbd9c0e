"""Whether what a router was certified for still stands, in a program that has it loaded.

Two things end it from outside: small's server gets other weights, and an audit voids the certificate in the router
folder, while the program runs. Neither is looked for where a pair is made, nor where nothing is promised.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hybrid_llm.dispatch.request import Capabilities
from hybrid_llm.dispatch.state import PairState, Voided
from hybrid_llm.dispatch.weights import Weights

if TYPE_CHECKING:
    from hybrid_llm.router import Router

_PAUSE: Final = 60.0
"""Seconds after which the router folder is looked at again."""


class Standing:
    """Looks now and then whether a promise has ended, and says why.

    Args:
        router: Says what is promised, and which folder and weights that is of.
        small: Returns what is known of the small arm.
        state: Where what was found is kept, for copies of the pair too.
    """

    def __init__(self, router: Router, small: Callable[[], Capabilities], state: PairState) -> None:
        self._promises = router.parts.promises
        self._router = router
        self._weights = Weights(router, small, state)
        self._state = state

    @property
    def waits(self) -> bool:
        """Whether :meth:`learn` has to wait for a server or a disk."""
        return self._promises and (self._weights.waits or self._is_due())

    def learn(self) -> None:
        """Ask small's server once an hour, and look into the router folder once a minute."""
        if not self._promises:
            return
        self._weights.ask()
        if self._is_due():
            self._read_folder()

    def ended(self) -> str:
        """Return why nothing is promised any more, after one warning; nothing where all stands."""
        if not self._promises:
            return ""
        if why := self._weights.changed():
            self._state.warn_once(
                "other weights",
                f"{why} The certificate is void here: nothing is promised. Put back what was certified, or collect "
                "answers of this one: hybrid-llm run.",
            )
            return why
        voided = self._state.voided.get(self._router.seal)
        if voided is None or not voided.reason:
            return ""
        self._state.warn_once(
            "voided",
            f"The certificate in {self._router.path} has been voided since it was loaded: {voided.reason} Nothing is "
            "promised any more; what was measured is served on. hybrid-llm certify gives a new promise with a proof.",
        )
        return voided.reason

    def _is_due(self) -> bool:
        if not self._router.seal:  # it was not loaded from a folder
            return False
        known = self._state.voided.get(self._router.seal)
        return known is None or (not known.reason and time.monotonic() >= known.at + _PAUSE)

    def _read_folder(self) -> None:
        from hybrid_llm.router import voided_since

        with self._state.asking:
            if self._is_due():  # another thread may have looked meanwhile
                reason = voided_since(self._router.parts)
                self._state.voided[self._router.seal] = Voided(reason, time.monotonic())
