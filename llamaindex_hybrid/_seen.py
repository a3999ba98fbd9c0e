"""What a second look sees of an LLM's answer, and how the LLM is asked for it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.llms import LLM

from hybrid_llm.dispatch import content_logprobs, dialect_of
from hybrid_llm.errors import LookError
from hybrid_llm.look import Answer, ToolCall, without_thoughts
from llamaindex_hybrid._history import tool_calls_of

LOGPROBS: Final = "logprobs"
_NOTED: Final = (ChatResponse, CompletionResponse)


def as_answer(value: Any) -> Answer:
    """Return what a look sees of an answer, or of all chunks of one.

    Raises:
        LookError: It is neither a response nor a text.
    """
    chunks: Sequence[Any] = value if isinstance(value, list) else [value]
    last = chunks[-1]
    if isinstance(last, str):
        return Answer("".join(map(str, chunks)))
    if not isinstance(last, _NOTED):
        raise LookError(f"A second look cannot read an answer of type {type(last).__name__}.")
    content = (last.message.content or "") if isinstance(last, ChatResponse) else last.text
    text = without_thoughts(content)
    calls = tool_calls_of(last.message) if isinstance(last, ChatResponse) else []
    tokens = [token for chunk in chunks for token in _tokens(chunk)]
    why = next((said for chunk in reversed(chunks) if (said := _why(chunk))), "")
    return Answer(
        text,
        content_logprobs(tokens, text),
        why,
        [ToolCall(call.tool_name, _arguments(call.tool_kwargs)) for call in calls],
    )


def asking_for_logprobs(llm: LLM, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of a call that asks for log-probabilities too; ``None`` where it does so or cannot.

    The class for Ollama has no way to ask; that of OpenAI's dialect shows them in ``raw``.
    """
    if settings.get(LOGPROBS) is not None or getattr(llm, LOGPROBS, None) is not None:
        return None
    if dialect_of(type(llm)) != "chat" or not llm.metadata.is_chat_model:
        return None
    return {**settings, LOGPROBS: True}


def without_logprobs(value: Any) -> Any:
    """Return a copy of a response without the log-probabilities that nobody but the look asked for."""
    if not isinstance(value, _NOTED):
        return value
    return value.model_copy(update={LOGPROBS: None, "raw": _bare(value.raw)})


def _bare(raw: Any) -> Any:
    choices = _field(raw, "choices")
    if not isinstance(choices, list):
        return raw
    if isinstance(raw, Mapping):
        return {**raw, "choices": [{**choice, LOGPROBS: None} for choice in choices]}
    if not all(hasattr(each, "model_copy") for each in (raw, *choices)):
        return raw
    return raw.model_copy(update={"choices": [choice.model_copy(update={LOGPROBS: None}) for choice in choices]})


def _tokens(chunk: Any) -> list[Any]:
    raw = getattr(chunk, "raw", None)
    choices = _field(raw, "choices")
    told = _field(choices[0], LOGPROBS) if isinstance(choices, list) and choices else _field(raw, LOGPROBS)
    return list((told if isinstance(told, list) else _field(told, "content")) or ())


def _why(chunk: Any) -> str:
    raw = getattr(chunk, "raw", None)
    choices = _field(raw, "choices")
    said = _field(choices[0], "finish_reason") if isinstance(choices, list) and choices else _field(raw, "done_reason")
    return "length" if said in ("length", "max_tokens") else str(said or "")


def _arguments(kwargs: Any) -> Any:
    """Return a call's arguments; a text where they are no JSON object."""
    if not isinstance(kwargs, str):
        return kwargs
    try:
        read = json.loads(kwargs or "{}")
    except ValueError:
        return kwargs
    return read if isinstance(read, dict) else kwargs


def _field(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
