"""What a server's own answer says, which LlamaIndex hands on beside its message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def field(holder: Any, name: str) -> Any:
    """Return what a mapping or an object holds under a name; ``None`` where there is nothing."""
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def choice_of(raw: Any) -> Any:
    """Return the first choice of an answer in OpenAI's form; ``None`` of any other."""
    choices = field(raw, "choices")
    return choices[0] if isinstance(choices, list) and choices else None


def why_ended(raw: Any) -> str | None:
    """Return why an answer ended, in the word of its server; ``None`` where it does not say that it has ended."""
    if field(raw, "done"):
        return str(field(raw, "done_reason") or "")
    why = field(choice_of(raw), "finish_reason")
    return str(why) if why else None


def tokens_of(raw: Any) -> list[Any]:
    """Return the tokens that a server told of, with their log-probabilities: of OpenAI's chats, or its completions."""
    told = field(choice_of(raw), "logprobs")
    names, numbers = field(told, "tokens") or (), field(told, "token_logprobs") or ()
    old = [{"token": name, "logprob": number} for name, number in zip(names, numbers, strict=False)]
    return [*(field(told, "content") or ()), *old]
