"""Whether small still has the weights that a promise was made with.

An Ollama serves another model under the same name after a ``pull``, and tells by its digest. It is asked at the first
request that something is promised for, and once an hour from then on: not where a pair is made, and never for its
answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hybrid_llm.dispatch.request import Capabilities
from hybrid_llm.dispatch.state import PairState, Told
from hybrid_llm.names import same_model

if TYPE_CHECKING:
    from hybrid_llm.router import Router

_PAUSE: Final = 60.0
"""Seconds after which a server that gave no answer is asked again."""
_AGAIN: Final = 3600.0
"""Seconds after which one that gave an answer is asked again."""
_SHOWN: Final = 12
"""Digits of a digest that tell it from others, as Ollama shows them."""


class Weights:
    """Compares the weights that small has with those that a router was certified with.

    Args:
        router: Says which these are, where ``hybrid-llm run`` made it with an Ollama.
        small: Returns what is known of the small arm.
        state: Where the answer of its server is kept, for copies of the pair too.
    """

    def __init__(self, router: Router, small: Callable[[], Capabilities], state: PairState) -> None:
        self._known = _weights_in(router) if router.parts.promises else ""
        self._small = small
        self._state = state

    @property
    def waits(self) -> bool:
        """Whether :meth:`ask` has to wait for a server."""
        return bool(self._known) and self._asks(self._small()) is not None

    def ask(self) -> None:
        """Ask small's server for its weights, where it is time; one that does not answer tells nothing new."""
        if not self.waits:
            return
        with self._state.asking:
            small = self._small()
            asks = self._asks(small)  # another thread may have asked meanwhile
            if asks is None:
                return
            try:
                digest = asks() or ""
            except Exception:  # noqa: BLE001 - it is down, or no Ollama: the call will tell
                digest = ""
            known = self._state.weights.get(small.model)
            self._state.weights[small.model] = Told(digest or (known.digest if known else ""), time.monotonic())

    def _asks(self, small: Capabilities) -> Callable[[], str | None] | None:
        """Return what asks the server; ``None`` where it cannot be asked, or not yet again."""
        told = self._state.weights.get(small.model)
        if told is not None and time.monotonic() < told.at + (_AGAIN if told.digest else _PAUSE):
            return None
        return small.place.digest if small.place is not None else None

    def changed(self) -> str:
        """Return that the weights are others, in a sentence; nothing where they are the same, or nobody knows."""
        if not self._known:
            return ""
        model = self._small().model
        told = self._state.weights.get(model)
        if told is None or not told.digest or _bare(told.digest) == _bare(self._known):
            return ""
        return (
            f"The small model {model} has other weights ({_bare(told.digest)[:_SHOWN]}) than it was certified with "
            f"({_bare(self._known)[:_SHOWN]})."
        )


def _weights_in(router: Router) -> str:
    """Return the digest of the small model that a router was made for; empty where none was noted."""
    record = router.record
    if record is None:
        return ""
    key, found = "weights of ", record.fingerprint.items()
    return next((v for k, v in found if k.startswith(key) and same_model(k.removeprefix(key), record.small)), "")


def _bare(digest: str) -> str:
    return digest.removeprefix("sha256:")
