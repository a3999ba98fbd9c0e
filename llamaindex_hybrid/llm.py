"""The LLM: every method of LlamaIndex's, answered by a small or a large model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, Self

from llama_index.core.base.llms.types import (
    LLMMetadata,
)
from llama_index.core.bridge.pydantic import (
    PrivateAttr,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM

from hybrid_llm.decision import Route
from hybrid_llm.dispatch import Pair, PairState, Request
from hybrid_llm.event import Observes
from hybrid_llm.level import Level
from llamaindex_hybrid._answers import ANSWERS
from llamaindex_hybrid._asks import Asks, Background
from llamaindex_hybrid._capabilities import Arm, ContextPolicy, merged_metadata
from llamaindex_hybrid._methods import RoutedLLM
from llamaindex_hybrid._private import hosted_service
from llamaindex_hybrid._routing import Routing
from llamaindex_hybrid.events import DISPATCHES

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_llm.dispatch import RuleLike
    from hybrid_llm.router import Router, Scorer

_SHARED: Final = ("callback_manager", "rate_limiter")
"""What is set on the LLM and meant for its arms: they are what emits events and is limited."""
_OF_THE_ARMS: Final = (
    "system_prompt",
    "output_parser",
    "messages_to_prompt",
    "completion_to_prompt",
    "query_wrapper_prompt",
    "pydantic_program_mode",
)
"""What each arm has by itself; on the LLM it would do nothing."""


class HybridLLM(RoutedLLM):
    """An LLM that asks a small or a large one, call by call: a drop-in for either.

    The router reads the user's question: in a query engine the question itself and not the prompt with the documents,
    in a chat the last words of the user. A short follow-up keeps the decision of the turn before, and so do the steps
    of a tool loop. Calls of the framework's own (condensing a question, extracting, reranking) go to ``background``.
    The decision is in ``response.additional_kwargs["hybrid"]``, also on each chunk of a stream, and in a
    :class:`HybridRoutingEvent`.

    Each call may have a level of its own: ``llm.chat(messages, quality=0.9)``, else that of :func:`hybrid_quality`,
    else that of :meth:`with_quality`, else the one given here. ``route="small"`` or ``"large"`` forces, and
    ``private=True`` or ``with hybrid_llm.private():`` keeps a call on this machine.

    A model may be such a pair itself: the answer then has the decision of each step in ``["hybrid"]["steps"]``,
    outermost first, and what a call chooses is for the outermost pair; see ``docs/guide/more-than-two.md``.

    What a model says of itself stays on that model: its ``system_prompt``, output parser and prompt format. A
    callback manager or rate limiter that is set here is set on all. Copies share the models and what is known of
    their outages.

    Args:
        small: The local model. Give an Ollama its ``context_window``: without one it asks its server for it.
        large: The hosted model.
        router: A ``hybrid_llm.Router``, the path of a router folder, or an object with ``score(queries)`` and ``id``.
        quality: Share of the large model's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
            router's default level.
        allowed: The range that requests may choose their level from, in the units of the level above; a route can
            then be forced only if always-small or always-large lies in it. ``None`` leaves them free.
        fallback_to_large: Whether large answers when small is down.
        fallback_to_small: Whether small answers when large is down.
        small_timeout: Seconds that small has until its first token; ``None`` waits as long as the model does.
        ignore_tags: Names of tags whose blocks are not scored, such as the environment that an editor appends.
        second_look: ``True`` for the look that the router was trained with, ``"logprobs"`` or ``"agreement"`` for one
            that needs no training: small's answer is held back until it was looked at, and large answers in its place
            where it is not good enough. Streams then show small's answer in one piece. Not at ``threshold=`` and
            ``route=``, which are about the question alone.
        checker: Another local model that answers too, for a look that compares with it.
        check: A function of the question and small's answer that returns ``False`` for one that must not be shown:
            large answers then. Without a second look too, small's answer is held back for it.
        checks: More such functions.
        look_timeout: Seconds that an answer which is held back has as a whole, and the checker with it.
        observers: Who is told of each call: functions of a ``hybrid_llm.event.RequestEvent``, or observers.
        prices: Dollars for a million tokens (read, written) by the name of a model, where they are not known anyway.
        private: Whether no call may leave the machine, or a function that says so of each text of a call. Small answers
            a private call, or nobody does; see ``docs/guide/private.md``.
        local_hosts: Hosts of yours where small may run for private calls, beside this machine; ``"*"`` for any.
        trace_private: Whether a private call is answered although a handler sends what it hears to a service.
        rules: Pairs of a regular expression, or a function of the question, and the arm that it goes to: ``"small"`` or
            ``"large"``. They come before the score.
        stay: ``"conversation"`` keeps a conversation on the arm that it began with.
        shadow: Whether large answers everything, and observers hear what would have been decided.
        context_policy: ``"min"`` promises the smaller context window, so that both models can read every prompt;
            ``"large"`` promises the large model's, and sends it the prompts that small cannot read.
        background: Where calls without a question of the user's go: ``"large"``, ``"small"``, or ``"route"``, which
            scores their prompts. ``threshold=0`` sends them to small all the same, and one above 1 to large.
        query_vars: Variables of templates that hold the user's question.
        callback_manager: Set on all models.
        state: What copies share: the breakers of both models, and the switch.

    Raises:
        TypeError: An arm is no LLM, or ``router`` is nothing that scores.
        LevelError: Two levels, one out of range, or one that this router has no thresholds for.
        LookError: The router has no such second look, or ``checker`` is the small model itself.
        ConfigError: A timeout is not positive, or a check is no plain function.
        ValueError: ``context_policy`` or ``background`` is another word.

    Example:
        >>> from llama_index.core.llms import MockLLM
        >>> from hybrid_llm.testing import FixedScorer
        >>> scorer = FixedScorer({"2+2?": 0.9}, default=0.1)
        >>> llm = HybridLLM(MockLLM(max_tokens=2), MockLLM(max_tokens=4), scorer, threshold=0.5)
        >>> llm.complete("2+2?").additional_kwargs["hybrid"]["route"]
        'small'
    """

    _options: dict[str, Any] = PrivateAttr()
    _observers: tuple[Observes, ...] = PrivateAttr()

    def __init__(
        self,
        small: LLM,
        large: LLM,
        router: Router | Scorer | str | Path,
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        allowed: Sequence[float] | None = None,
        fallback_to_large: bool = True,
        fallback_to_small: bool = False,
        small_timeout: float | None = None,
        ignore_tags: Sequence[str] = (),
        second_look: bool | str = False,
        checker: LLM | None = None,
        check: Callable[[str, str], object] | None = None,
        checks: Sequence[Callable[[str, str], object]] = (),
        look_timeout: float | None = None,
        observers: Sequence[Observes] = (),
        prices: Mapping[str, Any] | None = None,
        private: bool | Callable[[str], bool] = False,
        local_hosts: Sequence[str] = (),
        trace_private: bool = False,
        rules: Sequence[RuleLike] = (),
        stay: Literal["conversation"] | None = None,
        shadow: bool = False,
        context_policy: ContextPolicy = "min",
        background: Background = "large",
        query_vars: Sequence[str] = ("query_str", "question", "query"),
        callback_manager: CallbackManager | None = None,
        state: PairState | None = None,
    ) -> None:
        _check_word("context_policy", context_policy, ("min", "large"))
        _check_word("background", background, ("large", "small", "route"))
        arms: dict[Route, Arm] = {"small": Arm("small", small), "large": Arm("large", large)}
        options: dict[str, Any] = {
            "quality": quality,
            "cost_advantage": cost_advantage,
            "threshold": threshold,
            "allowed": allowed,
            "fallback_to_large": fallback_to_large,
            "fallback_to_small": fallback_to_small,
            "small_timeout": small_timeout,
            "ignore_tags": ignore_tags,
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
        looks_too = None if checker is None else Arm("checker", checker)
        pair = Pair(
            router,
            small=lambda: arms["small"].capabilities,
            large=lambda: arms["large"].capabilities,
            checker=looks_too.capabilities if looks_too else None,
            checks=checks,
            answers=ANSWERS,
            observers=(DISPATCHES, *observers),
            state=state,
            **options,
        )
        super().__init__(small=small, large=large)
        self._routing = Routing(arms, pair, looks_too)
        self._asks = Asks(
            tuple(query_vars),
            background,
            usual=pair.options.level,
            tracer=partial(_hosted, small, large, checker),
            readers=(small, large),
        )
        self._options = {
            **options,
            "checker": checker,
            "checks": tuple(checks),
            "context_policy": context_policy,
            "background": background,
            "query_vars": tuple(query_vars),
        }
        self._observers = tuple(observers)
        if callback_manager is not None:
            self.callback_manager = callback_manager

    @property
    def router(self) -> Router:
        """What scores."""
        return self._routing.pair.router

    @property
    def checker(self) -> LLM | None:
        """The model that small's answers are compared with."""
        return self._routing.checker.llm if self._routing.checker else None

    @property
    def force(self) -> Route | None:
        """The switch: where every call goes from now on, in all copies; ``None`` leaves it to the router."""
        return self._routing.pair.force

    @force.setter
    def force(self, route: Route | None) -> None:
        self._routing.pair.force = route

    def with_quality(
        self, quality: float | None = None, *, cost_advantage: float | None = None, threshold: float | None = None
    ) -> Self:
        """Return a copy with another level, for one request or many; it shares both models.

        Args:
            quality: Share of the large model's quality to keep, in (0, 1].
            cost_advantage: Share of queries to send to small, in [0, 1].
            threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
                level of the constructor.

        Raises:
            LevelError: Two levels, one out of range, or one that is not for requests to choose.

        Example:
            >>> engine = index.as_query_engine(llm=llm.with_quality(0.95), streaming=True)  # doctest: +SKIP
        """
        level = Level.of(quality=quality, cost_advantage=cost_advantage, threshold=threshold)
        self._routing.pair.check(Request("", level=level))
        copy = self.model_copy()
        copy._asks = replace(self._asks, level=level)
        return copy

    @classmethod
    def class_name(cls) -> str:
        """Return the name that the framework writes into dumps."""
        return "hybrid_llm"

    @property
    def metadata(self) -> LLMMetadata:
        """What callers may rely on, whichever model answers; a server that is down is waited for two seconds."""
        arms = self._routing.arms
        return merged_metadata(arms["small"], arms["large"], self._options["context_policy"])

    def to_payload(self) -> dict[str, Any]:
        """Return what observability tools may see: names and settings."""
        arms = self._routing.arms
        return {
            "class_name": self.class_name(),
            "small": _named(arms["small"]),
            "large": _named(arms["large"]),
            "router_id": self.router.id,
            **self._options,
            "checker": _named(self._routing.checker) if self._routing.checker else None,
            "check": None if self._options["check"] is None else "function",  # a function has no place in a dump
            "checks": len(self._options["checks"]),
            # functions have no place in a dump
            "private": "function" if callable(self._options["private"]) else self._options["private"],
            "rules": len(self._options["rules"]),
        }

    @model_serializer(mode="wrap")
    def custom_model_dump(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """Return names and settings; never the models themselves, whose dumps hold keys."""
        return self.to_payload()

    @classmethod
    def from_dict(cls, data: dict[str, Any], **kwargs: Any) -> NoReturn:
        """Refuse: a dump holds no models.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("A HybridLLM is not made from a dict, which holds no models: HybridLLM(small, ...).")

    def __setattr__(self, name: str, value: Any) -> None:
        if getattr(self, "_routing", None) is None:  # under construction
            super().__setattr__(name, value)
            return
        if name in _OF_THE_ARMS:
            raise AttributeError(f"{name} belongs to each model: set llm.small.{name} and llm.large.{name}.")
        super().__setattr__(name, value)
        if name in _SHARED:
            for llm in (self.small, self.large, self.checker):
                if llm is not None:
                    setattr(llm, name, value)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that shares the models, which hold connections that cannot be copied."""
        return self.model_copy()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the models, the settings, and the router by the path of its folder."""
        options = {**self._options, "observers": self._observers}
        return _rebuilt, (type(self), self.small, self.large, self.router, options, self._asks.level)

    def __repr_args__(self) -> Any:
        """Yield what ``repr`` shows: names and settings, no keys."""
        return (
            (name, value) for name, value in self.to_payload().items() if name != "class_name" and value is not None
        )


def _hosted(*llms: LLM | None) -> str | None:
    return hosted_service(*(llm.callback_manager for llm in llms if llm is not None))


def _rebuilt(
    cls: type[HybridLLM], small: LLM, large: LLM, router: Router, options: dict[str, Any], level: Level | None
) -> HybridLLM:
    llm = cls(small, large, router, **options)
    chosen: dict[str, Any] = level.as_dict() if level else {}
    return llm.with_quality(**chosen)


def _named(arm: Arm) -> dict[str, str]:
    return {"class_name": arm.llm.class_name(), "model": arm.name}


def _check_word(option: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise ValueError(f"{option}= is one of {', '.join(map(repr, words))}; not {word!r}.")
