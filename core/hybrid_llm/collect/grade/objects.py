r"""The grader ``json``: the same object as the reference, with a part of the credit for a part of the fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from hybrid_llm.look import without_thoughts

_FENCED: Final = re.compile(r"```[\w+-]*[ \t]*\n(.*?)```", re.DOTALL)
_TRIES: Final = 200
"""How many brackets of a long text are tried as the beginning of an object."""


class NoJsonError(ValueError):
    """A text that holds no JSON object, list or value."""


def same_object(answer: str, references: Sequence[str]) -> float:
    r"""Grade the share of fields that the answer's JSON has as a reference has them.

    Fields of both sides count, so that an invented field costs as much as a missing one, and an object in a field
    counts as one field that may be partly right. The order of fields does not matter, that of lists does; 1 is 1.0 and
    is neither true nor "1".

    Example:
        >>> same_object('```json\n{"city": "Oslo", "days": 2}\n```', ['{"city": "Oslo", "days": 3}'])
        0.5
    """
    try:
        value = json_in(answer)
    except NoJsonError:
        return 0.0
    return max((_agreement(value, json_in(reference)) for reference in references), default=0.0)


def json_in(text: str) -> Any:
    """Return the JSON value of a text: all of it, its last fenced block, or its last object or list.

    Raises:
        NoJsonError: There is none.

    Example:
        >>> json_in('Here you are: {"a": [1, 2]}. Anything else?')
        {'a': [1, 2]}
    """
    text = without_thoughts(text)
    for part in (text, *reversed(_FENCED.findall(text))):
        try:
            return _read(part.strip())
        except ValueError:
            continue
    found = list(_objects(text))
    if not found:
        raise NoJsonError("no JSON in this text")
    return found[-1]


def _objects(text: str) -> Iterator[Any]:
    """Yield the outermost objects and lists that stand in a text."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    end = 0
    for bracket in list(re.finditer(r"[{\[]", text))[:_TRIES]:
        if bracket.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(text, bracket.start())
        except (ValueError, RecursionError):
            continue
        yield value


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError as error:
        raise NoJsonError("JSON nested too deeply") from error


def _refuse(constant: str) -> Any:
    raise NoJsonError(f"{constant} is no JSON")


def _agreement(a: Any, b: Any) -> float:
    if isinstance(a, dict) and isinstance(b, dict):
        names = a.keys() | b.keys()
        return (
            sum(_agreement(a[name], b[name]) for name in names if name in a and name in b) / len(names)
            if names
            else 1.0
        )
    if isinstance(a, list) and isinstance(b, list):
        longer = max(len(a), len(b))
        return sum(map(_agreement, a, b)) / longer if longer else 1.0
    if isinstance(a, bool) or isinstance(b, bool):
        return float(a is b)
    if isinstance(a, str) and isinstance(b, str):
        return float(a.strip() == b.strip())
    return float(a == b)
