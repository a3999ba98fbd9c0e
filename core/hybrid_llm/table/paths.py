"""Which fields of an export are the query and the reference: ``query=inputs.question,reference=outputs.answer``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from hybrid_llm.errors import TableError

TARGETS: Final = ("query", "reference", "id", "task", "split", "stem_key")
"""What a path can be given for."""

_LISTED: Final = 12
"""How many fields a message lists."""


def parse_map(text: str) -> dict[str, str]:
    """Return {field: path} of a map.

    Args:
        text: ``FIELD=PATH``, several with commas between them.

    Raises:
        TableError: It is none.

    Example:
        >>> parse_map("query=inputs.question,reference=outputs.answer")
        {'query': 'inputs.question', 'reference': 'outputs.answer'}
    """
    paths = {}
    for part in text.split(","):
        name, _, path = (piece.strip() for piece in part.partition("="))
        if name not in TARGETS or not path:
            raise TableError(
                f"The map {part!r} is no FIELD=PATH; write query=inputs.question,reference=outputs.answer "
                f"(fields: {', '.join(TARGETS)})"
            )
        paths[name] = path
    return paths


def mapped(place: str, fields: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a row with those that a map names put where they belong.

    Args:
        place: Where the row stands.
        fields: Its fields.
        paths: {field: path}; a step of a path is the name of a field, in any case, or the number of an entry.

    Raises:
        TableError: A path leads nowhere; the message lists the fields that exist.
    """
    found = {}
    for name, path in paths.items():
        try:
            found[name] = _at(fields, path)
        except LookupError:
            raise TableError(f"{place}: there is no {path!r} for {name}; the row has {listed(fields)}") from None
    return {**fields, **found}


def listed(fields: Mapping[str, Any]) -> str:
    """Return the paths to all that a row holds, for a message."""
    paths = list(dict.fromkeys(_leaves(fields)))
    return ", ".join(paths[:_LISTED]) + (f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else "")


def roots(paths: Mapping[str, str]) -> frozenset[str]:
    """Return the names that columns may have in which the paths begin, in lower case."""
    steps = (path.casefold().split(".") for path in paths.values())
    return frozenset(".".join(step[: end + 1]) for step in steps for end in range(len(step)))


def _at(value: Any, path: str) -> Any:
    """Follow a path; a field whose name holds the dots itself is taken first.

    Raises:
        LookupError: It leads nowhere.
    """
    if not path:
        return value
    value = _unpacked(value)
    if isinstance(value, (list, tuple)):
        step, _, rest = path.partition(".")
        if not step.lstrip("-").isdecimal():
            raise LookupError(path)
        return _at(value[int(step)], rest)
    if not isinstance(value, Mapping):
        raise LookupError(path)
    steps = path.split(".")
    for end in range(len(steps), 0, -1):
        name = _name_in(value, ".".join(steps[:end]))
        if name is not None:
            return _at(value[name], ".".join(steps[end:]))
    raise LookupError(path)


def _name_in(fields: Mapping[str, Any], name: str) -> str | None:
    if name in fields:
        return name
    return next((known for known in fields if str(known).casefold() == name.casefold()), None)


def _unpacked(value: Any) -> Any:
    """Return what a text of JSON holds: in CSV exports, objects are written so."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _leaves(value: Any, before: str = "") -> Iterator[str]:
    """Yield the paths to all that is neither an object nor a list of them."""
    value = _unpacked(value)
    inner: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        inner = [(str(name), within) for name, within in value.items()]
    elif isinstance(value, (list, tuple)) and any(isinstance(within, Mapping) for within in value):
        inner = [(str(number), within) for number, within in enumerate(value)]
    if not inner:
        yield before
    for name, within in inner:
        yield from _leaves(within, f"{before}.{name}" if before else name)
