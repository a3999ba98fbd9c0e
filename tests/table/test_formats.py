"""One table, whatever format it is written in."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_llm.errors import TableError
from hybrid_llm.table import QualityTable
from tests.table.conftest import row

Save = Callable[[str, str | bytes], Path]
Rows = list[dict[str, Any]]


def as_lines(rows: Rows) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def as_crlf_lines(rows: Rows) -> bytes:
    return ("\r\n".join(json.dumps(fields, ensure_ascii=False) for fields in rows) + "\r\n").encode()


def as_array(rows: Rows) -> bytes:
    return json.dumps(rows).encode()


def as_pretty_array(rows: Rows) -> bytes:
    return json.dumps(rows, indent=2, ensure_ascii=False).encode("utf-8-sig")


def as_pretty_objects(rows: Rows) -> bytes:
    return "\n".join(json.dumps(fields, indent=4) for fields in rows).encode()


def as_utf16_array(rows: Rows) -> bytes:
    return json.dumps(rows, ensure_ascii=False).encode("utf-16")


def as_csv(rows: Rows, delimiter: str = ",", encoding: str = "utf-8", prefix: str = "quality.") -> bytes:
    models = sorted({model for fields in rows for model in fields["quality"]})
    known = [name for name in ("id", "query", "split", "task") if any(name in fields for fields in rows)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow([*known, *(prefix + model for model in models)])
    for fields in rows:
        scores = (fields["quality"].get(model, "") for model in models)
        writer.writerow([*(fields.get(name, "") for name in known), *map(_cell, scores)])
    return text.getvalue().encode(encoding)


def _cell(score: Any) -> Any:
    return json.dumps(score) if isinstance(score, list) else score


def as_tsv(rows: Rows) -> bytes:
    return as_csv(rows, "\t", "utf-16")


def as_excel_csv(rows: Rows) -> bytes:
    return b"\xef\xbb\xbfsep=;\r\n" + as_csv(rows, ";")


def as_parquet(rows: Rows) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    lists = [
        {**fields, "quality": {m: q if isinstance(q, list) else [q] for m, q in fields["quality"].items()}}
        for fields in rows
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(lists), sink)  # the scores are a struct, null for a model that a row lacks
    return sink.getvalue()


WRITERS = [
    as_lines,
    as_crlf_lines,
    as_array,
    as_pretty_array,
    as_pretty_objects,
    as_utf16_array,
    as_csv,
    as_tsv,
    as_excel_csv,
    as_parquet,
]
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
number = st.floats(0, 1) | st.integers(0, 1)
scores = number | st.lists(number, min_size=1, max_size=3)


@st.composite
def tables(draw: st.DrawFn) -> Rows:
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    # a column of CSV has no types: there an id 1.0 is 1, and a chat is no text
                    "query": text.filter(lambda query: not query.lstrip().startswith("[{")),
                    "quality": st.dictionaries(
                        st.sampled_from(["tiny:1b", "big-4.1", "ein größeres"]), scores, min_size=1
                    ),
                    "task": text,
                }
            ),
            min_size=1,
            max_size=5,
        )
    )
    return [{"id": f"q{number}", **fields} for number, fields in enumerate(rows)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables(), writer=st.sampled_from(WRITERS), packed=st.booleans())
def test_a_table_written_in_any_format_is_the_same_table(tmp_path: Path, rows: Rows, writer: Any, packed: bool) -> None:
    content = writer(rows)
    path = tmp_path / "table"  # the content says which format it is, not the name
    path.write_bytes(gzip.compress(content) if packed else content)
    expected, read = QualityTable.from_rows(rows), QualityTable.read(path)
    assert read.data_hash == expected.data_hash
    assert (read.queries, read.tasks, read.quality, read.row_splits) == (
        expected.queries,
        expected.tasks,
        expected.quality,
        expected.row_splits,
    )


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_fields_that_are_not_read_are_kept(save: Save, writer: Any) -> None:
    extra = {"id": "q1", "query": "Why?", "quality": {"tiny": 1}, "task": "t", "split": "dev"}
    table = QualityTable.read(save("t", writer([extra])))
    assert (table.ids, table.row_splits, table.extras) == (("q1",), ("validation",), ({},))


def _many(count: int) -> Iterable[dict[str, Any]]:
    return (row(number, query=f"Question {number}? " + "word " * 40, split=...) for number in range(count))


@pytest.mark.parametrize(
    "writer",
    [
        pytest.param(as_array, marks=pytest.mark.slow),
        as_pretty_array,
        pytest.param(as_csv, marks=pytest.mark.slow),
        pytest.param(as_crlf_lines, marks=pytest.mark.slow),
    ],
    ids=lambda w: w.__name__,
)
def test_a_packed_file_is_read_in_flat_memory(save: Save, writer: Any) -> None:
    from hybrid_llm.table.files import rows_of_file

    content = writer(list(_many(12_000)))
    path = save("t.gz", gzip.compress(content, 1))
    assert len(content) > 2_500_000
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows_of_file(path)) == 12_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    import os
    import threading
    import time

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = as_csv([row(number) for number in range(50)])

    def trickle() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(content[:7])  # not even the first line comes whole
            time.sleep(0.1)
            file.write(content[7:])

    thread = threading.Thread(target=trickle)
    thread.start()
    table = QualityTable.read(pipe)
    thread.join()
    assert len(table) == 50


def test_parquet_from_a_pipe_is_read_too(tmp_path: Path) -> None:
    import os
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=lambda: pipe.write_bytes(as_parquet([row(1)])))
    thread.start()
    assert QualityTable.read(pipe).ids == ("q1",)
    thread.join()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04...", "is an Excel workbook or a zip archive; save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0...", "is an old Excel workbook; save the sheet as CSV"),
        (b"\x28\xb5\x2f\xfd...", "is packed by zstd; unpack it"),
        (b"BZh91AY&SY...", "is packed by bzip2; unpack it"),
        (b"\xfd7zXZ\x00...", "is packed by xz; unpack it"),
        (b"SQLite format 3\x00...", "is an SQLite database; export the table as CSV"),
        (b"ARROW1\x00\x00...", "is an Arrow .Feather. file; write it as Parquet"),
        (b"<!DOCTYPE html><html>", "is a web page; download the file itself"),
        (b"\n<html lang='en'>", "is a web page; download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS; fetch the file itself"),
        (b"once upon a time\n", "line 1: not valid JSON .*; each line is one row, a JSON object"),
    ],
)
def test_a_file_of_another_kind_says_what_it_is(save: Save, content: bytes, message: str) -> None:
    for name, stored in (("t.jsonl", content), ("t.jsonl.gz", gzip.compress(content))):
        with pytest.raises(TableError, match=message) as caught:
            QualityTable.read(save(name, stored))
        assert "\n" not in str(caught.value)
