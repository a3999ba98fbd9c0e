"""One row of a quality table: where it stands, what it has to hold, and what is said when it does not."""

from __future__ import annotations

import gzip
import json
import math
import reprlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import numpy as np

from hybrid_llm.errors import MissingExtraError, TableError

Raw = bytes | Mapping[str, Any]
"""A row as it was found: a line of JSON that nobody has parsed yet, or a mapping."""

_NEEDS: Final = "each row needs id, query, quality"
_CHECKED: Final = frozenset({"id", "query", "quality", "split", "task", "stem_key"})
_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"


class Row(NamedTuple):
    """A checked row; ``extra`` holds the fields that this library does not read."""

    place: str
    id: str
    query: str
    quality: dict[str, tuple[float, ...]]
    split: str | None
    task: str | None
    stem_key: str | None
    extra: dict[str, Any]


def check_rows(found: Iterable[tuple[str, Raw]], *, skip_bad: bool) -> tuple[list[Row], list[str]]:
    """Check rows and the uniqueness of their ids.

    Args:
        found: Pairs of a place ("routes.jsonl line 17") and what stands there.
        skip_bad: Leave bad rows out and collect what is wrong with them instead of raising.

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
            row = _check(place, raw)
            if row.id in places:
                raise TableError(f"{place}: id {row.id!r} stands also in {places[row.id]}; each id may occur once")
        except TableError as error:
            if not skip_bad:
                raise
            skipped.append(str(error))
            continue
        places[row.id] = place
        rows.append(row)
    if not rows:
        why = f"each of the {len(skipped)} rows is bad, the first one: {skipped[0]}" if skipped else _NEEDS
        raise TableError(f"There is no row to use; {why}")
    return rows, skipped


def rows_of_file(path: Path) -> Iterator[tuple[str, Raw]]:
    """Yield the rows of a JSON Lines, gzipped JSON Lines or Parquet file (the content says which), unchecked.

    Raises:
        TableError: The file is missing, a folder, empty, damaged, or may not be read.
        MissingExtraError: The file is Parquet and pyarrow is not installed.
    """
    empty = True
    try:
        with path.open("rb") as file:
            start = file.read(len(_PARQUET))
            file.seek(0)
            if start == _PARQUET:
                found = _parquet_rows(path, file)
            elif start.startswith(_GZIP):
                found = _json_rows(path, gzip.GzipFile(fileobj=file))
            else:
                found = _json_rows(path, file)
            for place, raw in found:
                empty = False
                yield place, raw
    except FileNotFoundError:
        raise TableError(f"{path} does not exist; give a .jsonl, .jsonl.gz or .parquet file") from None
    except IsADirectoryError:
        raise TableError(f"{path} is a folder; name the files in it, for example {path}/*.jsonl") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"{path} is damaged or cut short ({error}); copy or download it again") from error
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from error
    if empty:
        raise TableError(f"{path} is empty; {_NEEDS}, one row a line")


def _json_rows(path: Path, lines: BinaryIO | gzip.GzipFile) -> Iterator[tuple[str, Raw]]:
    """Yield the lines that are not blank."""
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line  # some editors start a file with this mark
        if not text.isspace() and text:
            yield f"{path} line {number}", text


def _parquet_rows(path: Path, file: BinaryIO) -> Iterator[tuple[str, Raw]]:
    """Yield the rows of a Parquet file; ``quality`` may be a struct or a map."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError.of(f"Reading {path}", "parquet") from None
    number = 0
    try:
        for batch in pq.ParquetFile(file).iter_batches():
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                number += 1
                yield f"{path} row {number}", row
    except (pa.ArrowException, KeyError) as error:
        raise TableError(f"{path} cannot be read as Parquet after row {number}: {error}") from error


def _check(place: str, raw: Raw) -> Row:
    """Turn what was found into a row.

    Raises:
        TableError: Something is wrong with it; the message names the place and the field.
    """
    fields = _parse(place, raw) if isinstance(raw, bytes) else raw
    if not isinstance(fields, Mapping):
        raise TableError(f"{place}: {_short(fields)} is not an object; {_NEEDS}")
    for name in ("id", "query", "quality"):
        if fields.get(name) is None:
            raise TableError(f"{place}: field '{name}' is missing; {_NEEDS}")
    identity = fields["id"]
    if isinstance(identity, (int, np.integer)) and not isinstance(identity, bool):
        identity = str(identity)
    return Row(
        place=place,
        id=_text(place, "id", identity),
        query=_text(place, "query", fields["query"]),
        quality=_quality(place, fields["quality"]),
        split=_optional_text(place, "split", fields.get("split")),
        task=_optional_text(place, "task", fields.get("task")),
        stem_key=_optional_text(place, "stem_key", fields.get("stem_key")),
        extra={name: value for name, value in fields.items() if name not in _CHECKED},
    )


def _parse(place: str, line: bytes) -> Any:
    """Parse one line of JSON."""
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise TableError(f"{place}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise TableError(f"{place}: not valid JSON ({error}); each line is one row, a JSON object") from None


def _text(place: str, name: str, value: Any) -> str:
    """Check a field that has to hold text."""
    if not isinstance(value, str):
        raise TableError(f"{place}: field '{name}' is {_short(value)}, not text")
    if not value.strip():
        raise TableError(f"{place}: field '{name}' is blank; give it a text or leave the row out")
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:  # JSON can spell half of a surrogate pair, no tokenizer can read it
            raise TableError(f"{place}: field '{name}' holds half of a surrogate pair; repair the text") from None
    return value


def _optional_text(place: str, name: str, value: Any) -> str | None:
    """Check a field that may be absent or null."""
    return None if value is None else _text(place, name, value)


def _quality(place: str, value: Any) -> dict[str, tuple[float, ...]]:
    """Check the scores of each model; a model with null has none in this row."""
    if not isinstance(value, Mapping):
        raise TableError(f"{place}: field 'quality' is {_short(value)}; write it as {{model: [score, ...]}}")
    quality = {}
    for model, given in value.items():
        _text(place, "quality", model)
        if given is not None:
            quality[model] = _scores(place, model, given)
    if not quality:
        raise TableError(f"{place}: field 'quality' names no model; write it as {{model: [score, ...]}}")
    return quality


def _scores(place: str, model: str, given: Any) -> tuple[float, ...]:
    """Check the scores of one model: numbers in [0, 1], one for each sampled response."""
    if isinstance(given, (np.ndarray, np.generic)):
        given = given.tolist()
    scores = given if isinstance(given, (list, tuple)) else (given,)
    where = f"{place}: field 'quality' of model {model!r}"
    if not scores:
        raise TableError(f"{where} is an empty list; give one score for each response or leave the model out")
    for score in scores:
        # Every number of a big table passes here: one test for the good case, the reason only for the bad one.
        if not (isinstance(score, (int, float)) and not isinstance(score, bool) and 0.0 <= score <= 1.0):
            raise TableError(f"{where} {_why_not(score)}")
    return tuple(map(float, scores))


def _why_not(score: Any) -> str:
    """Say why something is not a score in [0, 1]."""
    if isinstance(score, bool) or not isinstance(score, (int, float)):
        return f"has {_short(score)}, which is not a number; scores are numbers in [0, 1]"
    if isinstance(score, float) and not math.isfinite(score):
        return f"has {score}, which is not finite; leave the model out of rows that were not scored"
    return f"has {_short(score)}, outside [0, 1]; rescale all scores, for example (score - lowest) / (highest - lowest)"


def _short(value: Any) -> str:
    """Show a value in a message, however long it is."""
    return reprlib.repr(value)
