"""From the body of a request to the core's request: chats in OpenAI's words and Anthropic's, responses, completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from hybrid_llm.dispatch import FUNCTION, MEDIA_TOKENS, MEDIA_TYPES, MESSAGE_TOKENS, Request, asked_in, tokens_in
from hybrid_llm.level import Level
from hybrid_llm.table import last_of_user

_CHAT: Final = ("messages", "input", "prompt")
"""Under one of these a body holds what was said."""
_BESIDE: Final = ("system", "instructions", "tools", "functions")
"""What a model reads besides, as far as it has a length that matters."""
_TELL: Final = ("system", "developer")
"""Roles of messages that tell the model what to be."""
_RESULT: Final = "tool_result"
_FUNCTIONS: Final = (None, "function", "custom")
"""Types of tools that are functions of the client's program; Anthropic's have none, or call it custom."""
_SCHEMAS: Final = ("json_schema", "json_object")
_FREE: Final = (None, "auto", "none")


def request_of(body: Mapping[str, Any], *, level: Level | None = None, private: bool = False) -> Request:
    """Make the core's request of a body.

    Args:
        body: That of a chat, a response or a completion.
        level: The level that the client asked for by the model's name.
        private: Whether the client said so.

    Example:
        >>> asked = {"messages": [{"role": "user", "content": "2+2?"}], "tools": [{"type": "function"}]}
        >>> request_of(asked).text, sorted(request_of(asked).tools)
        ('2+2?', ['function'])
    """
    said = _said(body)
    text, turns = _query(said)
    tools = [tool for key in ("tools", "functions") for tool in _items(body.get(key))]
    return Request(
        text,
        turns=turns,
        tokens=sum(MESSAGE_TOKENS + _tokens(message) for message in said) + _tokens([body.get(key) for key in _BESIDE]),
        modalities=frozenset(kind for part in _parts(said) if (kind := MEDIA_TYPES.get(str(part.get("type"))))),
        tools=frozenset(map(_kind, tools)),
        forced_tool=_forces(body.get("tool_choice", body.get("function_call"))),
        structured=_is_structured(body),
        level=level,
        method="chat",
        private=private,
        said=lambda: _texts([body.get(key) for key in (*_CHAT, *_BESIDE)]),
        asked={**asked_in(body), "system": _system(body, said)},
    )


def _said(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the messages of a body; a text alone is one of the user."""
    said = next((body[key] for key in _CHAT if body.get(key)), ())
    items = [said] if isinstance(said, (str, Mapping)) else _items(said)
    messages = [{"role": "user", "content": item} if isinstance(item, str) else item for item in items]
    return [message for message in messages if isinstance(message, Mapping)]


def _query(messages: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[str, ...]]:
    """Return the user's last words, and what the user said before that was answered."""
    spoken = [message for message in messages if not _is_result(message)]
    texts = [last_of_user([message]) for message in spoken]
    last = max((i for i, text in enumerate(texts) if text is not None), default=-1)
    if last < 0:
        return "", ()
    answered = max((i for i, message in enumerate(spoken[:last]) if message.get("role") == "assistant"), default=0)
    return _as_text(texts[last]), tuple(_as_text(text) for text in texts[:answered] if text is not None)


def _system(body: Mapping[str, Any], messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what a request tells the model before the conversation, wherever its form has a place for that."""
    told = [message.get("content") for message in messages if message.get("role") in _TELL]
    return "\n\n".join(_spoken([body.get("system"), body.get("instructions"), told])) or None


def _spoken(value: object) -> Iterator[str]:
    """Yield the texts of a content, which may be parts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _spoken(value.get("text"))
    for item in _items(value):
        yield from _spoken(item)


def _as_text(text: object) -> str:
    return text if isinstance(text, str) else ""


def _is_result(message: Mapping[str, Any]) -> bool:
    """Return whether a message that is said to be the user's brings the results of tools: an agent's step."""
    return any(isinstance(part, Mapping) and part.get("type") == _RESULT for part in _items(message.get("content")))


def _tokens(value: object) -> int:
    """Estimate the tokens of all texts in a value; what a model sees or hears counts as a picture."""
    if isinstance(value, str):
        return tokens_in(value)
    if isinstance(value, Mapping):
        if str(value.get("type")) in MEDIA_TYPES:
            return MEDIA_TOKENS
        return sum(map(_tokens, value.values()))
    return sum(map(_tokens, _items(value)))


def _parts(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield messages and the parts of their contents, which may hold parts of their own."""
    for item in _items(value):
        if isinstance(item, Mapping):
            yield item
            yield from _parts(item.get("content"))
            yield from _parts(item.get("output"))


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a value, names and addresses too."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, Mapping) else _items(value):
        yield from _texts(item)


def _kind(tool: object) -> str:
    """Return "function", or the type of a tool that is built into a provider."""
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    return FUNCTION if kind in _FUNCTIONS else str(kind)


def _forces(choice: object) -> bool:
    return (choice.get("type") if isinstance(choice, Mapping) else choice) not in _FREE


def _is_structured(body: Mapping[str, Any]) -> bool:
    nested = [body.get(key) for key in ("text", "output_config")]
    forms = [body.get("response_format"), body.get("output_format")]
    forms += [value.get("format") for value in nested if isinstance(value, Mapping)]
    return any(isinstance(form, Mapping) and form.get("type") in _SCHEMAS for form in forms)


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()
