"""What a server's own answer says, which LlamaIndex hands on beside its message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Token = tuple[str, Any, float]
"""A token's text, its bytes where they are told, and its log-probability."""


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


def tokens_of(raw: Any) -> Iterator[Token]:
    """Yield the tokens that a server told of, in the form of OpenAI's chats or of its old completions."""
    told = field(choice_of(raw), "logprobs")
    for entry in field(told, "content") or ():
        yield from _token(field(entry, "token"), field(entry, "bytes"), field(entry, "logprob"))
    for text, logprob in zip(field(told, "tokens") or (), field(told, "token_logprobs") or (), strict=False):
        yield from _token(text, None, logprob)


def _token(text: Any, raw: Any, logprob: Any) -> Iterator[Token]:
    if isinstance(logprob, (int, float)) and logprob == logprob:  # NaN is none
        yield str(text or ""), raw, float(logprob)
