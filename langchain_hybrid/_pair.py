"""Two chat models as one, in the eyes of the framework: construction, profile, trace, cache key, tokens, pickle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

from langchain_core.language_models import BaseChatModel, LangSmithParams, ModelProfile
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.utils import ConfigurableFieldSpec
from pydantic import ConfigDict, Field, PrivateAttr

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import (
    OPTIONS,
    Decided,
    PairOptions,
    PairState,
    Within,
    split_options,
    tokens_in,
)
from hybrid_llm.errors import ConfigError
from langchain_hybrid._capabilities import pair_of
from langchain_hybrid._messages import LAST_HUMAN, as_function, tokens_of, tokens_of_tools
from langchain_hybrid._options import CONFIG_SPECS, read_options
from langchain_hybrid._parts import as_chat_arm, checked_query, looked_at_by, merged_profiles, own_settings, refuse_pair
from langchain_hybrid._trace import without_attempts
from langchain_hybrid._within import StandsWithin, standing

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair, RuleLike

DECIDED: Final = "hybrid_decided"
"""The keyword argument that takes a decided request from the outer methods to the inner ones."""


class ChatPair(StandsWithin, BaseChatModel):
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
    prices: Mapping[str, Any] | None = None
    second_look: bool | str = False
    checker: BaseChatModel | None = None
    check: Any = Field(default=None, exclude=True, repr=False)
    look_timeout: float | None = None
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
    _within: Within | None = PrivateAttr(default=None)

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
        PairOptions(**options)  # its errors say more than those of the fields
        if second_look is not False or check is not None:
            refuse_pair(small)
        fields: dict[str, Any] = {
            "small": as_chat_arm("small", small),
            "large": as_chat_arm("large", large),
            "checker": None if checker is None else as_chat_arm("checker", checker),
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
            self._made = pair_of(self.small, self.large, self.router, self.state, options, self.checker)
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

    def _arm(self, decision: Decision) -> BaseChatModel:
        arm = self.small if decision.route == "small" else self.large
        return standing(arm, Within.of(decision, self._within))

    @property
    def _llm_type(self) -> str:
        return "hybrid-chat"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        level = self._pair.options.level
        arms = {"small": self.small._get_invocation_params(), "large": self.large._get_invocation_params()}
        return {**arms, "router_id": self.router.id, **(level.as_dict() if level else {})}

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
        if decided is not None and not decided.decision.held:
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
            asked: tuple[Any, ...] = (chosen.route, level and self._pair.threshold_for(level))
        else:
            level = decided.decision.level
            asked = (decided.decision.route, decided.decision.threshold)
        arms = [arm._get_llm_string(stop=stop, **rest) for arm in (self.small, self.large)]
        held = looked_at_by(self._pair.look, self.checker, self.check, level) if self._pair.holds else ()
        return str((self._llm_type, self.router.id, asked, *arms, *held))

    def _convert_cached_generations(self, cache_val: list[Any]) -> list[ChatGeneration]:
        """Return an answer from the cache: nobody was called for it."""
        return [
            one.model_copy(update={"message": without_attempts(one.message)})
            for one in super()._convert_cached_generations(cache_val)
        ]

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
        return sum(map(tokens_of, messages)) + tokens_of_tools(list(map(as_function, tools or ())))

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
        return {
            **state,
            "__dict__": {**state["__dict__"], "state": None},
            "__pydantic_private__": {"_made": None, "_within": None},
        }

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Make new breakers."""
        super().__setstate__(state)
        self.state = PairState()
