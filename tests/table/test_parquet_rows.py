from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm.errors import TableError
from hybrid_llm.table import QualityTable

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def store(path: Path, columns: dict[str, Any]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def _as_string(texts: tuple[bytes, ...]) -> Any:
    """A column of strings whose bytes nobody checked, as careless writers make them."""
    raw = pa.array(list(texts), pa.binary())
    return pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())


def test_columns_of_numbers_are_scores(tmp_path: Path) -> None:
    columns = {
        "ID": [1, 2],
        "query": ["Why?", "Who?"],
        "tiny": [0.5, None],
        "big": [True, False],
        "many": [[0, 1], [1]],
        "topic": ["a", "b"],
        "cost_usd": [0.1, 0.2],
        "__index_level_0__": [0, 1],
    }
    table = QualityTable.read(store(tmp_path / "t.parquet", columns))
    assert table.ids == ("1", "2")
    assert table.quality == (
        {"tiny": (0.5,), "big": (1.0,), "many": (0.0, 1.0)},
        {"big": (0.0,), "many": (1.0,)},
    )
    assert table.extras[0] == {"topic": "a", "cost_usd": 0.1, "__index_level_0__": 0}


def test_columns_that_say_that_they_are_scores_are_the_only_ones(tmp_path: Path) -> None:
    columns = {"id": [1], "query": ["Why?"], "quality.tiny": [0.5], "latency": [730]}
    table = QualityTable.read(store(tmp_path / "t.parquet", columns))
    assert (table.quality, table.extras) == (({"tiny": (0.5,)},), ({"latency": 730},))


def test_a_chat_in_a_column_of_structs_is_read(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    columns = {"query": [chat], "quality": [{"tiny": [0.5], "big": None}]}
    table = QualityTable.read(store(tmp_path / "t.parquet", columns))
    assert (table.queries, table.quality, table.extras) == (("Why?",), ({"tiny": (0.5,)},), ({"messages": chat},))


def test_bad_text_is_the_fault_of_its_row(tmp_path: Path) -> None:
    columns = {
        "id": ["1", "2", "3"],
        "query": _as_string((b"Why?", "Où est le café ?".encode("cp1252"), b"Who?")),
        "tiny": [1, 1, 1],
    }
    path = store(tmp_path / "t.parquet", columns)
    with pytest.raises(
        TableError, match=r"t.parquet row 2: field 'query' is not UTF-8 \(byte 2\) but probably Windows"
    ):
        QualityTable.read(path)
    table = QualityTable.read(path, skip_bad=True)
    assert (table.ids, len(table.skipped)) == (("1", "3"), 1)


def test_a_map_that_names_a_model_twice_is_the_fault_of_its_row(tmp_path: Path) -> None:
    kind = pa.map_(pa.string(), pa.float64())
    quality = pa.array([[("tiny", 1.0)], [("tiny", 1.0), ("tiny", 0.0)]], kind)
    path = store(tmp_path / "t.parquet", {"id": ["1", "2"], "query": ["Why?", "Who?"], "quality": quality})
    with pytest.raises(TableError, match=r"t.parquet row 2: field 'quality' names .*tiny.* twice"):
        QualityTable.read(path)
    assert QualityTable.read(path, skip_bad=True).ids == ("1",)


def test_whole_numbers_that_became_floats_are_ids(tmp_path: Path) -> None:
    columns = {"id": [1.0, None, 3.0], "query": ["Why?", "Who?", "How?"], "tiny": [1, 1, 1]}
    table = QualityTable.read(store(tmp_path / "t.parquet", columns))
    assert (table.ids[0], table.ids[2], len(table.ids[1])) == ("1", "3", 16)


def test_a_packed_parquet_file_is_read(tmp_path: Path) -> None:
    plain = store(tmp_path / "t.parquet", {"query": ["Why?"], "tiny": [1]})
    (tmp_path / "t.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert QualityTable.read(tmp_path / "t.gz").data_hash == QualityTable.read(plain).data_hash


def test_a_file_that_is_damaged_says_so(tmp_path: Path) -> None:
    columns = {"query": [f"Why {number}?" for number in range(2000)], "tiny": [1] * 2000}
    whole = bytearray(store(tmp_path / "t.parquet", columns).read_bytes())
    whole[100:400] = bytes(300)
    (tmp_path / "t.parquet").write_bytes(whole)
    with pytest.raises(TableError, match=r"t.parquet cannot be read as Parquet after row \d+"):
        QualityTable.read(tmp_path / "t.parquet")


@pytest.mark.parametrize(("kind", "beyond"), [("date32", 2**31 - 1), ("timestamp[ms]", 2**62), ("duration[ms]", 2**62)])
def test_a_date_that_python_has_no_value_for_is_the_fault_of_its_row(tmp_path: Path, kind: str, beyond: int) -> None:
    numbers = pa.array([0, beyond], pa.int32() if kind == "date32" else pa.int64())
    dates = numbers.cast(pa.type_for_alias(kind))
    path = store(tmp_path / "t.parquet", {"id": ["1", "2"], "query": ["Why?", "Who?"], "tiny": [1, 1], "when": dates})
    with pytest.raises(TableError, match=r"t.parquet row 2: field 'when' holds what Python has no value for"):
        QualityTable.read(path)
    assert QualityTable.read(path, skip_bad=True).ids == ("1",)
