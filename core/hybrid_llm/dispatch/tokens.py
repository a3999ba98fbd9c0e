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
    listed = [_parts(token) for token in tokens or ()]
    pieces = [bytes(raw) if raw is not None else str(said or "").encode("utf-8", "replace") for raw, said, _ in listed]
    wanted = text.strip().encode("utf-8", "replace")
    start = b"".join(pieces).rfind(wanted)
    if start < 0 or not wanted:
        return None
    end, at, found = start + len(wanted), 0, []
    for (_, _, number), piece in zip(listed, pieces, strict=True):
        after = at + len(piece)
        if at < end and after > start:
            found.append(number)
        at = after
    if not all(isinstance(number, (int, float)) and number == number for number in found):
        return None
    return tuple(float(min(0.0, max(_LEAST, number))) for number in found)


def _parts(token: Any) -> tuple[Any, Any, Any]:
    """Return the bytes of a token (a character may be spread over several), its text and its log-probability."""
    if isinstance(token, dict):
        return token.get("bytes"), token.get("token"), token.get("logprob")
    return getattr(token, "bytes", None), getattr(token, "token", None), getattr(token, "logprob", None)
