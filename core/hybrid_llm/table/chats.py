"""Chats in the words of OpenAI, LangChain or ShareGPT: what the user asked last, and what a model is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_ROLES: Final = {"human": "user", "ai": "assistant", "gpt": "assistant", "model": "assistant", "developer": "system"}
"""What the roles of a chat are called elsewhere."""

_CONTENT: Final = ("content", "value", "text")
_KEPT: Final = ("name", "tool_calls", "tool_call_id")
"""What a message holds besides its role and its content."""


def is_chat(value: Any) -> bool:
    """Return whether a value is a list of messages."""
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(message, Mapping) for message in value)


def last_of_user(messages: Sequence[Mapping[str, Any]]) -> Any:
    """Return the text of the last message of the user, "" when it has none, or None without such a message."""
    for message in reversed(messages):
        if _role(message) == "user":
            return _text(_content(message))
    return None


def as_sent(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a model is sent: the messages up to the last one of the user, in the words of OpenAI.

    Example:
        >>> as_sent([{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}])
        [{'role': 'user', 'content': 'Why?'}]
    """
    end = max((number for number, message in enumerate(messages, 1) if _role(message) == "user"), default=0)
    return [
        {"role": _role(message), "content": _content(message)}
        | {name: value for name in _KEPT if (value := _fields(message).get(name))}
        for message in messages[:end]
    ]


def text_of_message(value: Any) -> Any:
    """Return the text of a single message, and anything else as it is."""
    return _text(_content(value)) if isinstance(value, Mapping) and _role(value) and _content(value) else value


def _fields(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a message, which LangChain puts one level deeper when it stores one."""
    inner = message.get("kwargs") or message.get("data")
    return {"type": message.get("type"), **inner} if isinstance(inner, Mapping) else message


def _role(message: Mapping[str, Any]) -> str:
    fields = _fields(message)
    role = fields.get("role") or fields.get("from") or fields.get("type")
    return _ROLES.get(role, role) if isinstance(role, str) else ""


def _content(message: Mapping[str, Any]) -> Any:
    fields = _fields(message)
    return next((fields[name] for name in _CONTENT if fields.get(name)), "")


def _text(content: Any) -> Any:
    """Return the text in the content of a message, which may be a list of parts with images among them."""
    if not isinstance(content, (list, tuple)):
        return content
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
    return "\n".join(part for part in parts if isinstance(part, str))
