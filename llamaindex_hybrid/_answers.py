"""What an arm's answer holds: whether it shows anything, and the server's word on why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse, TextBlock, ThinkingBlock
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.llms import LLM

from hybrid_llm.dispatch import Answers, has_text

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
    not.
    """
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
    if not isinstance(value, (ChatResponse, CompletionResponse)):
        return ""
    raw = value.raw
    if raw is None:
        return None
    if _field(raw, "done"):
        return str(_field(raw, "done_reason") or "")
    choices = _field(raw, "choices")
    why = _field(choices[0], "finish_reason") if isinstance(choices, list) and choices else None
    return str(why) if why else None


ANSWERS: Final = Answers(shows, ended)


def _field(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
