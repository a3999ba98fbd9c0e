"""A packed table is read in flat memory, however much it holds and however it is cut into lines."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest

from hybrid_llm.errors import TableError
from hybrid_llm.table import QualityTable, encodings, files, json_values
from hybrid_llm.table.files import rows_of_file

ROW = {"query": "Why? " * 40, "quality": {"tiny": [1], "big": [0]}}
HALF = 100_000
LIMIT = 1 << 20


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (encodings, files, json_values):
        monkeypatch.setattr(module, "LONGEST", LIMIT)


def peak(path: Path) -> int:
    tracemalloc.start()
    try:
        for _ in rows_of_file(path):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lines", "array", "csv"])
def test_ten_times_the_rows_need_no_more_memory(tmp_path: Path, kind: str) -> None:
    def packed(n: int) -> Path:
        row = json.dumps(ROW)
        text = {
            "lines": "\n".join([row] * n),
            "array": f"[{','.join([row] * n)}]",
            "csv": "query,tiny,big\n" + f"{'Why? ' * 40},1,0\n" * n,
        }[kind]
        path = tmp_path / f"{n}.gz"
        path.write_bytes(gzip.compress(text.encode()))
        return path

    assert peak(packed(10_000)) < peak(packed(1_000)) + HALF


@pytest.mark.slow
@pytest.mark.parametrize("start", ['{"query": "', '[{"query": "', '{\n"query": "', "query,tiny\n", " "])
@pytest.mark.usefixtures("small_limit")
def test_a_row_without_an_end_is_an_error_before_it_fills_the_memory(tmp_path: Path, start: str) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(start.encode() + b"a" * (32 * LIMIT)))
    tracemalloc.start()
    try:
        with pytest.raises(TableError, match=r"bomb\.gz (row 1, )?line [12]: a row is longer than 64 MB"):
            QualityTable.read(path)
        assert tracemalloc.get_traced_memory()[1] < 16 * LIMIT
    finally:
        tracemalloc.stop()


@pytest.mark.usefixtures("small_limit")
def test_such_a_line_is_skipped_like_any_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.gz"
    good = json.dumps(ROW).encode()
    path.write_bytes(gzip.compress(b"\n".join([good, b"{" + b" " * (3 * LIMIT), good])))
    table = QualityTable.read(path, skip_bad=True)
    assert (len(table), len(table.skipped)) == (2, 1)
