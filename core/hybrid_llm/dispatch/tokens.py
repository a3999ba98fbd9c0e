"""How sure a model was of the tokens that its reader sees, in the list that a server sent."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from math import isnan
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
    listed = [token if isinstance(token, dict) else _as_dict(token) for token in tokens or ()]
    pieces = list(map(_bytes_of, listed))
    wanted = text.strip().encode("utf-8", "replace")
    start = b"".join(pieces).rfind(wanted)
    if start < 0 or not wanted:
        return None
    ends = list(accumulate(map(len, pieces)))
    first, last = bisect_right(ends, start), bisect_left(ends, start + len(wanted))
    told = [token.get("logprob") for token in listed[first : last + 1]]
    try:
        found = tuple(0.0 if n > 0.0 else float(max(n, _LEAST)) for n in told)  # type: ignore[operator,type-var,arg-type]
    except TypeError:
        return None
    return None if isnan(sum(found)) else found


def _bytes_of(token: dict[str, Any]) -> bytes:
    """Return the bytes of a token: a character may be spread over several."""
    raw = token.get("bytes")
    if isinstance(raw, (list, tuple)) and all(type(each) is int and 0 <= each < 256 for each in raw):
        return bytes(raw)
    return raw if isinstance(raw, bytes) else str(token.get("token") or "").encode("utf-8", "replace")


def _as_dict(token: Any) -> dict[str, Any]:
    return {name: getattr(token, name, None) for name in ("bytes", "token", "logprob")}
