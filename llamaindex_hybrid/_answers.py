"""What an arm's answer holds: whether it shows anything, why it ended, what it used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse, TextBlock, ThinkingBlock
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.llms import LLM

from hybrid_llm.dispatch import Answers, has_text, noted_at
from hybrid_llm.event import Usage
from llamaindex_hybrid._raw import field, why_ended
from llamaindex_hybrid._seen import Seen, as_answer

_CLOSES: Final = frozenset({("ollama", "Ollama"), ("openai", "OpenAI")})
"""(integration, class) of models whose answers all say why they end; by name, to import none of them."""


def closes(llm: LLM) -> bool:
    """Return whether all answers of a model are known to say why they end."""
    names = {
        (base.__module__.removeprefix("llama_index.llms.").partition(".")[0], base.__name__)
        for base in type(llm).__mro__
    }
    return not _CLOSES.isdisjoint(names)


def shows(value: Any) -> bool:
    """Return whether an answer, or a chunk of one, shows its reader anything.

    A chunk of reasoning does, since there are readers who see it; a whole answer that is nothing but reasoning does
    not. An answer that was held back and is not of the form asked for shows something, too.
    """
    if isinstance(value, Seen):
        return value.value is None or shows(value.value)
    if isinstance(value, CompletionResponse):
        return has_text(value.delta or "") or has_text(value.text)
    if isinstance(value, ChatResponse):
        message = value.message
        is_chunk = value.delta is not None
        if has_text(value.delta or "") or message.additional_kwargs.get("tool_calls"):
            return True
        if is_chunk and value.additional_kwargs.get("thinking_delta"):
            return True
        return any(
            has_text(block.text) if isinstance(block, TextBlock) else is_chunk or not isinstance(block, ThinkingBlock)
            for block in message.blocks
        )
    if isinstance(value, BaseModel):  # a partial object of stream_structured_predict
        return any(each is not None for _, each in value)
    return has_text(value)


def ended(value: Any) -> str | None:
    """Return why an answer ended, in the word of its server; ``None`` for a chunk before the end.

    The word is empty where none is known, and for what has no place for one: a text, an object.
    """
    if isinstance(value, Seen):
        return ended(value.response)
    if not isinstance(value, (ChatResponse, CompletionResponse)):
        return ""
    return why_ended(value.raw)


def used(value: Any, before: Usage | None = None) -> Usage | None:
    """Return what the server's own answer, beside LlamaIndex's, says was used; the newest word of a stream counts."""
    raw = getattr(value.response if isinstance(value, Seen) else value, "raw", None)
    if raw is None:
        return before
    told = field(raw, "usage") or field(field(raw, "message"), "usage")  # Anthropic's first chunk has it deeper
    usage = Usage(
        _count(told, "prompt_tokens", "input_tokens") or _count(raw, "prompt_eval_count"),
        _count(told, "completion_tokens", "output_tokens") or _count(raw, "eval_count"),
        _cached(told),
        model=str(field(raw, "model") or ""),
    )
    return usage if before is None else before.newer(usage)


def says(value: Any) -> str:
    """Return the text of an answer, or of a chunk of one."""
    if isinstance(value, Seen):
        value = value.response or value.value
    if isinstance(value, (ChatResponse, CompletionResponse)) and value.delta is not None:
        return value.delta
    if isinstance(value, ChatResponse):
        return value.message.content or ""
    return value.text if isinstance(value, CompletionResponse) else value if isinstance(value, str) else ""


def noted(value: Any) -> Mapping[str, Any] | None:
    """Return what a pair noted on an answer, or on a chunk of one, as an arm of another."""
    return noted_at(getattr(value, "additional_kwargs", None) or {})


ANSWERS: Final = Answers(shows, ended, used, says, read=as_answer, held_whole=True, noted=noted)


def _count(holder: Any, *names: str) -> int | None:
    return next((n for name in names if type(n := field(holder, name)) is int), None)


def _cached(usage: Any) -> int | None:
    """Return the tokens from the provider's prompt cache, in the words of OpenAI, its Responses API or Anthropic."""
    for details in ("prompt_tokens_details", "input_tokens_details"):
        found = _count(field(usage, details), "cached_tokens")
        if found is not None:
            return found
    return _count(usage, "cache_read_input_tokens")
