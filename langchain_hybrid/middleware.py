"""Hybrid routing for LangChain's agents: each model call goes to the small or to the large model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, cast

from langchain.agents.middleware import AgentMiddleware, ExtendedModelResponse, ModelRequest, ModelResponse, TracePolicy
from langchain.agents.middleware.types import omit_payload
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from hybrid_llm.decision import KEY, Decision, Reason, Route
from hybrid_llm.dispatch import Attempts as Calls
from hybrid_llm.dispatch import PairState, Request, RuleLike, Within, is_marked
from hybrid_llm.errors import ConfigError
from langchain_hybrid._agent import HybridState, as_model, for_arm, read_request
from langchain_hybrid._capabilities import capabilities_of, pair_of
from langchain_hybrid._first_token import Attempts, only
from langchain_hybrid._held_step import HeldStep, asked_of_step, muted_here, wanted_of_step
from langchain_hybrid._messages import CONVERSATION, LAST_HUMAN
from langchain_hybrid._parts import refuse_pair
from langchain_hybrid._private import uncached
from langchain_hybrid._trace import with_decision
from langchain_hybrid._within import standing

_OF_ONE_CALL: Final[frozenset[Reason]] = frozenset({"forced", "context", "modality", "tools", "structured_output"})
"""Reasons that lie in one model call; the next one may be free of them."""


class HybridRouterMiddleware(AgentMiddleware[HybridState, Any, Any]):
    """Lets an agent's model calls be answered by the small model where that is good enough, else by the large one.

    The decision is taken from the user's last message, once for the whole run: an agent that changes its model in
    the middle of a tool loop pays for every prompt cache again. Tools, images, a forced tool choice, a schema and a
    long context still go to the arm that can serve them, call by call. When the small arm is down, large goes on.

    The answer's ``response_metadata["hybrid"]`` holds the decision that brought it, and the agent's state, under
    ``hybrid``, the one that holds for the run, both as plain dicts. The arm's run in a trace is tagged
    ``route:small`` or ``route:large``; this middleware's own runs in it hold no messages.

    A request chooses its own level by the run's context, ``agent.invoke(..., context={"quality": 0.9})`` (a dict or
    an object with ``quality``, ``cost_advantage``, ``threshold`` or ``route``), or by
    ``config={"configurable": {"hybrid_quality": 0.9}}``; the context comes first.

    Put a ``ModelFallbackMiddleware`` after this one in the list: there it catches what its arm raises, and answers
    under this one's decision. Not in the place of a small arm that was asked for by name (``route="small"``, ``force``,
    ``threshold=0``): once that one has failed no other model runs in its place, wherever the middleware stands.

    Args:
        small: The cheap chat model, without tools bound to it: the agent binds its own to the arm that it calls.
        large: The strong chat model, likewise.
        router: A ``hybrid_llm.Router``, the path of a router folder, or an object with ``score(queries)`` and ``id``.
        quality: Share of the large model's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
            router's default level.
        scope: ``"run"`` decides once for each run of the agent, ``"step"`` at each model call (worth it with a
            ``query`` that changes in a run).
        sticky: Whether a run that large has answered in, for whatever reason, stays with large to its end.
        allowed: The range (least, most) that requests may choose from, in the units of the level given here.
        fallback_to_large: Whether large answers when small is down.
        fallback_to_small: Whether small answers when large is down.
        small_timeout: Seconds that small has for its whole answer; ``None`` waits as long as the model itself does.
        ignore_tags: Names of tags whose blocks are not scored, such as the environment that an editor appends.
        observers: Who is told of each model call: functions of a ``hybrid_llm.event.RequestEvent``, or observers.
        prices: Dollars for a million tokens (read, written) by the name of a model, where they are not known anyway.
        second_look: ``True`` for the look that the router was trained with, ``"logprobs"`` or ``"agreement"`` for one
            that needs no training: at each model call small's answer is held back until it was looked at, and where it
            is not good enough large answers. Of calls of tools only whether they can be made is looked at.
        checker: A third chat model, as cheap as small, whose final answer is compared with small's.
        check: A function of the query and small's answer; ``False`` has large answer instead, with a look or alone.
        look_timeout: Seconds that an answer which is held back has as a whole.
        private: Whether no request may leave the machine, or a function that says so of each text of a request. Small
            answers a private request, or nobody does; see ``docs/guide/private.md``.
        local_hosts: Hosts of yours where small may run for private requests, beside this machine; ``"*"`` for any.
        trace_private: Whether a private request is answered although a hosted tracer (LangSmith) is on.
        rules: Pairs of a regular expression, or a function of the query, and the arm that it goes to: ``"small"`` or
            ``"large"``. They come before the score.
        stay: ``"conversation"`` keeps a conversation on the arm that it began with.
        shadow: Whether large answers everything, and observers hear what would have been decided.
        query: The text to score: ``"last_human"``, ``"conversation"``, or a function of the list of messages.

    Raises:
        TypeError: An arm is no chat model or already bound, or ``router`` is nothing that scores.
        LevelError: Two levels, one out of range, or one that this router has no thresholds for.
        ConfigError: An unknown ``scope`` or ``query``, or a ``small_timeout`` that is not positive.

    Example:
        >>> from hybrid_llm.testing import FixedScorer
        >>> from langchain.agents import create_agent
        >>> from langchain_core.language_models import FakeListChatModel
        >>> small, large = FakeListChatModel(responses=["4"]), FakeListChatModel(responses=["QED"])
        >>> scorer = FixedScorer({"2+2?": 0.9}, default=0.1)
        >>> agent = create_agent(large, middleware=[HybridRouterMiddleware(small, large, scorer, threshold=0.5)])
        >>> state = agent.invoke({"messages": [("user", "2+2?")]})
        >>> state["messages"][-1].content, state["hybrid"]["route"]
        ('4', 'small')
    """

    state_schema = HybridState
    trace_policy = TracePolicy(process_inputs=omit_payload, process_outputs=lambda output: _decision_alone(output))

    def __init__(
        self,
        small: BaseChatModel,
        large: BaseChatModel,
        router: Any,
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        scope: Literal["run", "step"] = "run",
        sticky: bool = True,
        allowed: Sequence[float] | None = None,
        fallback_to_large: bool = True,
        fallback_to_small: bool = False,
        small_timeout: float | None = None,
        ignore_tags: Sequence[str] = (),
        observers: Sequence[Any] = (),
        prices: Mapping[str, Any] | None = None,
        second_look: bool | str = False,
        checker: BaseChatModel | None = None,
        check: Callable[[str, str], object] | None = None,
        look_timeout: float | None = None,
        private: bool | Callable[[str], bool] = False,
        local_hosts: Sequence[str] = (),
        trace_private: bool = False,
        rules: Sequence[RuleLike] = (),
        stay: Literal["conversation"] | None = None,
        shadow: bool = False,
        query: str | Callable[[Any], str] = LAST_HUMAN,
    ) -> None:
        super().__init__()
        if scope not in ("run", "step"):
            raise ConfigError(f"scope={scope!r} is unknown; use 'run' (one decision for each) or 'step' (each call).")
        if not callable(query) and query not in (LAST_HUMAN, CONVERSATION):
            raise ConfigError(
                f"query={query!r} is unknown; use {LAST_HUMAN!r}, {CONVERSATION!r} or a function of the messages."
            )
        self.small, self.large = as_model("small", small), as_model("large", large)
        self.scope, self.sticky, self.query = scope, sticky, query
        options = {
            "quality": quality,
            "cost_advantage": cost_advantage,
            "threshold": threshold,
            "allowed": allowed,
            "fallback_to_large": fallback_to_large,
            "fallback_to_small": fallback_to_small,
            "small_timeout": small_timeout,
            "ignore_tags": ignore_tags,
            "observers": observers,
            "prices": prices,
            "second_look": second_look,
            "check": check,
            "look_timeout": look_timeout,
            "private": private,
            "local_hosts": local_hosts,
            "trace_private": trace_private,
            "rules": rules,
            "stay": stay,
            "shadow": shadow,
        }
        self.checker = None if checker is None else as_model("checker", checker)
        if second_look is not False or check is not None:
            refuse_pair(self.small)
        self._pair = pair_of(self.small, self.large, router, PairState(), options, self.checker)
        windows = (capabilities_of(arm).context_window for arm in (self.small, self.large))
        self._weighs_tools = any(window is not None for window in windows)

    @property
    def force(self) -> Route | None:
        """The switch: where every model call goes from now on; ``None`` leaves it to the router."""
        return self._pair.force

    @force.setter
    def force(self, route: Route | None) -> None:
        self._pair.force = route

    def before_agent(self, state: HybridState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Begin a run: a checkpoint may still hold the decision of the one before."""
        return {KEY: None} if state.get(KEY) and not is_marked(state) else None  # what was private stays so

    async def abefore_agent(self, state: HybridState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """Do what :meth:`before_agent` does."""
        return self.before_agent(state, runtime)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        """Decide, and let the chosen arm answer.

        Raises:
            LevelError: The run's context or config has two levels, or one out of range.
        """
        held, asked = self._read(request)
        decided = self._pair.decide(asked)
        attempts, calls, step = Attempts(), Calls(), HeldStep(self._pair)

        def answer(decision: Decision) -> ModelResponse[Any]:
            arm = self._arm(decision)
            with attempts.of(decision, arm):
                if decision.held:
                    return step.answer(for_arm(request, arm, decision, self._pair), handler)
                return handler(for_arm(request, arm, decision, self._pair))

        def check(decision: Decision) -> ModelResponse[Any]:
            assert self.checker is not None
            checker = self._asks(self.checker, decision)
            with only(checker), muted_here():
                return handler(for_arm(request, checker, decision, self._pair))

        with attempts.raising():
            compared = check if self.checker else None
            response, came = self._pair.call(decided, answer, calls, read=step.read, checker=compared)
        response = step.shown(response, came)
        return self._answered(response, held, decided.decision, came, calls)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ExtendedModelResponse[Any]:
        """Do what :meth:`wrap_model_call` does; the scoring does not block the event loop."""
        held, asked = self._read(request)
        decided = await self._pair.adecide(asked)
        attempts, calls, step = Attempts(), Calls(), HeldStep(self._pair)

        async def answer(decision: Decision) -> ModelResponse[Any]:
            arm = self._arm(decision)
            with attempts.of(decision, arm):
                if decision.held:
                    return await step.aanswer(for_arm(request, arm, decision, self._pair), handler)
                return await handler(for_arm(request, arm, decision, self._pair))

        async def check(decision: Decision) -> ModelResponse[Any]:
            assert self.checker is not None
            checker = self._asks(self.checker, decision)
            with only(checker), muted_here():
                return await handler(for_arm(request, checker, decision, self._pair))

        with attempts.raising():
            compared = check if self.checker else None
            response, came = await self._pair.acall(decided, answer, calls, read=step.read, checker=compared)
        response = step.shown(response, came)
        return self._answered(response, held, decided.decision, came, calls)

    def _read(self, request: ModelRequest[Any]) -> tuple[Decision | None, Request]:
        """Return the decision of this run that still holds, if any, and the core's request."""
        asked = read_request(request, self.query, self.small, self.checker, weigh_tools=self._weighs_tools)
        if self._pair.holds:
            asked = replace(asked, wanted=wanted_of_step(request, structured=asked.structured))
        if self._pair.holds or self._pair.router.parts.promises:
            asked = replace(asked, asked=asked_of_step(request))
        held = Decision.found_in(request.state)
        if held is not None and self._holds(held):
            return held, replace(asked, previous=held, same_turn=True, trusted=True)
        if asked.same_turn and (self.scope == "step" or held is not None):  # that of an earlier call, on its answer
            return None, replace(asked, previous=None, same_turn=False)
        return None, asked

    def _holds(self, decision: Decision) -> bool:
        """Return whether a decision that was taken earlier in the run binds this call."""
        decision = _would_be(decision)
        escalated = self.sticky and decision.route == "large"
        return escalated or (self.scope == "run" and decision.reason not in _OF_ONE_CALL)

    def _arm(self, decision: Decision) -> BaseChatModel:
        arm = self.small if decision.route == "small" else self.large
        return self._asks(standing(arm, Within.of(decision)), decision)

    def _asks(self, model: BaseChatModel, decision: Decision) -> BaseChatModel:
        return cast("BaseChatModel", uncached(model)) if decision.private else model

    def _answered(
        self,
        response: ModelResponse[Any] | AIMessage,
        held: Decision | None,
        decision: Decision,
        came: Decision,
        calls: Calls,
    ) -> ExtendedModelResponse[Any]:
        """Return the response with the decision that came true, and keep for the run what is to hold."""
        large = (each for each in (held, came, decision) if each is not None and _would_be(each).route == "large")
        kept = (next(large, None) if self.sticky else None) or held or decision
        if isinstance(response, AIMessage):
            response = ModelResponse([response])
        result = [with_decision(message, came, calls) for message in response.result]
        return ExtendedModelResponse(replace(response, result=result), Command(update={KEY: kept.as_dict()}))


def _would_be(decision: Decision) -> Decision:
    """Return what would have been decided, where large answers in shadow."""
    return decision.shadow or decision


def _decision_alone(output: Any) -> dict[str, Any]:
    """Return what a trace keeps of a hook's output: the decision, not the messages."""
    update = getattr(getattr(output, "command", None), "update", None)
    return {KEY: update[KEY]} if isinstance(update, dict) and KEY in update else {}
