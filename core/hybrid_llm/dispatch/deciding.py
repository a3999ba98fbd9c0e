"""Where requests go, all that a pair has to say of it: privacy first, then the switch, the policy, and the shadow."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch.blocks import as_scored
from hybrid_llm.dispatch.options import PairOptions
from hybrid_llm.dispatch.place import Local
from hybrid_llm.dispatch.policy import Policy
from hybrid_llm.dispatch.privacy import Privacy, private_decision
from hybrid_llm.dispatch.request import Request
from hybrid_llm.dispatch.shadow import as_without, in_shadow
from hybrid_llm.dispatch.state import Decided, PairState
from hybrid_llm.errors import LevelError, PrivateError


class Deciding:
    """Decides the requests of one pair.

    Args:
        policy: The router's score, and what overrides it.
        options: Those of the pair.
        state: That of the pair, with the switch.
    """

    def __init__(self, policy: Policy, options: PairOptions, state: PairState) -> None:
        self._policy, self._options, self._state = policy, options, state
        self._privacy = Privacy(
            options.private, Local(options.local_hosts), trace=options.trace_private, serves=policy.capabilities
        )

    def decide_many(self, requests: Sequence[Request]) -> list[Decided]:
        """Decide n requests in one scoring pass.

        Raises:
            LevelError: A level or a route cannot be followed.
            PrivateError: One is private, and nobody here may answer it.
        """
        start = time.perf_counter()
        ready = self._privacy.ready(requests, self._state.force)
        decisions = self._forced(ready) or self._followed(self._policy.decide_many(self._as_scored(ready)))
        return _decided(ready, decisions, start)

    async def adecide_many(self, requests: Sequence[Request]) -> list[Decided]:
        """Do what :meth:`decide_many` does without blocking the event loop."""
        start = time.perf_counter()
        ready = await self._privacy.aready(requests, self._state.force)
        decisions = self._forced(ready) or self._followed(await self._policy.adecide_many(self._as_scored(ready)))
        return _decided(ready, decisions, start)

    def decide_each(self, requests: Sequence[Request]) -> list[Decided | Exception]:
        """Decide n requests; in the place of one that a rule of the caller's failed at, its error."""
        try:
            return [*self.decide_many(requests)]
        except Exception as error:  # noqa: BLE001 - whatever it is, it is that of one request
            return [error] if len(requests) == 1 else [one for each in requests for one in self.decide_each([each])]

    async def adecide_each(self, requests: Sequence[Request]) -> list[Decided | Exception]:
        """Do what :meth:`decide_each` does without blocking the event loop."""
        try:
            return [*await self.adecide_many(requests)]
        except Exception as error:  # noqa: BLE001 - as above
            return [error] if len(requests) == 1 else [(await self.adecide_each([each]))[0] for each in requests]

    def checked(self, requests: Sequence[Request | Exception], *, return_exceptions: bool) -> list[Request | Exception]:
        """Return requests that can be decided; in the place of one that cannot its error, or raise the first."""
        outcomes = [one if isinstance(one, Exception) else self._checked(one) for one in requests]
        if not return_exceptions:
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    raise outcome
        return outcomes

    def _checked(self, request: Request) -> Request | Exception:
        try:
            self._policy.check(request)
            return self._privacy.ready([request], self._state.force)[0]
        except (LevelError, PrivateError) as error:
            return error

    def _forced(self, requests: Sequence[Request]) -> list[Decision]:
        """Return the decisions that the switch takes; none while it is off."""
        route = self._state.force
        if route is None:
            return []
        for request in requests:
            self._policy.check(request)
        router_id = self._policy.router.id
        forced, at_home = Decision(route, reason="forced", router_id=router_id), private_decision(router_id)
        return [at_home if request.private else forced for request in requests]

    def _as_scored(self, requests: Sequence[Request]) -> Sequence[Request]:
        return as_scored(as_without(requests) if self._options.shadow else requests, self._options.ignore_tags)

    def _followed(self, decisions: Sequence[Decision]) -> Sequence[Decision]:
        return [in_shadow(decision) for decision in decisions] if self._options.shadow else decisions


def _decided(requests: Sequence[Request], decisions: Sequence[Decision], start: float) -> list[Decided]:
    seconds = time.perf_counter() - start
    return [Decided(request, decision, seconds) for request, decision in zip(requests, decisions, strict=True)]
