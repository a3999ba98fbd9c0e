"""A conversation that another model took part in, made safe for the one that goes on with it.

Providers refuse each other's private parts: reasoning blocks with signatures, ids in their own form, extra fields.
What every provider reads stays: the text, the tool calls, the results.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from hybrid_llm.decision import KEY, Route
from hybrid_llm.dispatch import noted_at

_PORTABLE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""An id of a tool call that every provider takes."""
_WORD: Final = re.compile(r"[a-z0-9]+")
_EMPTY_WORDS: Final = frozenset({"chat", "llm", "model", "langchain", "ai", "api"})


def safe_history(
    messages: list[BaseMessage], arm: BaseChatModel, route: Route | None = None, path: tuple[Route, ...] = ()
) -> list[BaseMessage]:
    """Return the messages in a form that an arm can read, whoever answered before.

    An answer of another provider keeps its text, its tool calls and its name; it loses reasoning blocks, provider
    blocks, ``additional_kwargs``, ``response_metadata`` and its message id. Ids of its tool calls that some provider
    would refuse (too long, other signs, none) are replaced, in the call and in its result alike. What the arm itself
    or its provider said stays as it is, and so does everything of the user, of the system, and of the program.

    An answer is the arm's own when its recorded decision took the same route, or when the provider in its
    ``response_metadata["model_provider"]`` is the arm's. One that names no provider is foreign only if its recorded
    decision took the other route.

    Args:
        messages: The conversation; not changed.
        arm: The chat model that gets it.
        route: The arm's route in this pair, if known: it settles what a provider's name leaves open.
        path: The routes that lead to this pair, where it is an arm of another one.

    Returns:
        The same list when nothing has to change, else a new one; changed messages are copies.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> said = AIMessage(
        ...     [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "4"}],
        ...     response_metadata={"model_provider": "openai"},
        ... )
        >>> safe_history([said], FakeListChatModel(responses=["5"]))[0].content
        '4'
    """
    if not any(isinstance(message, AIMessage) for message in messages):
        return messages
    if arm._llm_type == "hybrid-chat":  # a pair as an arm makes the history safe for the one that it chooses
        return messages
    names = _provider_words(arm)
    foreign = [isinstance(message, AIMessage) and _is_foreign(message, names, route, path) for message in messages]
    if not any(foreign):
        return messages
    ids: dict[str, str] = {}
    safe: list[BaseMessage] = []
    waiting: list[str] = []  # new ids of calls that had none, in the order in which their results come
    for message, is_foreign in zip(messages, foreign, strict=True):
        if isinstance(message, AIMessage):
            waiting = []
            if is_foreign:
                message = _portable(message, len(safe), ids, waiting)
        elif isinstance(message, ToolMessage):
            message = _answering(message, ids, waiting)
        safe.append(message)
    return safe


def _is_foreign(message: AIMessage, arm_words: frozenset[str], route: Route | None, path: tuple[Route, ...]) -> bool:
    """Return whether another provider than the arm's gave an answer."""
    here = noted_at(message.response_metadata, path)
    if route is not None and here is not None and here.get("route") == route:
        return False
    provider = message.response_metadata.get("model_provider")
    if isinstance(provider, str):
        return not _words(provider) & arm_words
    return route is not None and KEY in message.response_metadata


def _provider_words(arm: BaseChatModel) -> frozenset[str]:
    """Return the words of the names that an arm's provider goes by.

    Integrations name a provider differently in messages and in traces ("bedrock_converse", "amazon_bedrock"), so one
    word in common has to do.
    """
    provider = arm._get_ls_params().get("ls_provider", "")
    package = type(arm).__module__.partition(".")[0]
    return _words(f"{provider} {arm._llm_type} {package}")


def _words(name: str) -> frozenset[str]:
    return frozenset(_WORD.findall(name.lower())) - _EMPTY_WORDS


def _portable(message: AIMessage, position: int, ids: dict[str, str], waiting: list[str]) -> AIMessage:
    """Return an answer with only what every provider reads; note the ids that it gets."""
    calls = [
        {**call, "id": _portable_id(call["id"], f"{position}-{i}", ids, waiting)}
        for i, call in enumerate(message.tool_calls)
    ]
    invalid = [
        {**call, "id": _portable_id(call["id"], f"{position}-invalid-{i}", ids, waiting)}
        for i, call in enumerate(message.invalid_tool_calls)
    ]
    return AIMessage(str(message.text), name=message.name, tool_calls=calls, invalid_tool_calls=invalid)


def _portable_id(old: str | None, place: str, ids: dict[str, str], waiting: list[str]) -> str:
    if old and _PORTABLE_ID.fullmatch(old):
        return old
    new = "call_" + hashlib.sha256((old or place).encode()).hexdigest()[:24]
    if old:
        ids[old] = new
    else:
        waiting.append(new)
    return new


def _answering(message: ToolMessage, ids: Mapping[str, str], waiting: list[str]) -> ToolMessage:
    """Return the result of a tool with the id that its call has now."""
    old = message.tool_call_id
    if old in ids:
        return message.model_copy(update={"tool_call_id": ids[old]})
    if not old and waiting:
        return message.model_copy(update={"tool_call_id": waiting.pop(0)})
    return message
