"""Ids of rows that were given none: a hash of the query, the same in every file and on every machine."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

from hybrid_llm.table.rows import Row
from hybrid_llm.table.splits import hash64


def with_ids(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows, each with an id.

    Rows that ask the same query are numbered in the order of what they hold, so that it does not matter in which order
    they or their files are read.
    """
    bare: defaultdict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        if not row.id:
            bare[row.query].append(number)
    if not bare:
        return rows
    named = list(rows)
    taken = {row.id for row in rows}
    for query, numbers in bare.items():
        numbers.sort(key=lambda number: _content(rows[number]))
        base, suffix = f"{hash64(query):016x}", 1
        for number in numbers:
            while (name := base if suffix == 1 else f"{base}-{suffix}") in taken:
                suffix += 1
            taken.add(name)
            named[number] = rows[number]._replace(id=name)
    return named


def _content(row: Row) -> str:
    return json.dumps([row.quality, row.split, row.task, row.stem_key], sort_keys=True)
