"""What an arm can serve, read from the profile of its chat model; and the core's pair of two such arms."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable, RunnableBinding

from hybrid_llm.dispatch import (
    ASSUMED,
    FUNCTION,
    Capabilities,
    OllamaServer,
    PairState,
    Window,
    as_an_arm,
    asked_in,
    dialect_of,
)
from langchain_hybrid._answers import ANSWERS, bound_model_in, closes, model_in
from langchain_hybrid._messages import tokens_of_tools
from langchain_hybrid._ollama import ollama_of
from langchain_hybrid._place import place_of
from langchain_hybrid._within import StandsWithin, holds_pair

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair

_MODALITIES: Final = {"image": "image_inputs", "file": "pdf_inputs", "audio": "audio_inputs", "video": "video_inputs"}


def pair_of(
    small: Runnable[Any, Any],
    large: Runnable[Any, Any],
    router: Any,
    state: PairState,
    options: Mapping[str, Any],
    checker: Runnable[Any, Any] | None = None,
) -> Pair:
    """Return the core's pair of two arms, see :class:`hybrid_llm.Pair`."""
    from hybrid_llm.dispatch import Pair  # what calls is loaded when there is something to call

    return Pair(
        router,
        small=capabilities_of(small),
        large=capabilities_of(large),
        checker=None if checker is None else capabilities_of(checker),
        answers=ANSWERS,
        state=state,
        **options,
    )


def capabilities_of(arm: Runnable[Any, Any]) -> Capabilities:
    """Return what an arm can serve.

    A chat model without a profile is taken to call functions and to follow a schema, not to read images or files,
    and not to be made to call a tool (Ollama ignores ``tool_choice``): give it one, ``ChatOllama(profile={...})``,
    where it can do more. One whose class has no ``bind_tools`` calls none. To any other runnable no gate applies,
    because what it does with its input is its own; but one that ends in a chat model has to answer something.
    """
    tools: Sequence[Any] = ()
    asked, place = _asked_of(arm), place_of(arm)
    while isinstance(arm, RunnableBinding):
        tools = tools or arm.kwargs.get("tools") or ()
        arm = arm.bound
    if isinstance(arm, StandsWithin) and isinstance(arm, BaseChatModel):
        pair: Any = arm
        return as_an_arm(capabilities_of(pair.small), capabilities_of(pair.large))
    if not isinstance(arm, BaseChatModel):
        model = model_in(arm)
        server = ollama_of(model)
        return replace(
            Capabilities.unlimited(),
            model=_told_of(model, "ls_model_name"),
            provider=_told_of(model, "ls_provider"),
            speaks=model is not None,
            closes=closes(model),
            wake=server.wake if server else None,
            place=place,
            asked=asked,
            is_pair=holds_pair(arm),
        )
    profile: dict[str, Any] = {**(arm.profile or {})}
    calls = type(arm).bind_tools is not BaseChatModel.bind_tools
    follows = calls or type(arm).with_structured_output is not BaseChatModel.with_structured_output
    server = ollama_of(arm)
    return Capabilities(
        model=_told_of(arm, "ls_model_name"),
        provider=_told_of(arm, "ls_provider"),
        context_window=_window_of(arm, server, profile.get("max_input_tokens"), tokens_of_tools(tools)),
        modalities=frozenset(kind for kind, key in _MODALITIES.items() if profile.get(key)),
        tools=frozenset({FUNCTION} if calls and profile.get("tool_calling", True) else ()),
        forced_tool=bool(profile.get("tool_choice", False)),
        structured=follows and bool(profile.get("structured_output", True)),
        speaks=True,
        closes=closes(arm),
        wake=server.wake if server else None,
        place=place,
        asked=asked,
    )


def _asked_of(arm: Runnable[Any, Any]) -> dict[str, Any]:
    """Return how the chat model of an arm is asked by what it was made with; nothing of a class of neither family."""
    model, bound = bound_model_in(arm)
    dialect = None if model is None else dialect_of(type(model))
    if dialect is None:
        return {}
    own = {name: getattr(model, name, None) for name in ("temperature", "max_tokens", "num_predict", "reasoning")}
    more = {**(getattr(model, "extra_body", None) or {}), **(getattr(model, "model_kwargs", None) or {})}
    left = {"temperature": None, "max_tokens": None, **({"think": None} if dialect == "ollama" else {})}
    return {**left, **asked_in(more), **asked_in(own), **asked_in(bound)}


def _told_of(model: BaseChatModel | None, name: Literal["ls_model_name", "ls_provider"]) -> str:
    """Return what a chat model tells traces of itself: its name, or who serves it."""
    return (model._get_ls_params().get(name) or "") if model is not None else ""


def _window_of(arm: BaseChatModel, server: OllamaServer | None, longest: Any, taken: int) -> int | Window | None:
    """Return the tokens that are left for a prompt; of an Ollama what its server reads, which it is asked for.

    Args:
        arm: The chat model.
        server: Its server, where it is an Ollama.
        longest: What its profile says, if anything.
        taken: Tokens of the tools that are bound to it.
    """
    asked = getattr(arm, "num_ctx", None)
    least = min((n for n in (longest, asked) if isinstance(n, int)), default=None)
    if server is not None:
        return Window(
            lambda: min(server.window(asked), least or sys.maxsize) - taken, assumed=(least or ASSUMED) - taken
        )
    return least - taken if least is not None else None
