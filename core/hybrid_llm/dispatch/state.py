"""What a pair keeps: of a request that is decided, and of its arms between requests."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch.behind import Behind
from hybrid_llm.dispatch.breaker import Breaker
from hybrid_llm.dispatch.request import Request
from hybrid_llm.errors import HybridLLMWarning


@dataclass(frozen=True, slots=True)
class Decided:
    """A request that has been decided and waits for its answer.

    Args:
        request: The request.
        decision: Where it goes.
        seconds: What the decision took.
        admitted: Whether the breaker of the arm has been asked; the call then has to follow.
    """

    request: Request
    decision: Decision
    seconds: float = 0.0
    admitted: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """What a server said of the weights of its model.

    Args:
        digest: Their hash; empty where it said nothing.
        at: When it was asked, on the clock of ``time.monotonic``.
    """

    digest: str
    at: float


@dataclass(frozen=True, slots=True)
class Voided:
    """What a router folder said of its certificates when it was looked at.

    Args:
        reason: Why they promise nothing any more; empty where they stand.
        at: When that was, on the clock of ``time.monotonic``.
    """

    reason: str
    at: float


@dataclass(eq=False)
class PairState:
    """What copies of a pair share: what is known of outages, and the switch.

    Args:
        breakers: One for each arm.
        force: Where everything goes, while it is set.
        left_out: Arms and the settings of theirs that were left out of a call, of which the caller was told.
        checkers: Breaker of the models that answers are compared with.
        told: What the caller was warned of.
        weights: By the name of a small model what its server said of its weights.
        voided: By the seal of a router that was loaded what its folder said later.
        asking: Held while a server is asked or a folder read.
        behind: What is done behind requests that are answered.
    """

    breakers: dict[Route, Breaker] = field(default_factory=lambda: {"small": Breaker(), "large": Breaker()})
    force: Route | None = None
    left_out: set[tuple[Route, str]] = field(default_factory=set)
    checkers: Breaker = field(default_factory=Breaker)
    told: set[str] = field(default_factory=set)
    weights: dict[str, Told] = field(default_factory=dict)
    voided: dict[str, Voided] = field(default_factory=dict)
    asking: threading.Lock = field(default_factory=threading.Lock)
    behind: Behind = field(default_factory=Behind)

    def leave_out(self, route: Route, model: str, settings: Iterable[str]) -> None:
        """Warn, once for each, of settings of a call that an arm does not know and that its call goes on without."""
        if new := [name for name in settings if (route, name) not in self.left_out]:
            from hybrid_llm.router import warn_user  # with numpy, which importing an adapter need not wait for

            self.left_out.update((route, name) for name in new)
            names = ", ".join(f"{name}=" for name in new)
            warn_user(
                f"{route} ({model}) does not know {names}: it is left out of what {route} answers. "
                "Where it matters, set it on that model itself, in the model's own words."
            )

    def warn_once(self, topic: str, message: str) -> None:
        """Warn the user, the first time for this topic; where warnings are errors, the request goes on."""
        if topic not in self.told:
            from hybrid_llm.router import warn_user  # with numpy, which importing an adapter need not wait for

            self.told.add(topic)
            with suppress(HybridLLMWarning):
                warn_user(message)

    def __deepcopy__(self, memo: object) -> PairState:
        """Return the state itself: copies of a pair talk to the same servers."""
        return self
