"""CSV and its kin (tabs, semicolons): a header, and one row a query."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

from hybrid_llm.errors import TableError
from hybrid_llm.table.columns import PREFIX, QUERY_NAMES, canonical_names, may_be_scores, score_columns, with_quality
from hybrid_llm.table.encodings import why_no_text
from hybrid_llm.table.responses import PARALLEL

_DELIMITERS: Final = ",\t;|"
_MISSING: Final = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>"})
"""What stands in a column of scores where there is none, in lower case."""
_TRUTH: Final = {"true": True, "false": False}
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
_COMMA: Final = re.compile(r"[+-]?\d*,\d+")
_SEPARATOR: Final = re.compile("sep=.", re.IGNORECASE)  # Excel's own first line
_WHOLE: Final = re.compile(r"\d+\.0")


NO_NAMES: Final[AbstractSet[str]] = frozenset()


def delimiter_of(line: str, *, strict: bool = False, names: AbstractSet[str] = NO_NAMES) -> str | None:
    """Return what separates the columns when a line is the header of a table of queries, else None.

    Args:
        line: The line.
        strict: It may also be a prompt: no name of a column has a space within, unless ``names`` has it.
        names: What the column of the queries may be called besides ``query``, in lower case.

    Example:
        >>> delimiter_of("id;query;tiny;big")
        ';'
    """
    if _SEPARATOR.fullmatch(line.strip()):
        return line.strip()[-1]
    for delimiter in _DELIMITERS:
        cells = [cell.strip().casefold() for cell in _cells(line, delimiter)]
        if not names.isdisjoint(cells):
            return delimiter
        if any(cell in QUERY_NAMES for cell in cells) and not (strict and any(" " in cell for cell in cells)):
            return delimiter
    return None


def widest_delimiter(line: str) -> str:
    """Return what separates most columns in a header that names no query."""
    return max(_DELIMITERS, key=lambda delimiter: len(_cells(line, delimiter)))


def csv_rows(source: str, lines: Iterable[str], delimiter: str, *, scored: bool = True) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a CSV file.

    Columns called ``quality.MODEL`` are scores. Without any, so is each column that has no other meaning and whose
    first cell that is not empty holds a number.

    Args:
        source: What messages call the file.
        lines: Its lines, from :func:`~hybrid_llm.table.encodings.as_text`.
        delimiter: What separates its columns.
        scored: Whether this is a table of queries and scores; else any column may hold anything.

    Yields:
        A place ("rows.csv line 17") and the fields of the row, or a TableError where it cannot be read.

    Raises:
        TableError: The header cannot be used.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    kinds: dict[str, bool] = {}
    said: dict[str, str] | None = None
    while True:
        place = f"{source} line {reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            help_ = _TOO_WIDE if "field limit" in str(error) else _CSV_HELP
            yield place, TableError(f"{place}: not valid CSV ({error}); {help_}")
            continue
        if not any(map(str.strip, cells)) or (columns is None and _SEPARATOR.fullmatch(delimiter.join(cells))):
            continue
        wrong = next(filter(None, map(why_no_text, cells)), None)
        if columns is None:
            if wrong:
                raise TableError(f"{place}: {wrong}")
            columns = _header(place, cells) if scored else canonical_names(place, cells)
            said = score_columns(columns) if scored else {}
        elif wrong:
            yield place, TableError(f"{place}: {wrong}")
        elif len(cells) != len(columns):
            yield place, TableError(f"{place}: {len(cells)} cells under {len(columns)} columns; {_CSV_HELP}")
        else:
            yield place, _fields(columns, cells, said, kinds, comma=delimiter == ";")


_TOO_WIDE: Final = (
    "if no quote is missing, a text is longer than Python's csv reads: write JSON Lines or Parquet, or raise "
    "csv.field_size_limit"
)
_CSV_HELP: Final = "put quotes around texts with separators or line ends, and double the quotes within"


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _header(place: str, cells: list[str]) -> list[str]:
    if not any(cell.strip().casefold() in QUERY_NAMES for cell in cells):
        listed = ", ".join(repr(cell.strip()) for cell in cells if cell.strip())
        raise TableError(
            f"{place}: no column is called 'query', only {listed[:200]}; name the columns in the first line"
        )
    return canonical_names(place, cells)


def _fields(
    names: list[str], cells: list[str], said: dict[str, str] | None, kinds: dict[str, bool], *, comma: bool
) -> dict[str, Any]:
    """Give the cells of a row their types, and learn from them which columns are scores (``kinds``)."""
    fields: dict[str, Any] = {}
    for name, cell in zip(names, cells, strict=True):
        if said is None and may_be_scores(name) and cell.strip().casefold() not in _MISSING:
            kinds.setdefault(name, not isinstance(_score(cell, comma=comma), str))
        if name.startswith(PREFIX) if said else kinds.get(name, False):
            fields[name] = _score(cell, comma=comma)
        elif name and cell.strip():
            fields[name] = _value(name, cell)
    scores = said if said is not None else {name: name for name, number in kinds.items() if number}
    return with_quality(fields, scores, guessed=said is None)


def _score(cell: str, *, comma: bool) -> Any:
    """Return the number, the truth or the list of numbers in a cell; None for none, the text for anything else."""
    text = cell.strip()
    if text.casefold() in _MISSING:
        return None
    if text.casefold() in _TRUTH:
        return _TRUTH[text.casefold()]
    if comma and _COMMA.fullmatch(text):  # where semicolons separate columns, a comma is the decimal point
        text = text.replace(",", ".")
    if _NUMBER.fullmatch(text):
        return float(text)
    return _json(text, list, cell) if text.startswith("[") else cell


def _value(name: str, cell: str) -> Any:
    """Return what stands in a cell that holds no score."""
    if name == "id":
        return cell.removesuffix(".0") if _WHOLE.fullmatch(cell) else cell  # a gap makes pandas write 1 as 1.0
    if name == "quality" or name in PARALLEL:
        return _json(cell, dict, cell)
    if name in QUERY_NAMES and cell.lstrip().startswith("[{"):
        found = _json(cell, list, cell)
        chat = all(isinstance(message, dict) and message.keys() & {"role", "from", "type"} for message in found)
        return found if chat else cell
    return cell


def _json(text: str, kind: type, otherwise: Any) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return otherwise
    return found if isinstance(found, kind) else otherwise
