"""The second look in shadow: small is asked behind large's answer, and what would have come of it is told.

Observers hear of such a request when that is known, once. Where there is no room for it, small cannot be asked, or the
program ends, they hear of it without (``Decision.shadow`` is then held still).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch.attempts import Attempts
from hybrid_llm.dispatch.behind import MOST
from hybrid_llm.dispatch.held import Held, Way
from hybrid_llm.dispatch.state import Decided
from hybrid_llm.event import RequestEvent

logger = logging.getLogger("hybrid_llm")


class ShadowLook:
    """One request in shadow whose answer of small would have been held back.

    Args:
        held: Asks small and the checkers, and looks at the answer.
        decided: The request.
        ask: Calls an arm.
        way: How.
        attempts: Where the calls behind it are noted.
        tell: Tells the observers.
    """

    def __init__(
        self,
        held: Held,
        decided: Decided,
        ask: Callable[[Decision], Any],
        way: Way,
        attempts: Attempts,
        tell: Callable[[RequestEvent], None],
    ) -> None:
        assert decided.decision.shadow is not None
        self._held, self._ask, self._way, self._attempts, self._tell = held, ask, way, attempts, tell
        self._decided = replace(decided, decision=decided.decision.shadow)

    def follow(self, event: RequestEvent) -> None:
        """Look behind a request that has ended, and tell of it then; at once where large has not answered."""
        if event.error is not None or event.kept is None or event.kept.route != "large":
            self._tell(event)
            return
        since = time.perf_counter()

        def end(came: Decision | None) -> None:
            self._tell(self._told(event, came, time.perf_counter() - since))

        behind = self._held.state.behind
        if not (behind.aput(self._alook, end) if self._way.tasks else behind.put(self._look, end)):
            self._held.state.warn_once(
                "shadow full",
                f"In shadow {MOST} answers of small wait to be looked at, since it is slower than what comes: for now "
                "requests are noted without a look (hybrid-llm savings counts them).",
            )

    def _told(self, event: RequestEvent, came: Decision | None, late: float) -> RequestEvent:
        """Return what observers hear: with what would have come true, and with the calls that showed it."""
        made = tuple(replace(one, kept=False) for one in self._attempts.made)
        decision = event.decision.override(shadow=came or self._decided.decision)
        return replace(event, decision=decision, attempts=(*event.attempts, *made), late=late)

    def _ready(self) -> Decided:
        return replace(self._decided, decision=self._held.failover.admitted(self._decided.decision), admitted=True)

    def _look(self) -> Decision | None:
        try:
            decided = self._ready()
            if not decided.decision.held:  # small is left alone after failures
                return decided.decision
            return self._held.look(decided, self._ask, self._attempts, self._way)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the request has its answer
            self._failed(error)
            return None

    async def _alook(self) -> Decision | None:
        try:
            decided = self._ready()
            if not decided.decision.held:
                return decided.decision
            return await self._held.alook(decided, self._ask, self._attempts, self._way)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here, the request has its answer
            self._failed(error)
            return None

    def _failed(self, error: Exception) -> None:
        logger.warning("No second look in shadow: %s.", type(error).__name__)
        self._held.state.warn_once(
            "shadow failed",
            f"In shadow small could not be asked ({type(error).__name__}); such requests are noted without a look. "
            "Without shadow=True their users would have seen this error.",
        )
