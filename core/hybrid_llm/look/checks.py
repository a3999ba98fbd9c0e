"""Whether an answer can be used at all, without any training. A rejection names itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

from hybrid_llm.look.answer import Answer, ToolCall

Validates = Callable[[Any], bool]
"""Whether a value follows a schema; handed in by the adapter, which knows the schema."""

REPEATS: Final = 4
"""An answer that ends in this many times the same passage is a loop."""
_PASSAGE: Final = 12, 200
"""Characters of a passage, at least and at most: a row of dashes is a line, not a loop."""
_FENCE: Final = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n\s*```\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an answer has to be.

    Args:
        length_is_meant: Whether the caller set the limit that an answer may end at.
        json: Whether it has to be JSON.
        schema: Whether a JSON value follows the schema, if there is one.
        tools: What each tool says of arguments; ``None`` where no tool was offered.
        check: A rule of the caller's own: ``False`` rejects.
    """

    length_is_meant: bool = False
    json: bool = False
    schema: Validates | None = None
    tools: dict[str, Validates | None] | None = None
    check: Callable[[str, str], object] | None = None


def rejected(query: str, answer: Answer, wanted: Wanted) -> str | None:
    """Return why an answer cannot be used, ``None`` when it can.

    Args:
        query: What was asked.
        answer: What small gave.
        wanted: What it has to be.

    Returns:
        ``"cut_off"``, ``"empty"``, ``"repeats"``, ``"json"``, ``"schema"``, ``"unknown_tool"``, ``"tool_arguments"`` or
        ``"check"``.

    Raises:
        Exception: What the caller's own rule raises.

    Example:
        >>> rejected("2+2?", Answer("  "), Wanted()), rejected("2+2?", Answer("4"), Wanted())
        ('empty', None)
    """
    if answer.finish == "length" and not wanted.length_is_meant:
        return "cut_off"
    if answer.tool_calls:
        return _of_tools(answer.tool_calls, wanted.tools)
    if not answer.text.strip():
        return "empty"
    if repeats(answer.text):
        return "repeats"
    if (wanted.json or wanted.schema) and (why := _of_json(answer.text, wanted.schema)):
        return why
    if wanted.check is not None and _says_no(wanted.check(query, answer.text)):
        return "check"
    return None


def repeats(text: str) -> bool:
    """Return whether a text ends in a loop: one passage again and again.

    Example:
        >>> repeats("I see. " + "The answer is what it is. " * 9), repeats("no, no, no, no")
        (True, False)
    """
    shortest, longest = _PASSAGE
    end = text[-(REPEATS + 1) * longest :].rstrip()
    for length in range(shortest, min(longest, len(end) // REPEATS) + 1):
        passage = end[-length:]
        if end.endswith(passage * REPEATS) and len(set(passage.strip())) > 2:
            return True
    return False


def _says_no(said: object) -> bool:
    """Return whether a rule rejects: by False, or by the False of an array library, which is another object."""
    truth = str(getattr(said, "dtype", "")).endswith("bool") and getattr(said, "ndim", 1) == 0
    return said is False or (truth and not said)


def _of_tools(calls: Collection[ToolCall], tools: dict[str, Validates | None] | None) -> str | None:
    for call in calls:
        if tools is None or call.name not in tools:
            return "unknown_tool"
        follows = tools[call.name]
        if isinstance(call.arguments, str) or (follows is not None and not follows(call.arguments)):
            return "tool_arguments"
    return None


def _of_json(text: str, schema: Validates | None) -> str | None:
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return "json"
    return None if schema is None or schema(value) else "schema"
