"""One row of a quality table: where it stands, what it has to hold, and what is said when it does not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from hybrid_llm.errors import TableError, shown
from hybrid_llm.table.columns import PREFIX
from hybrid_llm.table.encodings import not_utf8
from hybrid_llm.table.fields import NEEDS, id_of, optional_text_of, query_of, references_of, text_of
from hybrid_llm.table.responses import PARALLEL, Response, responses_of
from hybrid_llm.table.scores import Scale, quality_of

_CHECKED: Final = frozenset({"id", "query", "quality", "split", "task", "stem_key", "reference"})
_PARALLEL: Final = frozenset(PARALLEL)


class Row(NamedTuple):
    """A checked row; ``extra`` holds the fields that this library does not read, ``id`` is "" when it had none."""

    place: str
    id: str
    query: str
    quality: dict[str, tuple[float, ...]]
    split: str | None
    task: str | None
    stem_key: str | None
    references: tuple[str, ...]
    responses: dict[str, tuple[Response, ...]]
    extra: dict[str, Any]


def check_rows(
    found: Iterable[tuple[str, object]], *, skip_bad: bool, scale: Scale | None = None
) -> tuple[list[Row], list[str]]:
    """Check rows and the uniqueness of their ids.

    Args:
        found: Pairs of a place ("routes.jsonl line 17") and what stands there: a line of JSON that nobody has parsed
            yet, the fields, or a TableError that says why it cannot be read.
        skip_bad: Leave bad rows out and collect what is wrong with them instead of raising.
        scale: What the scores lie between, when not 0 and 1.

    Returns:
        The good rows, and one message for each row left out.

    Raises:
        TableError: The first bad row, or no good one at all.
    """
    rows: list[Row] = []
    skipped: list[str] = []
    places: dict[str, str] = {}
    for place, raw in found:
        try:
            row = _check(place, raw, scale)
            if row.id in places:
                raise TableError(f"{place}: id {row.id!r} stands also in {places[row.id]}; each id may occur once")
        except TableError as error:
            if not skip_bad:
                raise
            skipped.append(str(error))
            continue
        if row.id:
            places[row.id] = place
        rows.append(row)
    if not rows:
        why = f"each of the {len(skipped)} rows is bad, the first one: {skipped[0]}" if skipped else NEEDS
        raise TableError(f"There is no row to use; {why}")
    return rows, skipped


def fields_of(place: str, raw: object, *, needs: str = NEEDS) -> Mapping[str, Any]:
    """Return the fields of what was found at a place.

    Raises:
        TableError: It has none.
    """
    if isinstance(raw, TableError):
        raise raw
    fields = _parse(place, raw) if isinstance(raw, bytes) else raw
    if not isinstance(fields, Mapping):
        raise TableError(f"{place}: {shown(fields)} is not an object; {needs}")
    return fields


def _check(place: str, raw: object, scale: Scale | None) -> Row:
    """Turn what was found into a row.

    Raises:
        TableError: Something is wrong with it; the message names the place and the field.
    """
    fields = fields_of(place, raw)
    extra = {name: value for name, value in fields.items() if name not in _CHECKED}
    query = fields.get("query")
    if isinstance(query, str):
        text_of(place, "query", query)
    else:
        query, name, messages = query_of(place, fields)
        extra.pop(name, None)
        if messages is not None:
            extra.setdefault("messages", messages)
    quality = fields.get("quality")
    if quality is None:
        quality = {name.removeprefix(PREFIX): extra.pop(name) for name in list(extra) if name.startswith(PREFIX)}
        if not quality:
            raise TableError(f"{place}: field 'quality' is missing; {_why_ungraded(fields)}")
    scores = quality_of(place, quality, scale)
    responses: dict[str, tuple[Response, ...]] = {}
    if not _PARALLEL.isdisjoint(extra):
        responses = responses_of(place, extra, scores)
        for name in _PARALLEL & extra.keys():
            if name != "cost_usd" or isinstance(extra[name], Mapping):
                del extra[name]
    return Row(
        place=place,
        id=id_of(place, fields.get("id")),
        query=query,
        quality=scores,
        split=optional_text_of(place, "split", fields.get("split")),
        task=optional_text_of(place, "task", fields.get("task")),
        stem_key=optional_text_of(place, "stem_key", fields.get("stem_key")),
        references=references_of(place, fields.get("reference")),
        responses=responses,
        extra=extra,
    )


def _why_ungraded(fields: Mapping[str, Any]) -> str:
    """Say what a row without scores needs: a grader, when it has answers."""
    if fields.get("responses"):
        return "these are answers that nobody has graded; grade them first: hybrid-llm grade --help"
    return f"{NEEDS} {{model: [score, ...]}}"


def _parse(place: str, line: bytes) -> Any:
    """Parse one line of JSON."""
    try:
        return json.loads(line.decode("utf-8").removeprefix("\ufeff"))  # a mark where two files were put together
    except UnicodeDecodeError:
        raise TableError(f"{place}: {not_utf8(line)}") from None
    except (ValueError, RecursionError) as error:
        raise TableError(f"{place}: not valid JSON ({error}); each line is one row, a JSON object") from None
