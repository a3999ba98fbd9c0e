"""The queries of a table of any size, a slice of it at a time: any slice can be read alone, in flat memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from hybrid_llm.errors import MissingExtraError, TableError
from hybrid_llm.table.columns import QUERY_NAMES, canonical_names
from hybrid_llm.table.fields import query_of, told_id_of
from hybrid_llm.table.files import PARQUET, rows_of_file
from hybrid_llm.table.parquet_rows import AS_JSON, parsed, rows_of_batch
from hybrid_llm.table.paths import mapped, roots
from hybrid_llm.table.rows import fields_of

_NEEDS: Final = "each row needs a text in query or prompt, or a chat in messages"
_BUFFER: Final = 1 << 20
"""Bytes of a column that are read at once; otherwise it would be a whole row group."""


class Slice(NamedTuple):
    """Some consecutive rows.

    Args:
        number: Which slice it is, from 0.
        first: The number of its first row in the table, from 0.
        queries: Of each row the text, or why there is none.
        ids: Of each row the id, as text; ``None`` without one.
    """

    number: int
    first: int
    queries: tuple[str | TableError, ...]
    ids: tuple[str | None, ...]


@dataclass(frozen=True)
class SlicedTable:
    """A table that is read slice by slice: Parquet, or any format that prompts come in.

    Args:
        path: The file.
        size: Rows of a slice; the last one may have fewer.
        paths: {field: path} of a table with other names, from :func:`~hybrid_llm.table.parse_map`.

    Raises:
        TableError: The file cannot be read, or it is Parquet without a column of queries.
        MissingExtraError: The file is Parquet and pyarrow is not installed.

    Example:
        >>> table = SlicedTable(Path("prompts.txt"), 5000)  # doctest: +SKIP
        >>> [query for part in table.slices() for query in part.queries][:1]  # doctest: +SKIP
        ['What is 2+2?']
    """

    path: Path
    size: int
    paths: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find out now what would be an error at the first row."""
        if self.parquet:
            with _opened(self.path) as file:
                _columns(self.path, file, self.paths)

    @property
    def parquet(self) -> bool:
        """Whether the file is Parquet, as its first bytes say."""
        try:
            with self.path.open("rb") as file:
                return file.read(len(PARQUET)) == PARQUET
        except OSError:
            return False  # reading it says what is wrong

    @property
    def rows(self) -> int | None:
        """How many rows there are, where the file says so without being read."""
        if not self.parquet:
            return None
        with _opened(self.path) as file:
            return int(file.metadata.num_rows)

    def slices(self, wanted: Callable[[int], bool] = lambda number: True) -> Iterator[Slice]:
        """Yield slices in order; of Parquet, the row groups in which none is wanted are not read.

        Args:
            wanted: Which ones, by number.

        Raises:
            TableError: The file cannot be read. A row that cannot be used is none: it stands in its slice.
        """
        rows = self._of_parquet(wanted) if self.parquet else self._of_text(wanted)
        for number, some in rows:
            first = number * self.size
            found = [self._query(f"{self.path} row {first + i}", raw) for i, raw in enumerate(some, 1)]
            yield Slice(number, first, *zip(*found, strict=True))

    def _query(self, place: str, raw: Any) -> tuple[str | TableError, str | None]:
        """Return what a row asks, and its id."""
        given = None
        try:
            if isinstance(raw, tuple):  # a row of a text, which knows its line
                place, raw = raw
            fields = fields_of(place, {"query": raw} if isinstance(raw, str) else raw, needs=_NEEDS)
            own = {name: path for name, path in self.paths.items() if name == "id"}
            given = told_id_of(mapped(place, fields, own).get("id"))  # also of a row that cannot be used
            return query_of(place, mapped(place, fields, self.paths), needs=_NEEDS)[0], given
        except TableError as error:
            return error, given

    def _of_text(self, wanted: Callable[[int], bool]) -> Iterator[tuple[int, list[Any]]]:
        rows = rows_of_file(self.path, texts=True, names=roots(self.paths))
        number = 0
        while some := list(islice(rows, self.size)):
            if wanted(number):
                yield number, some
            number += 1

    def _of_parquet(self, wanted: Callable[[int], bool]) -> Iterator[tuple[int, list[Any]]]:
        import pyarrow as pa

        with _opened(self.path) as file:
            columns = _columns(self.path, file, self.paths)
            spelled = [
                columns[f.name] for f in file.schema_arrow if f.name in columns and AS_JSON in (f.metadata or ())
            ]
            some: list[Any] = []
            try:
                for first, batch in self._pieces(file, list(columns), wanted):
                    number = first // self.size
                    named = batch.rename_columns([columns[name] for name in batch.schema.names])
                    for row in rows_of_batch(pa, named):
                        place = f"{self.path} row {number * self.size + len(some) + 1}"
                        some.append(TableError(f"{place}: {row}") if isinstance(row, str) else parsed(row, spelled))
                    if first + len(batch) in ((number + 1) * self.size, file.metadata.num_rows):
                        yield number, some
                        some = []
            except (pa.ArrowException, OSError) as error:
                raise TableError(f"{self.path} cannot be read as Parquet: {error}") from error

    def _pieces(self, file: Any, columns: list[str], wanted: Callable[[int], bool]) -> Iterator[tuple[int, Any]]:
        """Yield the wanted rows, with the number of the first; no piece lies in two slices."""
        first = 0
        for group in range(file.num_row_groups):
            last = first + file.metadata.row_group(group).num_rows
            if any(map(wanted, range(first // self.size, -(-last // self.size)))):
                for batch in file.iter_batches(self.size, row_groups=[group], columns=columns, use_threads=False):
                    start = first
                    first += len(batch)
                    while start < first:
                        stop = min(first, (start // self.size + 1) * self.size)
                        if wanted(start // self.size):
                            yield start, batch.slice(len(batch) - (first - start), stop - start)
                        start = stop
            first = last


def _opened(path: Path) -> Any:
    """Open a Parquet file.

    Raises:
        TableError: It cannot be read.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError.of(f"Reading {path}", "parquet") from None
    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} cannot be read as Parquet: {error}") from error


def _columns(path: Path, file: Any, paths: Mapping[str, str]) -> dict[str, str]:
    """Return {name in the file: name} of the columns to read.

    Raises:
        TableError: None of them can hold a query.
    """
    names = canonical_names(str(path), file.schema_arrow.names)
    of_paths = roots({name: paths[name] for name in ("query", "id") if name in paths})
    wanted = [name for name in names if name in (*QUERY_NAMES, "id") or name.casefold() in of_paths]
    if "query" not in paths and not set(QUERY_NAMES) & set(names):
        raise TableError(
            f"{path} has no column called query, prompt or messages; say which one holds the queries, "
            f"--map query=NAME: {', '.join(names)}"
        )
    return {known: name for known, name in zip(file.schema_arrow.names, names, strict=True) if name in wanted}
