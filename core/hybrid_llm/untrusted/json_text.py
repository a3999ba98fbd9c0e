"""JSON of strangers: no deeper than ours ever is, no number that is none, no name that steers a screen."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from typing import Any, Final

from hybrid_llm.untrusted.files import BadFileError

DEPTH: Final = 32
"""How deep lists and objects may lie in each other."""
CONTAINERS: Final = 1_000_000
"""How many lists and objects there may be: each takes far more memory than its two characters."""

_STRINGS: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_BESIDE_BRACKETS: Final = re.compile(r"[^\[\]{}]+")
_LARGE: Final = re.compile(r"[eE]\+?[0-9]{3}")
"""What a number that is not finite has in it, unless it is hundreds of digits long."""
# Control characters, and those that end lines or turn the direction of writing; surrogates cannot be printed at all.
_BEYOND = "\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNSEEN: Final = re.compile(rf"[\x00-\x1f{_BEYOND}]")
_STEERS: Final = re.compile(rf"\\[bfnrtu]|[{_BEYOND}]")
"""JSON has the first control characters only as escapes."""
_SHOWN: Final = 300


def parse_json(content: bytes) -> Any:
    """Parse JSON text in UTF-8; how deep it is and how much it holds is counted before.

    Raises:
        BadFileError: It is too deep, holds too much, a key twice, or a number that is not finite.
        ValueError: It is no JSON.

    Example:
        >>> parse_json(b"[" * 100)
        Traceback (most recent call last):
        hybrid_llm.untrusted.files.BadFileError: holds lists and objects deeper than 32, or leaves them open
    """
    text = content.decode("utf-8")
    _refuse_deep(text)
    exact = _finite if _LARGE.search(text) else None  # a function for each number takes more time than all the rest
    return json.loads(text, parse_constant=_refuse_number, parse_float=exact, object_pairs_hook=_once_each)


def _refuse_deep(text: str) -> None:
    opened = text.count("[") + text.count("{")
    if opened <= DEPTH:
        return
    brackets = _BESIDE_BRACKETS.sub("", _STRINGS.sub("", text))
    if len(brackets) > 2 * CONTAINERS:
        raise BadFileError(f"holds more than {CONTAINERS:,} lists and objects")
    for _ in range(DEPTH):  # each time the innermost go
        brackets = brackets.replace("[]", "").replace("{}", "")
    if brackets:
        raise BadFileError(f"holds lists and objects deeper than {DEPTH}, or leaves them open")


def _refuse_number(name: str) -> float:
    raise BadFileError(f"holds the number {name}")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise BadFileError(f"holds the number {digits[:20]}, which is too large")
    return number


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that stands twice: parsers differ in which of the two they take."""
    data = dict(pairs)
    if len(data) != len(pairs):
        raise BadFileError("holds an object with the same key twice")
    return data


def printable(text: object, limit: int = _SHOWN) -> str:
    r"""Return a text of a stranger as it may stand in a message: on one line, not too long, without signs that steer.

    Example:
        >>> printable("red\x1b[31m")
        'red\\x1b[31m'
    """
    shown = str(text)
    shown = shown if len(shown) <= limit else f"{shown[:limit]}..."
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in shown)


def steers(content: bytes) -> bool:
    """Return whether JSON text may hold a sign that :func:`escaped` would change."""
    return _STEERS.search(content.decode("utf-8")) is not None


def escaped(data: Any, lines: Collection[str] = ()) -> Any:
    """Return JSON values with every text in them escaped, keys too, so that whoever prints them need not think of it.

    Args:
        data: JSON values, as :func:`parse_json` gives them.
        lines: Keys whose text may have several lines.
    """
    if isinstance(data, str):
        return _escaped(data)
    if isinstance(data, list):
        return [escaped(value, lines) for value in data]
    if isinstance(data, dict):
        return {_escaped(key): _of_key(key, value, lines) for key, value in data.items()}
    return data


def _of_key(key: str, value: Any, lines: Collection[str]) -> Any:
    if key in lines and isinstance(value, str):
        return "\n".join(map(_escaped, value.split("\n")))
    return escaped(value, lines)


def _escaped(text: str) -> str:
    return _UNSEEN.sub(lambda sign: _escape(sign[0]), text)


def _escape(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
