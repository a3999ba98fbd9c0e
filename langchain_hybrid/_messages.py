"""From LangChain's messages to the core's request: the text to score, and what comes with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.utils.function_calling import convert_to_openai_tool

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import (
    FUNCTION,
    MEDIA_TOKENS,
    MEDIA_TYPES,
    MESSAGE_TOKENS,
    Request,
    decision_at,
    tokens_in,
)
from langchain_hybrid._options import Options
from langchain_hybrid._private import is_private, texts_in

_DESCRIBES: Final = frozenset({"name", "title", "description", "parameters", "properties", "input_schema", "toolSpec"})
"""Keys of a dict that describes a function, in one provider's form or another's."""
LAST_HUMAN: Final = "last_human"
CONVERSATION: Final = "conversation"
_HINT: Final = "pass a function of the input that returns the text: query=lambda x: ..."


def request_of(
    value: Any,
    options: Options,
    *,
    query: str | Callable[[Any], str] = LAST_HUMAN,
    tools: Sequence[Any] = (),
    tool_choice: Any = None,
    structured: bool = False,
) -> Request:
    """Make the core's request of an input and what its call chose.

    Args:
        value: The input: a string, a prompt value, messages, or a dict.
        options: What the call chose.
        query: The text to score: ``"last_human"``, ``"conversation"``, a key of the input, or a function of it.
        tools: The tools that come with the call, in any form that LangChain takes.
        tool_choice: As in ``bind_tools``.
        structured: Whether the answer has to follow a schema.

    Raises:
        TypeError: The function did not return a string, or the input has no known shape.
        ValueError: The input is a dict without that key.

    Example:
        >>> request_of([("human", "2+2?"), ("ai", "4"), ("human", "And 3+3?")], Options()).turns
        ('2+2?',)
    """
    messages = messages_of(value, query, optional=callable(query) or options.query is not None)
    text = options.query if options.query is not None else query_text(value, query, messages)
    turns, previous, same_turn = ((), None, False) if query == CONVERSATION else _before(messages, options.path)
    return Request(
        text,
        turns=turns,
        tokens=(sum(map(tokens_of, messages)) or tokens_in(text)) + tokens_of_tools(tools),
        modalities=_modalities(messages),
        tools=frozenset(_kind(tool) for tool in tools),
        forced_tool=tool_choice not in (None, False, "auto", "none"),
        structured=structured,
        level=options.level,
        route=options.route,
        previous=previous,
        same_turn=same_turn,
        private=options.private or is_private(value),
        said=lambda: (text, *texts_in(value)),
        tracer=options.tracer,
        began=_first_decision(messages, options.path),
    )


def query_text(value: Any, query: str | Callable[[Any], str], messages: Sequence[BaseMessage]) -> str:
    """Return the text that the router scores.

    Args:
        value: The input.
        query: As in :func:`request_of`.
        messages: The messages of the input.

    Raises:
        TypeError: The function did not return a string.
    """
    if callable(query):
        text = query(value)
        if not isinstance(text, str):
            raise TypeError(f"The function given as query= must return the text to score; got {type(text).__name__}.")
        return text
    if query == CONVERSATION:
        spoken = (message for message in messages if isinstance(message, (HumanMessage, AIMessage)))
        return "\n\n".join(text for text in (str(message.text) for message in spoken) if text.strip())
    human = [message for message in messages if isinstance(message, HumanMessage)]
    return str(human[-1].text) if human else ""


def messages_of(
    value: Any, query: str | Callable[[Any], str] = LAST_HUMAN, *, optional: bool = False
) -> list[BaseMessage]:
    """Return the messages of an input.

    Args:
        value: A string, a prompt value, messages, or a dict with one of them.
        query: Names the key of a dict.
        optional: Return none for an input of another shape, instead of refusing it.

    Raises:
        TypeError: The input has no known shape.
        ValueError: It is a dict without the key.
    """
    try:
        return _messages(_part(value, query))
    except (TypeError, ValueError):
        if optional:
            return []
        raise


def system_of(messages: Sequence[BaseMessage]) -> str | None:
    """Return the system prompt of messages; ``None`` without one."""
    texts = [str(message.text) for message in messages if isinstance(message, SystemMessage)]
    return "\n\n".join(texts) or None


def _part(value: Any, query: str | Callable[[Any], str]) -> Any:
    """Return the part of a dict that holds the messages, or the value itself."""
    key = query if isinstance(query, str) and query not in (LAST_HUMAN, CONVERSATION) else None
    if key is None and not isinstance(value, Mapping):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"query={key!r} is a key, but the input is no dict; it is {type(value).__name__}.")
    if key is None and "messages" in value:
        return _part(value["messages"], LAST_HUMAN)
    if key is None:
        raise ValueError(
            f"Which text of the input is to be scored? It is a dict with {_names(value)}: pass one of its keys, "
            "such as query='question', or a function of the input, query=lambda x: ..."
        )
    if key not in value:
        raise ValueError(f"The input has no key {key!r} (query=); it has {_names(value)}.")
    return _part(value[key], LAST_HUMAN)


def _messages(value: Any) -> list[BaseMessage]:
    if isinstance(value, str):
        return [HumanMessage(value)]
    if isinstance(value, PromptValue):
        return value.to_messages()
    if isinstance(value, BaseMessage):
        return [value]
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        try:
            return convert_to_messages(value)
        except (ValueError, NotImplementedError) as error:
            cause = str(error).splitlines()[0]
            raise TypeError(f"The input is a list, but not of messages ({cause}); {_HINT}") from error
    raise TypeError(f"There is no text to score in an input of type {type(value).__name__}; {_HINT}")


def _before(messages: Sequence[BaseMessage], path: tuple[Route, ...]) -> tuple[tuple[str, ...], Decision | None, bool]:
    """Return the earlier human texts that were answered, the decision in force, and whether it is of this turn."""
    last = max((i for i, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    before, after = messages[: max(last, 0)], messages[last + 1 :]
    answers = [i for i, message in enumerate(before) if isinstance(message, AIMessage)]
    answered = before[: answers[-1]] if answers else ()
    turns = tuple(str(message.text) for message in answered if isinstance(message, HumanMessage))
    here = _latest_decision(after, path)
    return turns, here or _latest_decision(before, path), here is not None


def _latest_decision(messages: Sequence[BaseMessage], path: tuple[Route, ...]) -> Decision | None:
    """Return the decision on the last answer; ``None`` when that has none, or none of ours."""
    answer = next((message for message in reversed(messages) if isinstance(message, AIMessage)), None)
    return decision_at(answer.response_metadata, path) if answer else None


def _first_decision(messages: Sequence[BaseMessage], path: tuple[Route, ...]) -> Decision | None:
    """Return the decision on the first answer that has one."""
    answers = (message for message in messages if isinstance(message, AIMessage))
    return next((found for each in answers if (found := decision_at(each.response_metadata, path))), None)


def _modalities(messages: Sequence[BaseMessage]) -> frozenset[str]:
    """Return what the messages hold besides text."""
    blocks = (block for message in messages if isinstance(message.content, list) for block in message.content)
    kinds = (MEDIA_TYPES.get(str(block.get("type"))) for block in blocks if isinstance(block, Mapping))
    return frozenset(kind for kind in kinds if kind)


def tokens_of(message: BaseMessage) -> int:
    """Estimate the tokens of a message: its text, its tool calls, and what it shows."""
    if not isinstance(message.content, str):  # has the tool calls in it, in some provider's form
        return MESSAGE_TOKENS + sum(map(_tokens_of_block, message.content))
    calls = message.tool_calls if isinstance(message, AIMessage) else ()
    return MESSAGE_TOKENS + tokens_in(message.content) + (tokens_in(str(calls)) if calls else 0)


def _tokens_of_block(block: str | dict[Any, Any]) -> int:
    if isinstance(block, str):
        return tokens_in(block)
    kind = str(block.get("type"))
    if kind in MEDIA_TYPES:
        return MEDIA_TOKENS
    return tokens_in(str(block.get("text", "") if kind == "text" else block))


def tokens_of_tools(tools: Sequence[Any]) -> int:
    """Estimate the tokens of tool descriptions that come as dicts."""
    return sum(tokens_in(str(tool)) for tool in tools if isinstance(tool, Mapping))


def _kind(tool: Any) -> str:
    """Return "function", or what a tool is called that is built into a provider: its type, or else its only key."""
    if not isinstance(tool, Mapping) or "function" in tool:
        return FUNCTION
    kind = tool.get("type")
    if isinstance(kind, str) and kind != "object":  # a JSON schema describes a function
        return kind
    return FUNCTION if not tool or _DESCRIBES & tool.keys() else str(next(iter(tool)))


def as_function(tool: Any) -> Any:
    """Return the description of a tool in OpenAI's form; of one that is built into a provider its own.

    Example:
        >>> as_function({"title": "add", "type": "object", "properties": {}})["function"]["name"]
        'add'
        >>> as_function({"google_search": {}})
        {'google_search': {}}
    """
    return convert_to_openai_tool(tool) if _kind(tool) == FUNCTION else tool


def _names(value: Mapping[Any, Any]) -> str:
    return "the keys " + ", ".join(repr(key) for key in value) if value else "no keys"
