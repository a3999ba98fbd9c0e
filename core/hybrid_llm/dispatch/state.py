"""What a pair keeps: of a request that is decided, and of its arms between requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch.breaker import Breaker
from hybrid_llm.dispatch.request import Request


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


@dataclass(eq=False)
class PairState:
    """What copies of a pair share: what is known of outages, and the switch.

    Args:
        breakers: One for each arm.
        force: Where everything goes, while it is set.
        left_out: Arms and the settings of theirs that were left out of a call, of which the caller was told.
    """

    breakers: dict[Route, Breaker] = field(default_factory=lambda: {"small": Breaker(), "large": Breaker()})
    force: Route | None = None
    left_out: set[tuple[Route, str]] = field(default_factory=set)

    def __deepcopy__(self, memo: object) -> PairState:
        """Return the state itself: copies of a pair talk to the same servers."""
        return self
