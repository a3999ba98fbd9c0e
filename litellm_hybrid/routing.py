"""The plug-in of LiteLLM's proxy: decides each request to ``hybrid`` before LiteLLM looks for a deployment.

It is a ``CustomLogger`` with ``async_pre_call_hook``, the hook that LiteLLM documents for changing requests. It sees
the whole request with its headers, may refuse it, and names a model group; what LiteLLM does for a group then goes on
as ever: load balancing, retries, cooldowns, fallbacks, budgets, logs. The other ways in were left aside:
``CustomRoutingStrategyBase`` cannot be set in a ``config.yaml``, chooses within one group, and takes the place of
LiteLLM's own choice with its cooldowns; routing plugins see no headers and are, by their own page, still changing.

What is decided, and why, is the core's: one :class:`hybrid_llm.Pair`, asked for its decision only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import HTTPException
from litellm.integrations.custom_logger import CustomLogger

from hybrid_llm.decision import KEY, Decision, Route
from hybrid_llm.dispatch import Pair, Request
from hybrid_llm.errors import ConfigError, LevelError, PrivateError
from hybrid_llm.level import Level
from hybrid_llm.router import Router
from litellm_hybrid._groups import capabilities_of
from litellm_hybrid._headers import came_true, headers_of
from litellm_hybrid._messages import request_of
from litellm_hybrid._private import clear, forget, is_private, lock
from litellm_hybrid._settings import Settings

_CALLS: Final = frozenset(
    {
        *("completion", "acompletion", "text_completion", "atext_completion"),
        *("anthropic_messages", "responses", "aresponses"),
    }
)
"""LiteLLM's words for calls in which a model answers a text."""
_NOT_TO_CHOOSE: Final = (
    *("api_base", "base_url", "api_key", "user_config", "model_list", "deployment_id", "custom_llm_provider"),
    *("fallbacks", "context_window_fallbacks", "content_policy_fallbacks", "router_settings_override"),
)
"""What a request may not bring: it would choose a server, or a model beyond the two groups."""


class HybridRouting(CustomLogger):  # type: ignore[misc]  # of a library that is not there where types are checked
    """Chooses between two model groups of LiteLLM's proxy.

    Args:
        settings: What ``callback_settings.hybrid`` says: ``small`` and ``large``, the names of two groups; ``router``,
            the path of a router folder (the shipped one by default); ``name`` (``hybrid``); a level and other options
            of a pair.
        models: The ``model_list`` of the proxy.

    Raises:
        ConfigError: The settings do not name two groups, or hold what means nothing here.
        LevelError: A level that this router does not have.
        RouterFolderError: There is no such router.

    Example:
        >>> import asyncio
        >>> from hybrid_llm.testing import FixedScorer
        >>> models = [{"model_name": name, "litellm_params": {"model": f"openai/{name}"}} for name in ("qwen", "gpt")]
        >>> settings = {"small": "qwen", "large": "gpt", "router": FixedScorer(0.9), "threshold": 0.5}
        >>> body = {"model": "hybrid", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}
        >>> asyncio.run(HybridRouting(settings, models).async_pre_call_hook(None, None, body, "acompletion"))["model"]
        'qwen'
    """

    def __init__(self, settings: Mapping[str, Any], models: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self._groups = [str(model.get("model_name")) for model in models]
        self.settings = Settings.of(settings, self._groups)
        self._models: dict[str, str] = {"small": self.settings.small, "large": self.settings.large}
        router = self.settings.router
        self._pair = Pair(
            Router.load() if router is None else router,
            small=capabilities_of(self.settings.small, models),
            large=capabilities_of(self.settings.large, models),
            **self.settings.options,
        )
        for level in self._named_levels():
            self._pair.check(Request("", level=level))

    @classmethod
    def of_proxy(cls) -> HybridRouting:
        """Return the plug-in that the ``config.yaml`` of the proxy in this process asks for.

        Raises:
            ConfigError: As the class; and where there is no such proxy.
        """
        import litellm
        from litellm.proxy.proxy_server import proxy_config

        config = proxy_config.get_config_state()
        return cls((litellm.callback_settings or {}).get("hybrid"), config.get("model_list") or [])  # type: ignore[arg-type]

    @property
    def force(self) -> Route | None:
        """The switch: where everything goes from now on; ``None`` leaves it to the router."""
        return self._pair.force

    @force.setter
    def force(self, route: Route | None) -> None:
        self._pair.force = route

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> dict[str, Any] | None:
        """Decide a request to our model, and name the group that answers it; leave any other alone.

        Raises:
            HTTPException: 400, for a level that does not exist, a request that chooses what it may not, or a private
                one that nobody here may answer.
        """
        metadata = _metadata_of(data)
        metadata.pop(KEY, None)  # it is ours to say
        private = True  # as far as anybody knows
        try:
            private = is_private(data, ours=str(data.get("model")).startswith(self.settings.name))
            ours, level = self._asked(data.get("model"))
            if not ours:
                self._check_other(data, private)
                if not private:
                    return None
            self._check(data, call_type)
            request = request_of(data, level=level, private=private)
            decision = (await self._pair.adecide(request)).decision
        except (LevelError, PrivateError, ConfigError) as error:
            if private or isinstance(error, PrivateError):
                lock(data, metadata)
                forget(data)
            raise HTTPException(status_code=400, detail=str(error)) from None
        data["model"] = self._models[decision.route]
        _record(metadata, decision)
        if decision.private:
            lock(data, metadata)
        return data

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        """Note in LiteLLM's logs where its fallbacks led; stop a private request that was led away from small.

        Raises:
            PrivateError: A private request is about to leave its group, whatever led it there.
        """
        metadata = _found_metadata(kwargs)
        decision = Decision.found_in(metadata)
        if decision is None:
            return None
        group = metadata.get("model_group")
        if decision.private and group != self.settings.small:
            raise PrivateError(f"This request is private, and was led to {group!r}: it was sent nowhere.")
        _record(metadata, came_true(decision, group, self._models))
        return kwargs

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], user_api_key_dict: Any, response: Any, *args: Any, **kwargs: Any
    ) -> dict[str, str] | None:
        """Return the decision as headers, that of the group which answered in the end."""
        decision = Decision.found_in(_found_metadata(data))
        return headers_of(came_true(decision, _answered(response), self._models)) if decision else None

    def log_pre_api_call(self, model: Any, messages: Any, kwargs: dict[str, Any]) -> None:
        """Keep the texts of a private request out of LiteLLM's logs, those of a call that fails too."""
        _clear_private(kwargs)

    def log_post_api_call(self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Do what :meth:`log_pre_api_call` does."""
        _clear_private(kwargs)

    def logging_hook(self, kwargs: dict[str, Any], result: Any, call_type: str) -> tuple[dict[str, Any], Any]:
        """Do what :meth:`log_pre_api_call` does, with what is logged of an answer."""
        _clear_private(kwargs)
        return kwargs, result

    async def async_logging_hook(
        self, kwargs: dict[str, Any], result: Any, call_type: str
    ) -> tuple[dict[str, Any], Any]:
        """Do what :meth:`logging_hook` does."""
        return self.logging_hook(kwargs, result, call_type)

    def _named_levels(self) -> list[Level]:
        """Return the levels that ``model_list`` offers by name."""
        levels = (self._asked(group)[1] for group in self._groups)
        return [level for level in levels if level is not None]

    def _asked(self, model: object) -> tuple[bool, Level | None]:
        """Return whether a model's name is ours, and the level that it asks for.

        Raises:
            LevelError: It looks like a level and is none.
        """
        name, levels = self.settings.name, self.settings.levels
        if model == name:
            return True, None
        if not isinstance(model, str) or not model.startswith(levels):
            return False, None
        value = model.removeprefix(levels)
        try:
            return True, Level("quality", float(value))
        except (LevelError, ValueError):
            if model in self._groups:
                return False, None
            raise LevelError(
                f"There is no model {model!r}. {name} is the level that is set here, {levels}0.95 keeps 95 % of the "
                f"quality of {self.settings.large}: a number above 0, at most 1."
            ) from None

    def _check_other(self, data: Mapping[str, Any], private: bool) -> None:
        """Refuse a private request to a model that may be anywhere.

        Raises:
            PrivateError: It is one.
        """
        if private and data.get("model") != self.settings.small:
            raise PrivateError(
                f"This request is private, and {data.get('model')!r} may run anywhere: ask {self.settings.name} or "
                f"{self.settings.small} instead."
            )

    def _check(self, data: Mapping[str, Any], call_type: object) -> None:
        """Refuse what cannot be routed, and what a request may not choose.

        Raises:
            ConfigError: It is one of these.
        """
        name = self.settings.name
        if str(getattr(call_type, "value", call_type)) not in _CALLS:
            raise ConfigError(f"{name} answers chats, responses and completions; for this call name another model.")
        stored = [key for key in ("previous_response_id", "conversation") if data.get(key)]
        stored += ["prompt"] if isinstance(data.get("prompt"), Mapping) else []  # one that is kept at its provider's
        if stored:
            raise ConfigError(
                f"{stored[0]} names what only the server which keeps it has: send the whole conversation as input, or "
                f"name {self.settings.small} or {self.settings.large}."
            )
        sent = (data.get("proxy_server_request") or {}).get("body") or data  # keys have settings of their own
        chosen = [key for key in _NOT_TO_CHOOSE if sent.get(key) is not None]
        if chosen:
            raise ConfigError(f"A request to {name} may not choose {', '.join(chosen)}: leave it out.")


def _clear_private(logged: dict[str, Any]) -> None:
    decision = Decision.found_in(_found_metadata(logged.get("litellm_params") or {}))
    if decision is not None and decision.private:
        clear(logged)


def _record(metadata: dict[str, Any], decision: Decision) -> None:
    """Write a decision where our headers and LiteLLM's logs find it."""
    metadata[KEY] = decision.as_dict()
    logged = metadata.get("spend_logs_metadata")
    metadata["spend_logs_metadata"] = {**(logged if isinstance(logged, dict) else {}), KEY: decision.as_dict()}


def _metadata_of(data: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that LiteLLM logs, made where there is none."""
    metadata = _found_metadata(data)
    if not metadata:
        data["metadata"] = metadata
    return metadata


def _found_metadata(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that LiteLLM logs, which some kinds of calls keep under another name."""
    found = (data.get(name) for name in ("litellm_metadata", "metadata"))
    return next((metadata for metadata in found if isinstance(metadata, dict)), {})


def _answered(response: Any) -> str | None:
    """Return the group that answered, as far as LiteLLM says."""
    name = "_hidden_params"
    hidden = response.get(name) if isinstance(response, Mapping) else getattr(response, name, None)
    headers = (hidden.get("additional_headers") or {}) if isinstance(hidden, Mapping) else {}
    return headers.get("x-litellm-model-group")
