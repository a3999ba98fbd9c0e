"""What a second look sees of an answer, how a model is asked for it, and the answer without what nobody else wanted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse, ThinkingBlock, ToolCallBlock
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.llms import LLM

from hybrid_llm.dispatch import content_logprobs
from hybrid_llm.look import Answer, ToolCall, without_thoughts
from llamaindex_hybrid._raw import choice_of, tokens_of, why_ended
from llamaindex_hybrid._settings import dialect_of_llm, with_fields

LOGPROBS: Final = "logprobs"


@dataclass(frozen=True, slots=True)
class Seen:
    """A whole answer that may not be shown.

    Args:
        value: What the model's method returned; ``None`` where what the model said is not of the form that was asked.
        response: The model's own answer behind it, where it is known.
        error: What the framework raised for an answer that is not of the form.
    """

    value: Any
    response: ChatResponse | CompletionResponse | None
    error: Exception | None = None


def as_answer(value: Any) -> Answer:
    """Return what a look sees of an answer."""
    seen = value if isinstance(value, Seen) else Seen(value, value)
    response = seen.response
    if not isinstance(response, (ChatResponse, CompletionResponse)):
        return Answer(_written(seen.value))
    said = without_thoughts((response.message.content if isinstance(response, ChatResponse) else response.text) or "")
    calls = [*_calls(response)]
    why = why_ended(response.raw) or ""
    is_made = seen.value is not response and seen.value is not None and not calls  # of what was said
    return Answer(
        _written(seen.value) if is_made else said,
        content_logprobs(_tokens(response), said),
        why,
        calls,
    )


def asked_for_logprobs(llm: LLM, settings: Mapping[str, Any]) -> LLM | None:
    """Return a copy of a model that asks its server for log-probabilities; ``None`` where it does so or cannot.

    Args:
        llm: The model.
        settings: Those of the call, in the caller's words.
    """
    if settings.get(LOGPROBS) is not None or getattr(llm, LOGPROBS, None) is not None:
        return None
    if dialect_of_llm(llm) not in ("chat", "completions"):
        return None
    return with_fields(llm, {LOGPROBS: True, "top_logprobs": max(getattr(llm, "top_logprobs", 0), 1)})


def without_logprobs(value: Any) -> Any:
    """Return a copy of an answer without the log-probabilities that nobody but the look asked for."""
    if not isinstance(value, (ChatResponse, CompletionResponse)):
        return value
    return value.model_copy(update={LOGPROBS: None, "raw": _bare(value.raw)})


def as_chunk(value: Any) -> Any:
    """Return a whole answer as the only chunk of a stream."""
    if isinstance(value, CompletionResponse):
        return value.model_copy(update={"delta": value.text})
    if not isinstance(value, ChatResponse):
        return value
    thoughts = "".join(block.content or "" for block in value.message.blocks if isinstance(block, ThinkingBlock))
    extras = {**value.additional_kwargs, **({"thinking_delta": thoughts} if thoughts else {})}
    return value.model_copy(update={"delta": value.message.content or "", "additional_kwargs": extras})


def _written(value: Any) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    return without_thoughts(value) if isinstance(value, str) else ""


def _calls(response: ChatResponse | CompletionResponse) -> Iterator[ToolCall]:
    """Yield the tool calls of an answer; one whose arguments are no whole JSON keeps them as they are."""
    for block in response.message.blocks if isinstance(response, ChatResponse) else ():
        if isinstance(block, ToolCallBlock):
            yield ToolCall(block.tool_name, _arguments(block.tool_kwargs))


def _arguments(given: Mapping[str, Any] | str) -> Mapping[str, Any] | str:
    if not isinstance(given, str):
        return given
    try:
        read: Any = json.loads(given)
    except ValueError:
        return given
    return read if isinstance(read, dict) else given


def _tokens(response: ChatResponse | CompletionResponse) -> list[Any]:
    """Return the tokens of an answer; of the framework's own list only what leaves no doubt which one was said."""
    listed = response.logprobs or []
    certain = [candidates[0] for candidates in listed if len(candidates) == 1]
    return tokens_of(response.raw) or (certain if len(certain) == len(listed) else [])


def _bare(raw: Any) -> Any:
    """Return a copy of a server's own answer without log-probabilities."""
    choice = choice_of(raw)
    if choice is None:
        return raw
    if isinstance(raw, Mapping):
        return {**raw, "choices": [{**choice, LOGPROBS: None}, *raw["choices"][1:]]}
    first = choice.model_copy(update={LOGPROBS: None})
    return raw.model_copy(update={"choices": [first, *raw.choices[1:]]})
