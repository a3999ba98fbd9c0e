"""A conversation made safe for an arm that did not write all of it, on copies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from llama_index.core.base.llms.types import CachePoint, ChatMessage, MessageRole, ThinkingBlock, ToolCallBlock
from llama_index.core.llms.utils import parse_partial_json

from hybrid_llm.decision import KEY, Decision, Route
from hybrid_llm.dispatch import decision_at

Reader = Route | Literal["checker"]
_OF_TOOLS: Final = {"tool_call_id", "name"}
"""What every provider understands of a message's ``additional_kwargs``."""


def safe_messages(messages: Sequence[ChatMessage], route: Reader, path: tuple[Route, ...] = ()) -> list[ChatMessage]:
    """Return the messages as any provider accepts them; those that need no change are the same objects.

    Tool calls get arguments that are a dict, and ids (a provider without ids leaves them out, another one requires
    them); reasoning and extras of the other arm's messages are left out, and our own record is.

    Args:
        messages: The conversation, oldest message first.
        route: The arm that will read it, or the checker, which wrote nothing of it.
        path: The routes that lead to the arm's pair, where that is an arm of another one.
    """
    ids: list[tuple[str, str]] = []  # (name of the tool, new id) of the calls that wait for their result
    return [_safe_message(message, position, route, path, ids) for position, message in enumerate(messages)]


def tool_calls_of(message: ChatMessage) -> list[ToolCallBlock]:
    """Return the tool calls of a message, also those in the older form, with arguments that are a dict."""
    blocks = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    blocks = blocks or [_as_block(call) for call in message.additional_kwargs.get("tool_calls") or []]
    return [block.model_copy(update={"tool_kwargs": _arguments(block.tool_kwargs)}) for block in blocks]


def record_of(message: ChatMessage, path: tuple[Route, ...] = ()) -> Decision | None:
    """Return the decision that a message was answered by, of the pair at the end of a path, where it is recorded."""
    return decision_at(message.additional_kwargs, path)


def _safe_message(
    message: ChatMessage, position: int, route: Reader, path: tuple[Route, ...], ids: list[tuple[str, str]]
) -> ChatMessage:
    calls = tool_calls_of(message) if message.role == MessageRole.ASSISTANT else []
    is_result = message.role == MessageRole.TOOL and bool(ids)
    if not (calls or is_result or message.additional_kwargs or _has_hints(message)):
        return message
    here = record_of(message, path)
    foreign = here.route != route if here else bool(path) and KEY in message.additional_kwargs
    extras = {
        name: value
        for name, value in message.additional_kwargs.items()
        if name not in (KEY, "tool_calls") and (not foreign or name in _OF_TOOLS)
    }
    if is_result:
        extras["tool_call_id"] = _id_of_result(extras.get("tool_call_id"), ids)
    left_out = (ToolCallBlock, ThinkingBlock, CachePoint) if foreign else (ToolCallBlock,)
    blocks = [block for block in message.blocks if not isinstance(block, left_out)]
    if route != "large":  # a hint for hosted caches, which a local server takes for content
        blocks = [block for block in blocks if not isinstance(block, CachePoint)]
    if calls:
        ids[:] = []  # results follow their calls at once
    for number, call in enumerate(calls):
        if not call.tool_call_id:
            call.tool_call_id = f"call_{position}_{number}"
            ids.append((call.tool_name, call.tool_call_id))
    return message.model_copy(update={"blocks": [*blocks, *calls], "additional_kwargs": extras})


def _has_hints(message: ChatMessage) -> bool:
    return any(isinstance(block, CachePoint) for block in message.blocks)


def _id_of_result(given: Any, ids: list[tuple[str, str]]) -> Any:
    """Return the id of the call that a result belongs to; without ids an agent names the tool instead."""
    for place, (name, new) in enumerate(ids):
        if not given or given == name:
            del ids[place]
            return new
    return given


def _as_block(call: Any) -> ToolCallBlock:
    """Return a tool call that is a dict, or an object of a client library, as a block."""

    def field(holder: Any, name: str) -> Any:
        return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)

    function = field(call, "function") or call
    return ToolCallBlock(
        tool_call_id=field(call, "id") or field(call, "tool_id"),
        tool_name=field(function, "name") or field(function, "tool_name") or "",
        tool_kwargs=field(function, "arguments") or field(function, "tool_kwargs") or {},
    )


def _arguments(given: dict[str, Any] | str) -> dict[str, Any]:
    if not isinstance(given, str):
        return given
    try:
        read: Any = parse_partial_json(given)  # complete, or as far as a stream has come
    except (ValueError, TypeError, json.JSONDecodeError):
        return {}
    return read if isinstance(read, dict) else {}
