"""A table that is written reads back as the same table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybrid_llm.errors import TableError
from hybrid_llm.table import QualityTable, write_table
from hybrid_llm.table.write import fields_of_rows
from tests.table.conftest import row

pytest.importorskip("pyarrow")

MODELS = st.sampled_from(["tiny", "big", "ollama:q:4b"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FULL = TEXT.filter(str.strip)
AMOUNT = st.floats(0, 1e9)
COUNT = st.integers(0, 10**9)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ENTRIES: dict[str, st.SearchStrategy[Any]] = {
    "responses": TEXT,
    "answers": TEXT,
    "logprobs": st.lists(st.floats(-50, 0), max_size=4),
    "finish": TEXT,
    "seconds": AMOUNT,
    "usage": st.fixed_dictionaries({}, optional={"input": COUNT, "output": COUNT}),
    "cost_usd": AMOUNT,
}


@st.composite
def rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw rows with every known field and unknown ones, some of them missing."""
    names = draw(st.lists(FULL, min_size=1, max_size=4, unique_by=lambda text: " ".join(text.casefold().split())))
    return [draw(_row(number, query)) for number, query in enumerate(names)]


@st.composite
def _row(draw: st.DrawFn, number: int, query: str) -> dict[str, Any]:
    sizes = draw(st.dictionaries(MODELS, st.integers(1, 3), min_size=1))
    fields: dict[str, Any] = {
        "id": f"{number} {draw(TEXT)}",
        "query": query,
        "quality": {model: draw(st.lists(st.floats(0, 1), min_size=n, max_size=n)) for model, n in sizes.items()},
        "split": draw(st.sampled_from(["train", "validation", "test", "mine"])),
    }
    optional = {"task": FULL, "stem_key": FULL, "reference": FULL | st.lists(FULL)} | {
        f"note {name}": JSON for name in ("a", "b")
    }
    fields |= draw(st.fixed_dictionaries({}, optional=optional))
    for name, entry in ENTRIES.items():
        if draw(st.booleans()):
            fields[name] = {
                model: draw(st.lists(st.none() | entry, min_size=n, max_size=n)) for model, n in sizes.items()
            }
    return fields


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows())
@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz", "table.parquet"])
def test_a_table_that_is_written_reads_back_as_the_same_table(tmp_path: Path, name: str, rows: list[Any]) -> None:
    table = QualityTable.from_rows(rows)
    again = QualityTable.read(write_table(table, tmp_path / name))
    assert list(fields_of_rows(again)) == list(fields_of_rows(table))
    assert (again.ids, again.queries, again.row_splits) == (table.ids, table.queries, table.row_splits)
    assert (again.quality, again.references) == (table.quality, table.references)
    assert again.data_hash == table.data_hash


@pytest.mark.parametrize("name", ["table.jsonl", "table.parquet"])
def test_everything_that_a_row_says_is_written(tmp_path: Path, name: str) -> None:
    fields = row(1, task="sums", stem_key="k", reference=["2"], responses={"tiny": ["2", None]}, note={"by": ["me"]})
    fields |= {
        "usage": {"big": [{"input": 3, "output": 1}]},
        "logprobs": {"big": [[-0.1]]},
        "messages": [{"role": "u"}],
    }
    again = QualityTable.read(write_table(QualityTable.from_rows([fields, row(2)]), tmp_path / name))
    assert next(fields_of_rows(again)) == fields | {"quality": {"tiny": [0.25, 0.75], "big": [1.0]}}


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    table = QualityTable.from_rows([row(1), row(2)])
    first, second = (write_table(table, tmp_path / name).read_bytes() for name in ("a.jsonl.gz", "b.jsonl.gz"))
    assert first == second


def test_a_cost_that_names_no_model_is_kept(tmp_path: Path) -> None:
    table = QualityTable.from_rows([row(1, cost_usd=0.1), row(2, cost_usd={"big": [0.2]})])
    for name in ("table.jsonl", "table.parquet"):
        again = QualityTable.read(write_table(table, tmp_path / name))
        assert again.extras[0] == {"cost_usd": 0.1}
        assert again.responses[1]["big"][0].cost_usd == 0.2


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = write_table(QualityTable.from_rows([row(1)]), tmp_path / "table.jsonl")
    with pytest.raises(TableError, match=r"Row 'q2' holds what JSON cannot: .*; mend the field"):
        write_table(QualityTable.from_rows([row(2, note=b"raw")]), path)
    assert json.loads(path.read_text())["id"] == "q1"
    assert [file.name for file in tmp_path.iterdir()] == ["table.jsonl"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("table.csv", "ends in no format that is written; call it .jsonl, .jsonl.gz or .parquet"),
        ("none/table.jsonl", "cannot be written: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        write_table(QualityTable.from_rows([row(1)]), tmp_path / name)


def test_columns_that_parquet_readers_take_for_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="written as Parquet: two columns are called 'id'"):
        write_table(QualityTable.from_rows([row(1, ID="other")]), tmp_path / "table.parquet")
