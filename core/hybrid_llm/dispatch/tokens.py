"""How sure a model was of the tokens that its reader sees, in the list that a server sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

_LEAST: Final = -9999.0
"""What OpenAI writes for a token that was all but impossible; others write minus infinity, which JSON cannot."""


def content_logprobs(tokens: Iterable[Any] | None, text: str) -> tuple[float, ...] | None:
    """Return the log-probabilities of the tokens that make up a text.

    Servers put the tokens of the thinking, and of the marks around it, into the same list.

    Args:
        tokens: What the server sent: each has ``token``, ``logprob`` and perhaps ``bytes``, as fields or as keys.
        text: The answer.

    Returns:
        One number for each token that overlaps the last place where the text stands; None without any tokens, or when
        they do not make up the text.
    """
    listed = list(tokens or ())
    if not listed:
        return None
    pieces = [_bytes_of(token) for token in listed]
    wanted = text.strip().encode("utf-8", "replace")
    start = b"".join(pieces).rfind(wanted)
    if start < 0 or not wanted:
        return None
    end, at, found = start + len(wanted), 0, []
    for token, piece in zip(listed, pieces, strict=True):
        if at < end and at + len(piece) > start:
            found.append(_logprob_of(token))
        at += len(piece)
    return None if None in found else tuple(number for number in found if number is not None)


def _bytes_of(token: Any) -> bytes:
    """Return the bytes of a token: a character may be spread over several."""
    raw = _field(token, "bytes")
    return bytes(raw) if raw is not None else str(_field(token, "token") or "").encode("utf-8", "replace")


def _logprob_of(token: Any) -> float | None:
    number = _field(token, "logprob")
    if not isinstance(number, (int, float)) or number != number:
        return None
    return float(min(0.0, max(_LEAST, number)))


def _field(token: Any, name: str) -> Any:
    return token.get(name) if isinstance(token, dict) else getattr(token, name, None)
