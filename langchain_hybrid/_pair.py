"""Two chat models as one, in the eyes of the framework: construction, profile, trace, cache key, tokens, pickle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, ModelProfile
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.utils import ConfigurableFieldSpec
from pydantic import ConfigDict, Field, PrivateAttr

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import Request
from langchain_hybrid import _calls
from langchain_hybrid._history import safe_history
from langchain_hybrid._messages import LAST_HUMAN, request_of
from langchain_hybrid._options import CONFIG_SPECS, level_of, read_options, split_options
from langchain_hybrid._parts import as_chat_arm, checked_query, merged_profiles, new_breakers, new_routing, own_settings
from langchain_hybrid._routing import Routing
from langchain_hybrid._runs import closing_stream

DECISION: Final = "hybrid_decision"
"""The keyword argument that takes a call's decision from the outer methods to the inner ones."""

_OPTIONS: Final = (
    "quality",
    "cost_advantage",
    "threshold",
    "allowed",
    "fallback_to_large",
    "fallback_to_small",
    "small_timeout",
)


class ChatPair(BaseChatModel):
    """What ``ChatHybrid`` is besides its verbs."""

    small: BaseChatModel
    large: BaseChatModel
    router: Any = Field(exclude=True, repr=False)
    quality: float | None = None
    cost_advantage: float | None = None
    threshold: float | None = None
    allowed: Sequence[float] | None = None
    fallback_to_large: bool = True
    fallback_to_small: bool = False
    small_timeout: float | None = None
    query: str | Callable[[Any], str] = LAST_HUMAN
    streaming: bool | None = None
    breakers: Any = Field(default=None, exclude=True, repr=False)

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _made: tuple[tuple[Any, ...], Routing] | None = PrivateAttr(default=None)

    def __init__(
        self,
        small: BaseChatModel,
        large: BaseChatModel,
        router: Any,
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        allowed: Sequence[float] | None = None,
        fallback_to_large: bool = True,
        fallback_to_small: bool = False,
        small_timeout: float | None = None,
        query: str | Callable[[Any], str] = LAST_HUMAN,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        from hybrid_llm.router import Router  # loads numpy, which importing this package need not wait for

        level_of({"quality": quality, "cost_advantage": cost_advantage, "threshold": threshold})
        fields: dict[str, Any] = {
            "small": as_chat_arm("small", small),
            "large": as_chat_arm("large", large),
            "router": Router.of(router),
            "quality": quality,
            "cost_advantage": cost_advantage,
            "threshold": threshold,
            "allowed": allowed,
            "fallback_to_large": fallback_to_large,
            "fallback_to_small": fallback_to_small,
            "small_timeout": small_timeout,
            "query": checked_query(query),
            "name": name,
            "breakers": settings.pop("breakers", None) or new_breakers(),
        }
        if small.output_version == large.output_version:
            settings.setdefault("output_version", small.output_version)
        super().__init__(**fields, **own_settings(type(self), settings))
        self._routing()  # a level that makes no sense says so here

    def _routing(self) -> Routing:
        """Return what decides and calls; made anew when a field has changed."""
        options = {name: getattr(self, name) for name in _OPTIONS}
        made_of = (self.small, self.large, self.router, self.breakers, *options.values())
        if self._made is None or any(a is not b for a, b in zip(self._made[0], made_of, strict=True)):
            self._made = made_of, new_routing(self.small, self.large, self.router, options, self.breakers)
        return self._made[1]

    def _request(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Request:
        """Make the core's request of an input, its config and its keyword arguments."""
        options, rest = split_options(kwargs)
        return request_of(
            self._convert_input(value).to_messages(),
            read_options(options, config),
            query=self.query,
            tools=rest.get("tools") or (),
            tool_choice=rest.get("tool_choice"),
            structured=bool(rest.get("response_format")),
        )

    def _arm(self, decision: Decision) -> BaseChatModel:
        return self.small if decision.route == "small" else self.large

    def _decide(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Decision:
        """Return the decision that came with the call, or take it."""
        given: Decision | None = kwargs.get(DECISION)
        return given or self._routing().policy.decide(self._request(value, config, kwargs))

    async def _adecide(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Decision:
        given: Decision | None = kwargs.get(DECISION)
        return given or await self._routing().policy.adecide(self._request(value, config, kwargs))

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decision, rest = self._decide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        result, decision = self._routing().failover.call(
            decision, lambda d: _calls.generate(self._arm(d), self._history(messages, d), stop, run_manager, rest)
        )
        return _calls.marked(result, decision)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decision, rest = await self._adecide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        result, decision = await self._routing().failover.acall(
            decision, lambda d: _calls.agenerate(self._arm(d), self._history(messages, d), stop, run_manager, rest)
        )
        return _calls.marked(result, decision)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        decision, rest = self._decide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        chunks = self._routing().failover.stream(
            decision,
            lambda d: _calls.stream(self._arm(d), self._history(messages, d), stop, run_manager, rest),
            _calls.shows,
        )
        for first, decision in chunks:
            yield _calls.marked_chunk(first, decision)
            yield from (chunk for chunk, _ in chunks)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        decision, rest = await self._adecide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        chunks = self._routing().failover.astream(
            decision,
            lambda d: _calls.astream(self._arm(d), self._history(messages, d), stop, run_manager, rest),
            _calls.shows,
        )
        async with closing_stream(chunks):
            async for first, decision in chunks:
                yield _calls.marked_chunk(first, decision)
                async for chunk, _ in chunks:
                    yield chunk

    def _history(self, messages: list[BaseMessage], decision: Decision) -> list[BaseMessage]:
        return safe_history(messages, self._arm(decision), decision.route)

    @property
    def _llm_type(self) -> str:
        return "hybrid-chat"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        level = level_of({"quality": self.quality, "cost_advantage": self.cost_advantage, "threshold": self.threshold})
        return {
            "small": self.small._get_invocation_params(),
            "large": self.large._get_invocation_params(),
            "router_id": self.router.id,
            **(level.as_dict() if level else {}),
        }

    def _resolve_model_profile(self) -> ModelProfile | None:
        """Return what both arms can do: the least of two numbers, true where it is true of both."""
        small, large = self.small.profile, self.large.profile
        return cast("ModelProfile", merged_profiles(small, large)) if small and large else None

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """Return what the trace shows as parameters: those of the arm, once one is decided."""
        options, rest = split_options(kwargs)
        decision = rest.pop(DECISION, None)
        if decision is None:
            return super()._get_invocation_params(stop=stop, **options, **rest)
        return self._arm(decision)._get_invocation_params(stop=stop, **rest)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        """Return whom the trace names: the arm, once one is decided."""
        rest = split_options(kwargs)[1]
        decision = rest.pop(DECISION, None)
        if decision is not None:
            params = self._arm(decision)._get_ls_params(stop=stop, **rest)
        else:
            names = [arm._get_ls_params().get("ls_model_name", arm._llm_type) for arm in (self.small, self.large)]
            params = LangSmithParams(ls_provider="hybrid", ls_model_type="chat", ls_model_name=" or ".join(names))
            if stop:
                params["ls_stop"] = stop
        if isinstance(rest.get("model"), str):
            params["ls_model_name"] = rest["model"]
        return params

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Return the key of the cache: the keys of both arms, the router and what this call comes to."""
        options, rest = split_options(kwargs)
        decision = rest.pop(DECISION, None)
        if decision is None:
            chosen = read_options(options, ensure_config())
            level = chosen.level or self._routing().policy.level
            asked = (chosen.route, level and self.router.threshold_for(**level.as_dict()))
        else:
            asked = (decision.route, decision.threshold)
        arms = [arm._get_llm_string(stop=stop, **rest) for arm in (self.small, self.large)]
        return str((self._llm_type, self.router.id, asked, *arms))

    def get_token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text as the large arm counts them: it is the one that is paid for."""
        return super().get_token_ids(text) if self.custom_get_token_ids else self.large.get_token_ids(text)

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text as the large arm counts them."""
        return super().get_num_tokens(text) if self.custom_get_token_ids else self.large.get_num_tokens(text)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Return the number of tokens of messages as the large arm counts them."""
        if self.custom_get_token_ids:
            return super().get_num_tokens_from_messages(messages, tools)
        return self.large.get_num_tokens_from_messages(messages, tools)

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What ``configurable`` may hold: ``hybrid_quality`` and so on."""
        return list(CONFIG_SPECS)

    def __getstate__(self) -> dict[Any, Any]:
        """Leave the breakers out of a pickle: what was down here need not be down there."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "breakers": None}, "__pydantic_private__": {"_made": None}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Make new breakers."""
        super().__setstate__(state)
        self.breakers = new_breakers()


def _for_the_arm(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a call that are the arm's."""
    return {key: value for key, value in split_options(kwargs)[1].items() if key != DECISION}
