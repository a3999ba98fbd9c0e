"""What ``callback_settings.hybrid`` in a ``config.yaml`` says, checked when the proxy starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from hybrid_llm.errors import ConfigError, shown

WHERE: Final = "callback_settings.hybrid"
"""Where the settings stand, for messages."""
OF_PAIR: Final = (
    *("quality", "cost_advantage", "threshold", "allowed"),
    *("private", "local_hosts", "rules", "ignore_tags", "shadow"),
)
"""The options of a pair that make sense here, by the names that they have everywhere."""
_LOOK: Final = "the proxy hands an answer on as it comes, so none can be looked at; ChatHybrid and HybridLLM can"
_FALLBACKS: Final = "what happens when a group is down is LiteLLM's: write fallbacks: under router_settings"
_ELSEWHERE: Final = {
    **dict.fromkeys(("second_look", "look_timeout", "checker", "check", "checks"), _LOOK),
    **dict.fromkeys(("fallback_to_large", "fallback_to_small"), _FALLBACKS),
    "small_timeout": "write timeout: and stream_timeout: into the litellm_params of the small group",
    "prices": "LiteLLM has prices of its own: model_info of each model",
    "stay": "a request to the proxy says nothing of who answered before",
    "observers": "LiteLLM's own callbacks see each request, with the decision in its metadata",
    "trace_private": "of private requests LiteLLM's logs hold no text, whatever is set",
}
"""Options of other adapters, and why they are none of a proxy's."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which two model groups are chosen between, and how.

    Args:
        small: The group of the cheap model, by its ``model_name``.
        large: The group of the strong one.
        name: The model that a client asks for; ``NAME-0.95`` is one of its levels.
        router: The path of a router folder, or a router; ``None`` is the shipped one.
        options: Those of the pair.
    """

    small: str
    large: str
    name: str
    router: Any
    options: Mapping[str, Any]

    @classmethod
    def of(cls, given: object, groups: Sequence[str]) -> Settings:
        """Read what the config says.

        Args:
            given: The value of ``callback_settings.hybrid``.
            groups: The names of the model groups in ``model_list``.

        Raises:
            ConfigError: It does not name two groups that are there, or says something that means nothing here.

        Example:
            >>> Settings.of({"small": "qwen", "large": "gpt", "quality": 0.95}, ["qwen", "gpt"]).name
            'hybrid'
        """
        if not isinstance(given, Mapping):
            raise ConfigError(f"config.yaml has no {WHERE}: it names two groups of model_list, small: and large:.")
        values = dict(given)
        small, large = (_group(values.pop(key, None), key, groups) for key in ("small", "large"))
        if small == large:
            raise ConfigError(f"{WHERE} names {small!r} as small and as large: name two groups of model_list.")
        name = values.pop("name", "hybrid")
        if not isinstance(name, str) or not name or name in (small, large):
            raise ConfigError(f"{WHERE}.name is {shown(name)}: it is what clients ask for, such as hybrid.")
        router = values.pop("router", None)
        _refuse_unknown(values)
        if not isinstance(shadow := values.get("shadow", False), bool):
            raise ConfigError(f"{WHERE}.shadow is {shown(shadow)}: it is true or false.")
        return cls(small, large, name, router, values)

    @property
    def levels(self) -> str:
        """What the names of levels begin with."""
        return f"{self.name}-"


def _group(value: object, key: str, groups: Sequence[str]) -> str:
    listed = ", ".join(dict.fromkeys(groups)) or "none"
    if value is None:
        raise ConfigError(f"{WHERE} has no {key}: it names two groups of model_list (which has {listed}).")
    if not isinstance(value, str) or value not in groups:
        near = get_close_matches(str(value), groups, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"{WHERE}.{key} is {shown(value)}, which is no model_name of model_list ({listed}).{hint}")
    return value


def _refuse_unknown(values: Mapping[str, Any]) -> None:
    for key in values:
        if key in OF_PAIR:
            continue
        if key in _ELSEWHERE:
            raise ConfigError(f"{WHERE}.{key} is not for a proxy: {_ELSEWHERE[key]}.")
        known = ("small", "large", "name", "router", *OF_PAIR)
        near = get_close_matches(str(key), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(known)}."
        raise ConfigError(f"{WHERE} has no setting {key!r}.{hint}")
