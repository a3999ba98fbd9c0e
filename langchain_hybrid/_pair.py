"""Two chat models as one, in the eyes of the framework: construction, profile, trace, cache key, tokens, pickle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams, ModelProfile
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.utils import ConfigurableFieldSpec
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import OPTIONS, Decided, PairOptions, PairState, Request, split_options, tokens_in
from hybrid_llm.errors import ConfigError
from langchain_hybrid import _calls
from langchain_hybrid._capabilities import pair_of
from langchain_hybrid._history import safe_history
from langchain_hybrid._messages import LAST_HUMAN, request_of, tokens_of, tokens_of_tools
from langchain_hybrid._options import CONFIG_SPECS, read_options
from langchain_hybrid._parts import as_chat_arm, checked_query, merged_profiles, own_settings
from langchain_hybrid._runs import closing_stream
from langchain_hybrid._settings import settings_for

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair, RuleLike

DECIDED: Final = "hybrid_decided"
"""The keyword argument that takes a decided request from the outer methods to the inner ones."""


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
    ignore_tags: Sequence[str] = ()
    observers: Sequence[Any] = Field(default=(), exclude=True, repr=False)
    private: bool | Callable[[str], bool] = Field(default=False, exclude=True, repr=False)
    local_hosts: Sequence[str] = ()
    trace_private: bool = False
    rules: Sequence[Any] = Field(default=(), exclude=True, repr=False)
    stay: str | None = None
    shadow: bool = False
    query: str | Callable[[Any], str] = LAST_HUMAN
    streaming: bool | None = None
    state: Any = Field(default=None, exclude=True, repr=False)

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _made: Pair | None = PrivateAttr(default=None)

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
        ignore_tags: Sequence[str] = (),
        observers: Sequence[Any] = (),
        private: bool | Callable[[str], bool] = False,
        local_hosts: Sequence[str] = (),
        trace_private: bool = False,
        rules: Sequence[RuleLike] = (),
        stay: Literal["conversation"] | None = None,
        shadow: bool = False,
        query: str | Callable[[Any], str] = LAST_HUMAN,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        from hybrid_llm.router import Router  # loads numpy, which importing this package need not wait for

        options: dict[str, Any] = {
            "quality": quality,
            "cost_advantage": cost_advantage,
            "threshold": threshold,
            "allowed": allowed,
            "fallback_to_large": fallback_to_large,
            "fallback_to_small": fallback_to_small,
            "small_timeout": small_timeout,
            "ignore_tags": ignore_tags,
            "observers": observers,
            "private": private,
            "local_hosts": local_hosts,
            "trace_private": trace_private,
            "rules": rules,
            "stay": stay,
            "shadow": shadow,
        }
        PairOptions(**options)  # its errors say more than those of the fields
        fields: dict[str, Any] = {
            "small": as_chat_arm("small", small),
            "large": as_chat_arm("large", large),
            "router": Router.of(router),
            "query": checked_query(query),
            "name": name,
            "state": settings.pop("state", None) or PairState(),
        }
        if small.output_version == large.output_version:
            settings.setdefault("output_version", small.output_version)
        super().__init__(**options, **fields, **own_settings(type(self), settings))
        _ = self._pair  # a level that makes no sense says so here

    @property
    def _pair(self) -> Pair:
        """What decides and calls; made once, and again when a field has changed."""
        if self._made is None:
            options = {name: getattr(self, name) for name in OPTIONS}
            self._made = pair_of(self.small, self.large, self.router, self.state, options)
        return self._made

    @property
    def force(self) -> Route | None:
        """The switch: where everything goes from now on, in all copies; ``None`` leaves it to the router."""
        return self._pair.force

    @force.setter
    def force(self, route: Route | None) -> None:
        self._pair.force = route

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; what it changes is made anew at the next call."""
        super().__setattr__(name, value)
        if name in type(self).model_fields:
            self._made = None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy, with some fields changed; it shares what is known of outages, and the switch."""
        copy = super().model_copy(update=update, deep=deep)
        if update:
            copy._made = None
        return copy

    def _request(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Request:
        """Make the core's request of an input, its config and its keyword arguments."""
        options, rest = split_options(kwargs)
        return request_of(
            self._convert_input(value).to_messages(),
            read_options(options, config, self.callbacks),
            query=self.query,
            tools=rest.get("tools") or (),
            tool_choice=rest.get("tool_choice"),
            structured=bool(rest.get("response_format") or rest.get("format")),
        )

    def _arm(self, decision: Decision) -> BaseChatModel:
        return self.small if decision.route == "small" else self.large

    def _decide(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Decided:
        """Return the request that was decided before, or decide it; the call has to follow."""
        return self._pair.admitted(kwargs.get(DECIDED) or self._pair.decide(self._request(value, config, kwargs)))

    async def _adecide(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Decided:
        decided = kwargs.get(DECIDED) or await self._pair.adecide(self._request(value, config, kwargs))
        return self._pair.admitted(decided)

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Decide before the cache is asked, which sees nothing of a private request."""
        decided = kwargs.get(DECIDED) or self._pair.decide(self._request(messages, ensure_config(), kwargs))
        chat = self._uncached() if decided.decision.private else self
        return super(ChatPair, chat)._generate_with_cache(
            messages, stop=stop, run_manager=run_manager, **{**kwargs, DECIDED: decided}
        )

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decided = kwargs.get(DECIDED) or await self._pair.adecide(self._request(messages, ensure_config(), kwargs))
        chat = self._uncached() if decided.decision.private else self
        return await super(ChatPair, chat)._agenerate_with_cache(
            messages, stop=stop, run_manager=run_manager, **{**kwargs, DECIDED: decided}
        )

    def _uncached(self) -> Self:
        """Return a copy without a cache that decides and calls as this one does."""
        copy = super().model_copy(update={"cache": False})
        copy._made = self._made
        return copy

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decided, rest = self._decide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        result, decision = self._pair.call(
            decided,
            lambda d: _calls.generate(
                self._arm(d), self._history(messages, d), *self._said(d, stop, run_manager, rest)
            ),
        )
        return _calls.marked(result, decision)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decided, rest = await self._adecide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        result, decision = await self._pair.acall(
            decided,
            lambda d: _calls.agenerate(
                self._arm(d), self._history(messages, d), *self._said(d, stop, run_manager, rest)
            ),
        )
        return _calls.marked(result, decision)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        decided, rest = self._decide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        chunks = self._pair.stream(
            decided,
            lambda d: _calls.stream(self._arm(d), self._history(messages, d), *self._said(d, stop, run_manager, rest)),
        )
        with closing(chunks):
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
        decided, rest = await self._adecide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        chunks = self._pair.astream(
            decided,
            lambda d: _calls.astream(self._arm(d), self._history(messages, d), *self._said(d, stop, run_manager, rest)),
        )
        async with closing_stream(chunks):
            async for first, decision in chunks:
                yield _calls.marked_chunk(first, decision)
                async for chunk, _ in chunks:
                    yield chunk

    def _said(
        self, decision: Decision, stop: list[str] | None, run_manager: Any, kwargs: Mapping[str, Any]
    ) -> tuple[list[str] | None, Any, dict[str, Any]]:
        """Return the last arguments of a call, with its settings in the words of the arm."""
        given = {**kwargs, "stop": stop} if stop is not None else kwargs
        settings = settings_for(self._pair, decision.route, self._arm(decision), given)
        return settings.pop("stop", None), run_manager, settings

    def _history(self, messages: list[BaseMessage], decision: Decision) -> list[BaseMessage]:
        return safe_history(messages, self._arm(decision), decision.route)

    @property
    def _llm_type(self) -> str:
        return "hybrid-chat"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        level = self._pair.options.level
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
        decided: Decided | None = rest.pop(DECIDED, None)
        if decided is None:
            return super()._get_invocation_params(stop=stop, **options, **rest)
        return self._arm(decided.decision)._get_invocation_params(stop=stop, **rest)

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        """Return whom the trace names: the arm, once one is decided."""
        rest = split_options(kwargs)[1]
        decided: Decided | None = rest.pop(DECIDED, None)
        if decided is not None:
            params = self._arm(decided.decision)._get_ls_params(stop=stop, **rest)
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
        decided: Decided | None = rest.pop(DECIDED, None)
        if decided is None:
            chosen = read_options(options, ensure_config())
            level = chosen.level or self._pair.options.level
            asked = (chosen.route, level and self.router.threshold_for(**level.as_dict()))
        else:
            asked = (decided.decision.route, decided.decision.threshold)
        arms = [arm._get_llm_string(stop=stop, **rest) for arm in (self.small, self.large)]
        return str((self._llm_type, self.router.id, asked, *arms))

    def get_token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text, as ``custom_get_token_ids`` of this model or of the large arm finds them.

        Raises:
            ConfigError: Neither has one. Most models would download a vocabulary first, or ask their server.
        """
        own = self._own_token_ids()
        if own is None:
            raise ConfigError(
                "ChatHybrid has no vocabulary and downloads none; if the large model's may be fetched, say so: "
                "ChatHybrid(..., custom_get_token_ids=large.get_token_ids)."
            )
        return own(text)

    def get_num_tokens(self, text: str) -> int:
        """Return the number of tokens of a text: an estimate, unless there is a ``custom_get_token_ids``."""
        return tokens_in(text) if self._own_token_ids() is None else len(self.get_token_ids(text))

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """Return the number of tokens of messages: an estimate, unless there is a ``custom_get_token_ids``."""
        if self._own_token_ids() is not None:
            return super().get_num_tokens_from_messages(messages, tools)
        return sum(map(tokens_of, messages)) + tokens_of_tools([convert_to_openai_tool(tool) for tool in tools or ()])

    def _own_token_ids(self) -> Callable[[str], list[int]] | None:
        """Return what counts tokens without the network, if somebody gave it."""
        return self.custom_get_token_ids or self.large.custom_get_token_ids

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What ``configurable`` may hold: ``hybrid_quality`` and so on."""
        return list(CONFIG_SPECS)

    def __getstate__(self) -> dict[Any, Any]:
        """Leave the breakers and the switch out of a pickle: what was down here need not be down there."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "state": None}, "__pydantic_private__": {"_made": None}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Make new breakers."""
        super().__setstate__(state)
        self.state = PairState()


def _for_the_arm(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a call that are the arm's."""
    return {key: value for key, value in split_options(kwargs)[1].items() if key != DECIDED}
