"""From flat columns (CSV, Parquet) to the fields of a row: which of them hold the scores of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from hybrid_llm.errors import TableError

PREFIX: Final = "quality."
"""What stands before the name of a model where its scores have a column of their own."""

QUERY_NAMES: Final = ("query", "prompt", "messages")
"""The fields that may hold the query, the first one that a row has."""

KNOWN: Final = frozenset(
    {*QUERY_NAMES, "id", "quality", "split", "task", "stem_key", "reference", "benchmark", "response_tokens"}
    | {"cost_usd", "responses", "answers", "logprobs", "finish", "seconds", "usage"}
)
"""Fields with a meaning: never the name of a model."""


class GuessedQuality(dict[str, Any]):
    """Scores of columns that nobody said were scores."""


def canonical_names(source: str, header: Iterable[str]) -> list[str]:
    """Return the names of columns, those of known fields in lower case.

    Raises:
        TableError: Two columns have one name.
    """
    names: list[str] = []
    for name in map(str.strip, header):
        known = name if name.casefold() not in KNOWN else name.casefold()
        if known and known in names:
            raise TableError(f"{source}: two columns are called {known!r}; rename or remove one")
        names.append(known)
    return names


def score_columns(names: Iterable[str]) -> dict[str, str] | None:
    """Return {column: model} of the columns called ``quality.MODEL``, or None when the scores have to be guessed.

    Columns of pandas' row numbers, of known fields and of their parts (``seconds.tiny``) never are scores.
    """
    names = list(names)
    if "quality" in names:
        return {}
    return {name: name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)} or None


def may_be_scores(name: str) -> bool:
    """Return whether a column can be that of a model, as far as its name tells."""
    return bool(name) and name.partition(".")[0] not in KNOWN and not name.startswith(("Unnamed:", "__index_level_"))


def with_quality(fields: Mapping[str, Any], scores: Mapping[str, str], *, guessed: bool) -> dict[str, Any]:
    """Return the fields of a row with the columns of scores gathered into ``quality``.

    Args:
        fields: What stands in each column.
        scores: {column: model} of the columns of scores.
        guessed: Whether nobody said that these hold scores.
    """
    if not scores:
        return dict(fields)
    kind = GuessedQuality if guessed else dict
    quality = kind({model: fields[column] for column, model in scores.items() if column in fields})
    return {**{name: value for name, value in fields.items() if name not in scores}, "quality": quality}
