"""What decides besides the score: the caller's word, what an arm cannot serve, and what went before.

In this order: privacy; a forced route; the gates (context window, images and files, tools, forced tool choice,
structured output); the arm that a conversation stays on; the caller's rules; a follow-up, which keeps the previous
decision; the score. A gate speaks only when one arm can serve the
request and the other cannot, or when neither is known to: then large is asked. What happens when an arm breaks is in
``failover.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

from hybrid_llm.decision import Decision, Reason, Route
from hybrid_llm.dispatch.privacy import private_decision
from hybrid_llm.dispatch.request import Capabilities, Request, is_short
from hybrid_llm.dispatch.rules import Rule, route_by
from hybrid_llm.dispatch.window import SURELY_READ
from hybrid_llm.errors import LevelError, shown
from hybrid_llm.level import ALWAYS_LARGE, ALWAYS_SMALL, Level

if TYPE_CHECKING:
    from hybrid_llm.dispatch.looking import Looking
    from hybrid_llm.router import Router

Serves = Capabilities | Callable[[], Capabilities]
"""What an arm can serve: known now, or by a function that is asked at each request."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The range that requests may choose their level from, so that nobody runs up the bill.

    Args:
        low: The least of it, as a level.
        high: The most of it, as a level of the same kind.
    """

    low: Level
    high: Level

    def __post_init__(self) -> None:
        """Refuse two levels that cannot be the ends of one range."""
        if self.low.kind != self.high.kind:
            raise LevelError(f"The range from {self.low} to {self.high} needs two levels of one kind.")

    @classmethod
    def of(cls, bounds: Sequence[float] | None, kind: Level | None) -> Allowed | None:
        """Make a range of two numbers in the units of a level (quality when there is none).

        Raises:
            LevelError: These are not two numbers, or one is out of range.
        """
        if bounds is None:
            return None
        try:
            low, high = bounds
        except (TypeError, ValueError):
            raise LevelError(
                f"allowed={shown(bounds)} must be two numbers, the least and the most to ask for."
            ) from None
        name = kind.kind if kind else "quality"
        return cls(Level(name, low), Level(name, high))

    def __str__(self) -> str:
        """Return the range as a person would say it."""
        return f"{self.low} to {self.high.value:g}"


class Policy:
    """Decides requests: the router's score, and all that overrides it.

    Args:
        router: Scores, and knows the thresholds of its levels.
        level: The level of requests that choose none; ``None`` is the router's default.
        small: What the small arm can serve, or a function that returns it, where that becomes known later.
        large: The same of the large arm.
        allowed: The range that requests may choose from; ``None`` leaves them free.
        looking: Decides in the router's place where answers are looked at.
        rules: Where queries go that these find.
        stays: Whether a conversation stays on the arm that it began with.

    Raises:
        LevelError: A level that this router has no thresholds for.

    Example:
        >>> from hybrid_llm import Router
        >>> from hybrid_llm.testing import FixedScorer
        >>> policy = Policy(Router(FixedScorer(0.9)), level=Level.of(threshold=0.5))
        >>> policy.decide(Request("What is in this picture?", modalities=frozenset({"image"}))).reason
        'modality'
    """

    def __init__(
        self,
        router: Router,
        *,
        level: Level | None = None,
        small: Serves | None = None,
        large: Serves | None = None,
        allowed: Allowed | None = None,
        looking: Looking | None = None,
        rules: Sequence[Rule] = (),
        stays: bool = False,
    ) -> None:
        from hybrid_llm.dispatch.looking import Looking  # whoever takes options from here need not wait for it

        self.router = router
        self._looking = looking or Looking(router)
        self.level = level
        self._looking.weighs(lambda: self.capabilities("small"))
        self._serves: dict[Route, Serves] = {"small": small or Capabilities(), "large": large or Capabilities()}
        self.allowed = allowed
        self._rules = rules
        self._stays = stays
        if level:
            self._threshold(level)  # an uncalibrated router says so here, not at the first request
        self._range = (
            sorted((self._threshold(allowed.low), self._threshold(allowed.high))) if allowed is not None else None
        )

    def capabilities(self, route: Route) -> Capabilities:
        """Return what an arm can serve, as far as that is known now."""
        serves = self._serves[route]
        return serves if isinstance(serves, Capabilities) else serves()

    @property
    def nests(self) -> bool:
        """Whether an arm is a pair itself."""
        return any(self.capabilities(route).is_pair for route in get_args(Route))

    def check(self, request: Request) -> None:
        """Refuse a request whose level or route cannot be followed.

        Raises:
            LevelError: The level is outside the allowed range or unknown to the router, or there is no such route.
        """
        if request.route is not None:
            Decision(request.route, reason="forced")
            self._check_allowed(ALWAYS_SMALL if request.route == "small" else ALWAYS_LARGE, f"route={request.route!r}")
        if request.level is not None:
            if self.allowed is not None and self._looking.look is not None:
                _refuse_other_kind(request.level, self.allowed.low)
            self._check_allowed(self._threshold(request.level), str(request.level))

    def decide(self, request: Request) -> Decision:
        """Decide one request; see :meth:`decide_many`."""
        return self.decide_many([request])[0]

    def decide_many(self, requests: Sequence[Request]) -> list[Decision]:
        """Decide n requests, scoring in one pass those that need a score.

        Raises:
            LevelError: As :meth:`check`.
        """
        self._looking.standing.learn()
        early = [self._without_score(request) for request in requests]
        rest = [request for request, decision in zip(requests, early, strict=True) if decision is None]
        scored = self._looking.decide_each(*self._to_score(rest)) if rest else []
        return list(map(self._looking.marked, requests, _merged(early, rest, scored)))

    async def adecide(self, request: Request) -> Decision:
        """Do what :meth:`decide` does without blocking the event loop."""
        return (await self.adecide_many([request]))[0]

    async def adecide_many(self, requests: Sequence[Request]) -> list[Decision]:
        """Do what :meth:`decide_many` does without blocking the event loop."""
        await self._learn(requests)
        early = [self._without_score(request) for request in requests]
        rest = [request for request, decision in zip(requests, early, strict=True) if decision is None]
        scored = await self._looking.adecide_each(*self._to_score(rest)) if rest else []
        return list(map(self._looking.marked, requests, _merged(early, rest, scored)))

    async def _learn(self, requests: Sequence[Request]) -> None:
        """Learn in a thread what is to be known of the models, and of the promise."""
        if self._looking.standing.waits:
            await asyncio.to_thread(self._looking.standing.learn)
        longest = max(requests, key=lambda request: request.tokens, default=None)
        if longest is None or longest.tokens <= SURELY_READ:
            return
        for route in get_args(Route):
            serves = self.capabilities(route)
            if serves.waits(longest.tokens):
                await asyncio.to_thread(serves.missing, longest)

    def _to_score(self, requests: Sequence[Request]) -> tuple[list[str], list[Level | None]]:
        return [_scored_text(request) for request in requests], [request.level or self.level for request in requests]

    def _without_score(self, request: Request) -> Decision | None:
        """Return the decision of a request that needs no score."""
        self.check(request)
        if request.private:
            return private_decision(self.router.id)
        if request.route is not None:
            return Decision(request.route, reason="forced", router_id=self.router.id)
        gate = self._gate(request)
        if gate is not None:
            return Decision(gate[0], reason=gate[1], router_id=self.router.id)
        if request.same_turn and (kept := self._kept(request)):
            return kept
        return self._stayed(request) or self._ruled(request.text) or self._kept(request) or self._ruled_before(request)

    def _stayed(self, request: Request) -> Decision | None:
        """Return the decision that the conversation began with, where it is to stay there."""
        began = request.began
        if not self._stays or began is None or not self._counts(began, request):
            return None
        level = request.level or self.level
        says = level.sends_all_to if level else None
        if says not in (None, began.route):
            return None
        return began.override(reason="follow_up", shadow=None, look=None)

    def _ruled(self, text: str) -> Decision | None:
        route = route_by(self._rules, text)
        return Decision(route, reason="rule", router_id=self.router.id) if route else None

    def _ruled_before(self, request: Request) -> Decision | None:
        """Return what a rule says of the turn that a follow-up belongs to."""
        return self._ruled(_scored_text(request)) if self._rules and request.is_follow_up else None

    def _counts(self, decision: Decision, request: Request) -> bool:
        """Return whether a decision that comes with a request may hold for it.

        It may have been written by whoever sent the request, so it counts only where requests choose freely, and only
        when this router took it.
        """
        return decision.router_id == self.router.id and (self.allowed is None or request.trusted)

    def _gate(self, request: Request) -> tuple[Route, Reason] | None:
        small, large = (self.capabilities(route).missing(request) for route in get_args(Route))
        if small is not None:
            return "large", small
        return ("small", large) if large is not None else None

    def _kept(self, request: Request) -> Decision | None:
        """Return the previous decision, when this request is to keep it."""
        previous = request.previous
        if previous is None or not self._counts(previous, request):
            return None
        if request.level not in (None, previous.level):
            return None  # the caller asks for something else now
        previous = self._looking.followed(previous, same_turn=request.same_turn)
        if request.same_turn:
            # a later step did not fall back itself: it follows the one that did
            return previous.override(reason="follow_up", shadow=None) if previous.reason in _ENDED else previous
        level = request.level or self.level
        says = level.sends_all_to if level else None
        follows = request.is_follow_up and says in (None, previous.route)
        return previous.override(reason="follow_up", shadow=None) if follows else None

    def _threshold(self, level: Level) -> float:
        return self._looking.threshold_for(level)

    def _check_allowed(self, threshold: float, asked: str) -> None:
        if self._range is not None and not self._range[0] <= threshold <= self._range[1]:
            raise LevelError(f"{asked} is not for requests to choose here; they may ask for {self.allowed}.")


_ENDED: Final[frozenset[Reason]] = frozenset({"fallback", "cooldown", "shadow"})
"""What holds for one call alone; a later step of its turn keeps the arm."""


def _scored_text(request: Request) -> str:
    """Return the request's text; for a follow-up the text that the conversation's decision was taken for.

    That is the last one that was no follow-up itself, in the end the first; turns without text (a picture) say
    nothing.
    """
    turns = _turns_to_score(request)
    return next((turn for turn in reversed(turns) if not is_short(turn)), turns[0]) if turns else request.text


def _turns_to_score(request: Request) -> list[str]:
    """Return the turns that a follow-up is scored by; none for a request that is scored itself."""
    return [turn for turn in request.turns if turn.strip()] if request.is_follow_up else []


def _merged(early: Sequence[Decision | None], rest: Sequence[Request], scored: Sequence[Decision]) -> list[Decision]:
    later = iter(_marked(request, decision) for request, decision in zip(rest, scored, strict=True))
    return [decision if decision is not None else next(later) for decision in early]


def _marked(request: Request, decision: Decision) -> Decision:
    if decision.reason == "no_text":
        return decision.override(route=request.without_text)
    borrowed = decision.reason in ("score", "unfamiliar") and _turns_to_score(request)
    return decision.override(reason="follow_up") if borrowed else decision


def _refuse_other_kind(level: Level, allowed: Level) -> None:
    """Refuse a level of another kind than the range that requests may choose from, where a look gives both a meaning.

    Raises:
        LevelError: It is of another kind.
    """
    if level.kind != allowed.kind:
        raise LevelError(f"{level} is not for requests to choose here; with a second look, ask for {allowed.kind}=.")
