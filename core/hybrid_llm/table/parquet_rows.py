"""Parquet: columns that are texts, numbers, lists, structs or maps, one row a query."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from hybrid_llm.errors import MissingExtraError, TableError
from hybrid_llm.table.columns import canonical_names, may_be_scores, score_columns, with_quality
from hybrid_llm.table.encodings import not_utf8

AS_JSON: Final = b"hybrid_llm.json"
"""What the metadata of a column names when its cells are JSON that this library wrote."""
_NO_VALUE: Final = (KeyError, ValueError, OverflowError)
"""What comes of bytes that are no text, of names that stand twice, of dates beyond Python's."""


def parquet_rows(source: str, file: BinaryIO, *, scored: bool = True) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a Parquet file; ``quality`` may be a struct, a map, or one column for each model.

    Args:
        source: What messages call the file.
        file: The file; it has to be able to seek.
        scored: Whether some columns hold scores.

    Yields:
        A place ("rows.parquet row 17") and the fields of the row, or a TableError where it cannot be read.

    Raises:
        TableError: The file cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError.of(f"Reading {source}", "parquet") from None
    number = 0
    try:
        parquet = pq.ParquetFile(file)
        names = canonical_names(source, parquet.schema_arrow.names)
        said = score_columns(names) if scored else {}
        scores = said if said is not None else _number_columns(pa, names, parquet.schema_arrow.types)
        spelled = [
            name for name, field in zip(names, parquet.schema_arrow, strict=True) if AS_JSON in (field.metadata or ())
        ]
        for batch in parquet.iter_batches():
            for row in rows_of_batch(pa, batch.rename_columns(names)):
                number += 1
                place = f"{source} row {number}"
                if isinstance(row, str):
                    yield place, TableError(f"{place}: {row}")
                else:
                    yield place, with_quality(parsed(row, spelled), scores, guessed=said is None)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{source} cannot be read as Parquet after row {number}: {error}") from error


def parsed(row: dict[str, Any], spelled: list[str]) -> dict[str, Any]:
    """Parse the cells that are JSON; a field that a row does not have is left out."""
    for name in spelled:
        cell = row.pop(name)
        if cell is not None:
            row[name] = json.loads(cell)
    return row


def _number_columns(pa: Any, names: list[str], types: list[Any]) -> dict[str, str]:
    """Return {column: model} of the columns of numbers, or of lists of them, that have no other meaning."""

    def holds_numbers(kind: Any) -> bool:
        kind = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else kind
        return any(test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean))

    pairs = zip(names, types, strict=True)
    return {name: name for name, kind in pairs if may_be_scores(name) and holds_numbers(kind)}


def rows_of_batch(pa: Any, batch: Any) -> Iterator[dict[str, Any] | str]:
    """Yield the rows of a batch; where one cannot be turned into Python values, say why and go on behind it."""
    try:
        yield from batch.to_pylist(maps_as_pydicts="strict")
    except _NO_VALUE:
        for number in range(len(batch)):
            yield _row(batch.slice(number, 1))


def _row(batch: Any) -> dict[str, Any] | str:
    row: dict[str, Any] = {}
    for name in batch.schema.names:
        try:
            row.update(batch.select([name]).to_pylist(maps_as_pydicts="strict")[0])
        except UnicodeDecodeError as error:
            return f"field '{name}' is {not_utf8(error.object)}"
        except KeyError as error:
            return f"field '{name}' names {error} twice; keep one"
        except (ValueError, OverflowError) as error:
            return f"field '{name}' holds what Python has no value for ({error}); leave the column out"
    return row
