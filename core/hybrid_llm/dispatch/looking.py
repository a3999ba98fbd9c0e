"""The second look as a pair serves it: which answers of small are held back, and what becomes of them.

A level of a look is a gate on the query and a threshold on the answer. :class:`Looking` stands in the router's place:
it compares the score with the gate, marks the decisions whose answer is to be held back (``Decision.held``), and later
turns an answer into the decision that comes true. It calls nobody; that is done in ``held.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.decision import Decision, Look, Reason
from hybrid_llm.dispatch.checks import Check
from hybrid_llm.dispatch.place import Local
from hybrid_llm.dispatch.request import Capabilities, Request
from hybrid_llm.dispatch.standing import Standing
from hybrid_llm.dispatch.state import PairState
from hybrid_llm.errors import LookError, PrivateError
from hybrid_llm.level import DEFAULT_LEVEL, Level
from hybrid_llm.look import ASKED_WITH, Answer, Bound, Wanted, rejected

if TYPE_CHECKING:
    from hybrid_llm.look import LookPlan, SecondLook
    from hybrid_llm.router import Router

_LOOKED_AT: Final[frozenset[Reason]] = frozenset({"score", "follow_up", "private"})
"""Reasons for small after which large could answer just as well; and the one after which the look is told and no more.
"""
_SAMPLES: Final = "@T"
"""In the name of a checker: the small model itself, at another temperature."""


class Looking:
    """Decides in a router's place, and looks at answers.

    Args:
        router: Scores.
        look: The second look; ``None`` for checks alone, or for nothing of both.
        checks: Rules of the caller's own.
        state: Where the warnings that were given are noted.
        level: The pair's level: one that the look does not have says so here.

    Attributes:
        asked: Returns what is known of small and of the checker: their names, and how small is asked.
        standing: Whether what the router was certified for still stands.

    Raises:
        LevelError: The look has no such level.
    """

    def __init__(
        self,
        router: Router,
        look: SecondLook | None = None,
        checks: Sequence[Check] = (),
        state: PairState | None = None,
        level: Level | None = None,
    ) -> None:
        self.router = router
        self.look = look
        self.asked: Callable[[], tuple[Capabilities, Capabilities]] = lambda: (Capabilities(), Capabilities())
        self._checks = checks
        self._level = level
        self._state = state or PairState()
        self.weighs(Capabilities)
        self._certified_with = _certified_with(router)
        self._plan: Callable[[Level], LookPlan] | None = lru_cache(256)(look.plan) if look is not None else None
        if look is not None:
            self.threshold_for(level)

    @property
    def holds(self) -> bool:
        """Whether it may hold answers back."""
        return self.look is not None or bool(self._checks)

    def weighs(self, small: Callable[[], Capabilities]) -> None:
        """Let the weights of this small arm be compared with those of the certificate."""
        self.standing = Standing(self.router, small, self._state)

    # before small is asked

    def plan(self, level: Level | None) -> LookPlan | None:
        """Return what a level comes to with the look; ``None`` where the query alone decides.

        Raises:
            LevelError: The look has no such level.
        """
        level = level or DEFAULT_LEVEL
        if self._plan is None or level.kind == "threshold":
            return None
        plan = self._plan(level)
        if plan.certified and (why := self._otherwise() or self.standing.ended()):
            return replace(plan, certified=False, void_reason=why)
        if plan.void_reason:
            self._state.warn_once(
                "look void",
                f"The certificate of the second look is void: {plan.void_reason} What it keeps at {level} is measured, "
                "and promises nothing; hybrid-llm certify gives a new promise with a proof.",
            )
        elif level.kind == "quality" and not plan.certified:
            self._state.warn_once(
                "look measured",
                f"What the second look keeps at {level} was measured, not certified, for this pair; hybrid-llm certify "
                "gives a promise with a proof.",
            )
        return plan

    def _otherwise(self, request: Request | None = None) -> str:
        """Return how what is asked differs from what the look was proved with, after one warning; nothing if not.

        Args:
            request: Whose settings count; ``None`` compares the models alone.
        """
        assert self.look is not None
        small, checker = self.asked()
        samples = f"{small.model}{_SAMPLES}"
        named = checker.model and len(self.look.checkers) == 1 and not self.look.checkers[0].startswith(samples)
        why = self.look.bound.differs(
            small=small.model,
            checkers=[checker.model] if named else None,
            settings=None if request is None else {**small.asked, **request.asked},
        )
        if not why:
            return ""
        self._state.warn_once(
            "other models",
            f"What the second look was proved with is not what is asked here ({why}), so nothing is promised; ask "
            "as it was measured, or certify it with answers to what you ask: hybrid-llm certify.",
        )
        return f"The second look was proved otherwise: {why}."

    def _asked_otherwise(self, request: Request) -> str:
        """Return how small is asked otherwise than when the router was certified, after one warning; nothing if not."""
        if self._certified_with is None:
            return ""
        why = self._certified_with.differs(settings={**self.asked()[0].asked, **request.asked})
        if not why:
            return ""
        self._state.warn_once(
            "asked otherwise",
            f"The router was certified with answers to other settings ({why}), so nothing is promised; ask as it was "
            "measured, or have it measured as you ask: hybrid-llm run with --temperature, --max-tokens, --system.",
        )
        return f"The router was certified with other settings: {why}."

    def threshold_for(self, level: Level | None) -> float:
        """Return a number that falls as a level lets small answer more; that of the query where it alone decides.

        Raises:
            LevelError: There is no such level here.
        """
        plan = self.plan(level)
        if plan is not None:
            return 2.0 * (1.0 - plan.cost_advantage)
        option: dict[str, Any] = level.as_dict() if level else {}
        return self.router.threshold_for(**option)

    def decide_each(self, queries: Sequence[str], levels: Sequence[Level | None]) -> list[Decision]:
        """Decide n queries, each at its level, as :meth:`hybrid_llm.Router.decide_each` does."""
        plans = [self.plan(level) for level in levels]
        gates = any(plan is not None for plan in plans)
        decisions = self.router.decide_each(queries, self._gates(levels, plans), gates=gates)
        return list(map(self._gated, decisions, levels, plans))

    async def adecide_each(self, queries: Sequence[str], levels: Sequence[Level | None]) -> list[Decision]:
        """Do what :meth:`decide_each` does without blocking the event loop."""
        plans = [self.plan(level) for level in levels]
        gates = any(plan is not None for plan in plans)
        decisions = await self.router.adecide_each(queries, self._gates(levels, plans), gates=gates)
        return list(map(self._gated, decisions, levels, plans))

    def _gates(self, levels: Sequence[Level | None], plans: Sequence[LookPlan | None]) -> Sequence[Level | None]:
        if self.look is None:
            return levels
        return [
            level if plan is None else Level("threshold", plan.gate) for level, plan in zip(levels, plans, strict=True)
        ]

    def _gated(self, decision: Decision, level: Level | None, plan: LookPlan | None) -> Decision:
        """Return what the gate makes of a decision that was taken with it as the threshold."""
        if plan is None or self.look is None:
            return decision
        skips = decision.familiar is False and self.look.form == "trained" and bool(plan.cuts)
        return decision.override(
            route="small" if skips and decision.reason == "score" else decision.route,
            level=level or DEFAULT_LEVEL,
            threshold=plan.gate,
            certified=plan.certified and decision.familiar is not False,
            void_reason=plan.void_reason,
        )

    def followed(self, previous: Decision, *, same_turn: bool) -> Decision:
        """Return what was decided before the look, of a decision that a later request keeps.

        Args:
            previous: That of an earlier answer.
            same_turn: Whether the request is a later step of its tool loop: once large answered there, it goes on.
        """
        if previous.look is None:
            return previous
        stays = same_turn and previous.route == "large"
        if stays or not self.holds:
            return previous.override(reason="follow_up", look=None)
        return previous.override(route="small", reason="follow_up", look=None)

    def marked(self, request: Request, decision: Decision) -> Decision:
        """Return a decision as it stands now, with an empty look where the answer is to be held back."""
        if decision.certified:
            decision = self._still_certified(request, decision)
        if decision.private and self.holds and request.route is None:
            decision = decision.override(level=request.level or self._level or DEFAULT_LEVEL)
        looks = self.look is not None and decision.level is not None and decision.level.kind != "threshold"
        if decision.route == "small" and decision.reason in _LOOKED_AT and (looks or self._checks):
            return decision.override(look=Look())
        return decision

    # when small has answered

    def cannot_be_used(self, request: Request, answer: Answer) -> Look | None:
        """Return a look at an answer that a check rejects, or that a check of the caller's fails at."""
        wanted = request.wanted or Wanted()
        try:
            why = rejected(request.text, answer, replace(wanted, check=self._check(wanted.check)))
        except _CheckFailedError:
            return Look()
        return Look(rejected=why) if why else None

    def needs_checkers(self, decision: Decision, answer: Answer | None = None) -> bool:
        """Return whether an answer is compared with what checkers say; without one whether it may be."""
        compares = self.look is not None and bool(self.look.checkers) and self.plan(decision.level) is not None
        return compares and (answer is None or not answer.tool_calls)

    def judged(
        self,
        request: Request,
        decision: Decision,
        answer: Answer,
        checkers: Mapping[str, Answer | None],
        small: Capabilities,
    ) -> Decision:
        """Return the decision that comes true for an answer that passed the checks.

        Args:
            request: What was asked.
            decision: The one that had it held back.
            answer: What small gave.
            checkers: By name what the checkers gave; ``None`` of one that gave nothing.
            small: What is known of small.
        """
        plan = self.plan(decision.level) if decision.level is not None else None
        if self.look is None or plan is None or answer.tool_calls:  # a call of a tool: the checks alone decide
            return self._come(decision, Look(), kept=True)
        p = None if decision.familiar is False else decision.score
        there = {name: theirs for name, theirs in checkers.items() if theirs is not None}
        look = self.look.judge(plan, answer, checker=there, p=p)
        self._tell_missing(answer, there, small, decision)
        certified = self._certified(request, decision, plan) and self.look.sees_all(look)
        return self._come(decision, look, kept=look.kept, certified=certified)

    def refused(self, request: Request, decision: Decision, look: Look) -> Decision:
        """Return the decision that comes true for an answer that :meth:`cannot_be_used`."""
        plan = self.plan(decision.level) if decision.level is not None else None
        certified = plan is not None and self._certified(request, decision, plan)
        return self._come(decision, look, kept=False, certified=certified)

    def _come(self, decision: Decision, look: Look, *, kept: bool, certified: bool = False) -> Decision:
        """Return the decision that comes true; a private answer is shown, whatever was seen of it."""
        if decision.private:
            return decision.override(look=look if look != Look() else None)
        if kept:
            return decision.override(reason="kept", look=look, certified=certified)
        reason: Reason = "rejected" if look.rejected else "escalated"
        return decision.override(route="large", reason=reason, look=look, certified=certified)

    def _certified(self, request: Request, decision: Decision, plan: LookPlan) -> bool:
        promised = plan.certified and decision.familiar is not False
        return promised and not self._is_other(request, decision) and not self._otherwise(request)

    def _still_certified(self, request: Request, decision: Decision) -> Decision:
        """Return a decision for a promised level as it is now, where the promise is about such a request at all."""
        ended = self.standing.ended() or self.router.parts.void_reason
        if self._is_other(request, decision):
            return decision.override(certified=False, void_reason=ended)
        ended = ended or (self._asked_otherwise(request) if self.look is None else self._otherwise(request))
        return decision.override(certified=False, void_reason=ended) if ended else decision

    def _is_other(self, request: Request, decision: Decision) -> bool:
        """Return whether a request is none of those that a promise is about: words alone, and scored themselves."""
        unscored = decision.reason == "follow_up" or (decision.reason == "no_text" and decision.route == "small")
        another = request.asked.get("model") not in (None, self.asked()[0].model)
        return bool(request.tools) or request.same_turn or request.structured or unscored or another

    def _check(self, own: Check | None) -> Check | None:
        """Return all checks of the caller's as one."""
        checks = [*self._checks, *([own] if own else [])]
        if not checks:
            return None

        def passes(query: str, text: str) -> bool:
            for check in checks:
                try:
                    said = check(query, text)
                except Exception as error:
                    self._state.warn_once(
                        "check failed",
                        f"A check of small's answers failed ({type(error).__name__}); such answers are not shown, and "
                        "large answers.",
                    )
                    raise _CheckFailedError from error
                if type(said).__name__ in ("bool", "bool_") and not said:  # numpy's too
                    return False
            return True

        return passes

    def _tell_missing(
        self, answer: Answer, checkers: Mapping[str, Answer], small: Capabilities, decision: Decision
    ) -> None:
        assert self.look is not None
        name = small.model or "small"
        if self.look.reads_logprobs and answer.logprobs is None:
            remedy = small.no_logprobs or (
                "Ollama gives them from 0.12.11 on, llama-server and vLLM by their OpenAI API; or train the look with "
                "a checker."
            )
            self._state.warn_once(
                "no logprobs",
                f"The second look cannot see the log-probabilities of {name}: it goes on with what is left, and asks "
                f"large where nothing was measured without them. {remedy}",
            )
        missing = [each for each in self.look.checkers if each not in checkers]
        if missing and not decision.private:
            self._state.warn_once(
                "no checker",
                f"The second look compares with {', '.join(missing)}, which gave no answer: it goes on with what is "
                "left, and asks large where nothing was measured without it. Start it, and pass it as checker=.",
            )


def _certified_with(router: Router) -> Bound | None:
    """Return how the models were asked whose answers certified a router; ``None`` where nobody noted it."""
    noted = router.record.fingerprint.get(ASKED_WITH) if router.record is not None else None
    return Bound("", settings={ASKED_WITH: noted}) if noted and router.parts.promises else None


class _CheckFailedError(Exception):
    """A check of the caller's raised something."""


def check_checker(
    small: Capabilities,
    checker: Capabilities,
    look: SecondLook | None,
    state: PairState,
    at_home: Sequence[str] | None = None,
) -> None:
    """Refuse a checker that is the small model itself, or remote beside private requests; warn of an idle one.

    Raises:
        LookError: It is the small model, which would always agree.
        PrivateError: It runs elsewhere, and requests may be private.
    """
    host = checker.place.host if checker.place is not None else None
    if at_home is not None and host is not None and not Local(at_home).trusts(host):
        raise PrivateError(
            f"The checker runs at {host}, which is not this machine, and requests may be private; pass a local model "
            f"as checker=, or name the host where it is yours: local_hosts=[{host!r}]."
        )
    if look is None or not look.checkers:
        state.warn_once(
            "idle checker",
            "checker= is not asked: "
            + (
                "it is for a second look, so pass second_look= too."
                if look is None
                else "this second look compares with nobody; train one that does: hybrid-llm train TABLE "
                "--second-look --checker MODEL"
            ),
        )
    elif checker.model == small.model and not any(_SAMPLES in name for name in look.checkers):
        raise LookError(
            f"The checker {checker.model!r} is the small model itself, which agrees with itself; pass another local "
            "model as checker=."
        )
