"""Blocks of text that an editor or an agent appends to the user's words: left out of what is scored, by their tags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from hybrid_llm.dispatch.request import Request
from hybrid_llm.errors import ConfigError

_NAME: Final = re.compile(r"[A-Za-z_][\w.:-]*")


def checked_tags(tags: object) -> tuple[str, ...]:
    """Return the names of tags.

    Raises:
        ConfigError: These are no names of tags.
    """
    names = None if isinstance(tags, (str, bytes)) or not isinstance(tags, Iterable) else tuple(tags)
    if names is None or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in names):
        raise ConfigError(f"ignore_tags={tags!r} must be a list of names of tags, such as ['environment_details'].")
    return names


def without_blocks(text: str, tags: Iterable[str]) -> str:
    """Return a text without the blocks between these tags, case aside; a block that is never closed stays.

    Args:
        text: Of any length; the time it takes grows with the length alone.
        tags: The names of the tags.

    Example:
        >>> without_blocks("Why?<env os='x'>src/a.py</env>", ["env"])
        'Why?'
    """
    for tag in tags:
        text = _without(text, tag)
    return text


def _without(text: str, tag: str) -> str:
    # IGNORECASE keeps the places of the letters; lower() may not
    opening, closing = (re.compile(rf"<{mark}{re.escape(tag)}(?=[\s/>])[^<>]*>", re.IGNORECASE) for mark in ("", "/"))
    kept, end = [], 0
    while found := opening.search(text, end):
        close = closing.search(text, found.end())
        if close is None:
            break
        kept.append(text[end : found.start()])
        end = close.end()
    return "".join([*kept, text[end:]]) if end else text


def as_scored(requests: Sequence[Request], tags: Sequence[str]) -> Sequence[Request]:
    """Return requests whose texts, the earlier ones too, are without the blocks between these tags."""
    if not tags:
        return requests
    return [
        replace(
            request,
            text=without_blocks(request.text, tags),
            turns=[without_blocks(turn, tags) for turn in request.turns],
        )
        for request in requests
    ]
