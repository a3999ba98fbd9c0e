"""Writing a quality table: JSON Lines or Parquet that read back as the same table."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from hybrid_llm.disk import whole_file
from hybrid_llm.errors import MissingExtraError, TableError
from hybrid_llm.table.columns import canonical_names
from hybrid_llm.table.fields import is_missing
from hybrid_llm.table.parquet_rows import AS_JSON
from hybrid_llm.table.responses import Response

if TYPE_CHECKING:
    from hybrid_llm.table.table import QualityTable

_NAMES: Final = ("id", "query", "split", "task", "stem_key", "reference", "quality")


def write_table(table: QualityTable, path: str | os.PathLike[str]) -> Path:
    """Write a quality table, whole or not at all: a file that is there is replaced when all is written.

    Every row is written with its id and its split, and unknown fields with it, so that
    :meth:`~hybrid_llm.QualityTable.read` gives the same table back. What is missing (null, NaN) is left out.

    Args:
        table: The table.
        path: A file that ends in ``.jsonl``, ``.jsonl.gz`` or ``.parquet``.

    Returns:
        The path.

    Raises:
        TableError: The name ends in something else, the file cannot be written, or a field cannot be stored.
        MissingExtraError: The file is Parquet and pyarrow is not installed.
    """
    path = Path(path)
    write = next((write for end, write in _FORMATS.items() if path.name.endswith(end)), None)
    if write is None:
        raise TableError(f"{path} ends in no format that is written; call it .jsonl, .jsonl.gz or .parquet")
    try:
        with whole_file(path) as part, part.open("wb") as file:
            write(table, file)
    except OSError as error:
        raise TableError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def fields_of_rows(table: QualityTable) -> Iterator[dict[str, Any]]:
    """Yield the fields of each row as they stand in a file, without those that are missing.

    Example:
        >>> from hybrid_llm.table import QualityTable
        >>> table = QualityTable.from_rows([{"id": 1, "query": "2+2?", "quality": {"tiny": 1}, "split": "test"}])
        >>> next(fields_of_rows(table))
        {'id': '1', 'query': '2+2?', 'split': 'test', 'quality': {'tiny': [1.0]}}
    """
    columns = (table.ids, table.queries, table.row_splits, table.tasks, table.stem_keys, table.references)
    for *known, quality, responses, extra in zip(*columns, table.quality, table.responses, table.extras, strict=True):
        scores = {model: list(given) for model, given in quality.items()}
        fields = dict(zip(_NAMES, [*known, scores], strict=True), **_parallel(responses))
        fields["reference"] = list(fields["reference"])
        kept = {name: value for name, value in fields.items() if value is not None and value != []}
        yield kept | {name: value for name, value in extra.items() if not is_missing(value)}


def _parallel(responses: Mapping[str, tuple[Response, ...]]) -> dict[str, dict[str, list[Any]]]:
    """Return the fields that are parallel to ``quality``, each with the models that it is known of."""
    fields: dict[str, dict[str, list[Any]]] = {}
    for name, entry_of in _ENTRIES.items():
        entries = {model: [entry_of(response) for response in given] for model, given in responses.items()}
        known = {model: given for model, given in entries.items() if any(entry is not None for entry in given)}
        if known:
            fields[name] = known
    return fields


def _logprobs(response: Response) -> list[float] | None:
    """Return the log-probabilities in as few digits as give the same float32 again."""
    return None if response.logprobs is None else [float(str(token)) for token in response.logprobs]


def _usage(response: Response) -> dict[str, int] | None:
    counts = {"input": response.input_tokens, "output": response.output_tokens}
    return {name: count for name, count in counts.items() if count is not None} or None


_ENTRIES: Final[Mapping[str, Callable[[Response], Any]]] = {
    "responses": lambda response: response.text,
    "answers": lambda response: response.answer,
    "logprobs": _logprobs,
    "finish": lambda response: response.finish,
    "seconds": lambda response: response.seconds,
    "usage": _usage,
    "cost_usd": lambda response: response.cost_usd,
}


def _write_lines(table: QualityTable, file: IO[bytes] | gzip.GzipFile) -> None:
    for fields in fields_of_rows(table):
        file.write(_json(fields["id"], fields).encode("utf-8") + b"\n")


def _write_packed(table: QualityTable, file: IO[bytes]) -> None:
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:  # the same table, the same bytes
        _write_lines(table, packed)


def _json(row: str, value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, in a field that nobody has checked
        return json.dumps(value, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise TableError(f"Row {row!r} holds what JSON cannot: {error}; mend the field or leave it out") from None
    return text


def _plain(value: Any) -> Any:
    """Turn arrays and numbers of numpy into lists and numbers, and dates of Parquet into text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__}")


def _write_parquet(table: QualityTable, file: IO[bytes]) -> None:
    """Write a column for each field, some thousand rows at a time; an unknown field as JSON, whatever it holds."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError.of("Writing Parquet", "parquet") from None
    kinds = _kinds(pa)
    names = dict.fromkeys(name for fields in fields_of_rows(table) for name in fields)
    canonical_names("The table, written as Parquet", names)
    if any("cost_usd" in extra for extra in table.extras):
        del kinds["cost_usd"]  # some rows have a cost that names no model
    columns = [
        pa.field(name, kinds.get(name, pa.string()), metadata=None if name in kinds else {AS_JSON: b"1"})
        for name in names
    ]
    rows = fields_of_rows(table)
    with pq.ParquetWriter(file, pa.schema(columns)) as writer:
        while some := list(islice(rows, _AT_ONCE)):
            cells = [[_cell(row, field) for row in some] for field in columns]
            arrays = [pa.array(column, field.type) for column, field in zip(cells, columns, strict=True)]
            writer.write_table(pa.table(arrays, schema=writer.schema))


_AT_ONCE: Final = 5_000


def _cell(row: Mapping[str, Any], field: Any) -> Any:
    """Return what stands in a row in the column of a field; what is a map there is pairs in Python."""
    value = row.get(field.name)
    if value is not None and AS_JSON in (field.metadata or ()):
        return _json(row["id"], value)
    return list(value.items()) if isinstance(value, Mapping) else value


def _kinds(pa: Any) -> dict[str, Any]:
    """Return the type of the column of each known field."""
    entries = {
        "quality": pa.float64(),
        "responses": pa.string(),
        "answers": pa.string(),
        "logprobs": pa.list_(pa.float32()),
        "finish": pa.string(),
        "seconds": pa.float64(),
        "usage": pa.struct([("input", pa.int64()), ("output", pa.int64())]),
        "cost_usd": pa.float64(),
    }
    texts = dict.fromkeys(("id", "query", "split", "task", "stem_key"), pa.string())
    return texts | {"reference": pa.list_(pa.string())} | {
        name: pa.map_(pa.string(), pa.list_(kind)) for name, kind in entries.items()
    }  # fmt: skip


_FORMATS: Final[Mapping[str, Callable[[QualityTable, IO[bytes]], None]]] = {
    ".jsonl": _write_lines,
    ".jsonl.gz": _write_packed,
    ".parquet": _write_parquet,
}
