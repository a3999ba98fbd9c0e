"""The settings of one call, in the words of the chat model that answers it.

What each is called is the core's table; here is what LangChain's classes of both families do besides: where Ollama's
keeps the options that it was made with, and when OpenAI's takes the Responses API.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding

from hybrid_llm.decision import Route

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Dialect, Pair

_OPTIONS: Final = (
    *("mirostat", "mirostat_eta", "mirostat_tau", "num_ctx", "num_gpu", "num_thread", "num_predict", "repeat_last_n"),
    *("repeat_penalty", "temperature", "seed", "stop", "tfs_z", "top_k", "top_p"),
)
"""Fields of Ollama's class that its ``options`` are made of, as long as a call brings none of its own."""
_HERE: Final = {"think": "reasoning", "max_output_tokens": "max_completion_tokens"}
"""Words of the clients that LangChain's classes call otherwise."""


def settings_for(pair: Pair, route: Route, arm: Runnable[Any, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a call in the words of an arm; warn once of each that has none there.

    Args:
        pair: Whose arm it is.
        route: Which one.
        arm: The arm; what is no chat model of either family gets the settings as they are.
        settings: The keyword arguments of the call, ``stop`` and tools among them.
    """
    model, bound = _unbound(arm)
    if not settings or not isinstance(model, BaseChatModel):
        return {**settings}
    dialect, said, left_out = _said(model, settings)
    if dialect == "ollama" and "options" in said:
        kept = settings.get("options", bound.get("options"))  # those of a call stand in for the model's own
        own = {name: getattr(model, name, None) for name in _OPTIONS} if kept is None else kept
        said["options"] = {**{name: value for name, value in own.items() if value is not None}, **said["options"]}
    pair.leave_out(route, left_out)
    return said


def with_settings(
    pair: Pair, route: Route, arm: BaseChatModel, options: Mapping[str, Any]
) -> tuple[BaseChatModel, dict[str, Any]]:
    """Return an arm, and the options of its ``with_structured_output``, with those that are settings of its calls.

    OpenAI's class takes settings there. Ollama's refuses them, so a copy of it is made with them.
    """
    if not options:
        return arm, {}
    from hybrid_llm.dispatch import is_setting  # loaded when a call has settings

    settings = {name: value for name, value in options.items() if is_setting(name) and name != "strict"}
    rest = {name: value for name, value in options.items() if name not in settings}
    dialect, said, left_out = _said(arm, settings)
    if dialect == "ollama":
        said |= said.pop("options", {})
        left_out += tuple(name for name in said if name not in type(arm).model_fields)
        arm = arm.model_copy(update={name: value for name, value in said.items() if name in type(arm).model_fields})
        said = {}
    pair.leave_out(route, left_out)
    return arm, {**rest, **said}


def _said(model: BaseChatModel, settings: Mapping[str, Any]) -> tuple[Dialect | None, dict[str, Any], tuple[str, ...]]:
    """Return the dialect of a model, the settings in it, and the names of those that it has no word for."""
    from hybrid_llm.dispatch import dialect_of, translated  # loaded when a call has settings

    dialect = dialect_of(type(model))
    if dialect is None:
        return None, {**settings}, ()
    chosen = {}
    if (model.profile or {}).get("tool_choice") and settings.keys() >= {"tools", "tool_choice"}:  # a class that can
        chosen = {"tool_choice": settings["tool_choice"]}
    thinks = getattr(model, "reasoning" if dialect == "ollama" else "reasoning_effort", None)
    found = translated({name: value for name, value in settings.items() if name not in chosen}, dialect, thinks=thinks)
    said, left_out = found.settings, found.left_out
    if dialect == "chat" and _by_responses(model, said):
        dialect = "responses"
        found = translated(said, "responses")
        said, left_out = found.settings, left_out + found.left_out
    return dialect, {**{_HERE.get(name, name): value for name, value in said.items()}, **chosen}, left_out


def _by_responses(model: Any, settings: Mapping[str, Any]) -> bool:
    """Return whether OpenAI's class will take the Responses API for a call."""
    ask = getattr(model, "_use_responses_api", None)
    own = getattr(model, "model_kwargs", None) or {}
    return bool(ask and ask({**settings, **own}))


def _unbound(arm: Runnable[Any, Any]) -> tuple[Runnable[Any, Any], dict[str, Any]]:
    """Return what a runnable with arguments bound to it calls, and the arguments."""
    bound: dict[str, Any] = {}
    while isinstance(arm, RunnableBinding):
        bound = {**arm.kwargs, **bound}
        arm = arm.bound
    return arm, bound
