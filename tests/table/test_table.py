from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import MissingExtraError, TableError, UnknownNameError
from hybrid_llm.table import LeakReport, QualityTable, hash64, hash_fraction, normal_text
from tests.table.conftest import row


def test_plain_gzip_and_parquet_files_give_the_same_table(write: Callable[..., Path], tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [row(1, task="sums"), row(2, quality={"big": [0.5]}), row(3, stem_key="k")]
    pq.write_table(pa.Table.from_pylist(rows, _schema(pa)), tmp_path / "as_map.parquet")
    # Without a schema the scores become a struct, in which a model that a row lacks is null.
    pq.write_table(pa.Table.from_pylist([*rows]), tmp_path / "as_struct.parquet")
    plain = QualityTable.read(write("t.jsonl", *rows))
    for path in (write("t.jsonl.gz", *rows), tmp_path / "as_map.parquet", tmp_path / "as_struct.parquet"):
        table = QualityTable.read(path)
        assert table.data_hash == plain.data_hash
        assert (table.quality, table.tasks, table.row_splits) == (plain.quality, plain.tasks, plain.row_splits)


def _schema(pa: Any) -> Any:
    quality = pa.map_(pa.string(), pa.list_(pa.float64()))
    text = {name: pa.string() for name in ("id", "query", "split", "task", "stem_key")}
    return pa.schema([*text.items(), ("quality", quality)])


def test_many_files_are_one_table(write: Callable[..., Path]) -> None:
    table = QualityTable.read(write("a.jsonl", row(1), row(2)), write("b.jsonl.gz", row(3, quality={"other": 1})))
    assert table.ids == ("q1", "q2", "q3")
    assert table.models == ("big", "other", "tiny")
    assert repr(table) == "<QualityTable: 3 rows, 3 models; 3 train>"


def test_bare_numbers_null_models_whole_number_ids_and_unknown_fields_are_accepted() -> None:
    rows = [row(0, id=7, quality={"tiny": 1, "big": None, "mid": np.array([0.5, 1.0])}, cost_usd={"tiny": 0.1}, note=1)]
    table = QualityTable.from_rows(rows)
    assert table.ids == ("7",)
    assert table.quality == ({"tiny": (1.0,), "mid": (0.5, 1.0)},)
    assert table.extras == ({"note": 1},)
    assert table.responses[0]["tiny"][0].cost_usd == 0.1


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_accepted(write: Callable[..., Path]) -> None:
    first, second = (json.dumps(row(number)).encode() for number in (1, 2))
    table = QualityTable.read(write("t.jsonl", b"\xef\xbb\xbf" + first + b"\r", b"", b"  ", second))
    assert table.ids == ("q1", "q2")


def test_a_line_separator_inside_a_text_does_not_end_the_row(write: Callable[..., Path]) -> None:
    line = json.dumps(row(1, query="one\u2028two"), ensure_ascii=False).encode()
    assert QualityTable.read(write("t.jsonl", line)).queries == ("one\u2028two",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query": ...}, "field 'query' is missing; each row needs query and quality"),
        ({"quality": ...}, "field 'quality' is missing"),
        ({"id": " "}, "field 'id' is blank"),
        ({"id": True}, "field 'id' is True, not text"),
        ({"id": 1.5}, "field 'id' is 1.5, not text"),
        ({"query": " \n"}, "field 'query' is blank"),
        ({"query": ["a"]}, r"field 'query' is \['a'\], not text or a list of messages"),
        ({"query": "\ud800"}, "field 'query' holds half of a surrogate pair"),
        ({"split": 3}, "field 'split' is 3, not text"),
        ({"split": ""}, "field 'split' is blank"),
        ({"task": 1}, "field 'task' is 1, not text"),
        ({"stem_key": {}}, "field 'stem_key' is {}, not text"),
        ({"quality": [1]}, r"field 'quality' is \[1\]; write it as {model: \[score, ...\]}"),
        ({"quality": {}}, "field 'quality' names no model"),
        ({"quality": {"tiny": None}}, "field 'quality' names no model"),
        ({"quality": {"tiny": []}}, "of model 'tiny' is an empty list"),
        ({"quality": {"tiny": [0.5, 7]}}, r"of model 'tiny' has 7, outside \[0, 1\]; rescale .*: --scale 1:5"),
        ({"quality": {"tiny": -0.1}}, r"has -0.1, outside \[0, 1\]; rescale"),
        ({"quality": {"tiny": [float("nan")]}}, "has nan, which is not finite"),
        ({"quality": {"tiny": [float("inf")]}}, "has inf, which is not finite"),
        ({"quality": {"tiny": ["1"]}}, "has '1', which is not a number"),
        ({"quality": {"tiny": [None]}}, "has None, which is not a number"),
        ({"quality": {"tiny": [[1]]}}, r"has \[1\], which is not a number"),
        ({"quality": {"tiny": {"score": 1}}}, "which is not a number"),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_field(
    write: Callable[..., Path], changes: dict[str, Any], message: str
) -> None:
    path = write("routes.jsonl", row(1), row(2, **changes))
    with pytest.raises(TableError, match=rf"routes.jsonl line 2: .*{message}") as caught:
        QualityTable.read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(TableError, match=rf"^rows\[0\]: .*{message}"):
        QualityTable.from_rows([row(2, **changes)])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": "a", ', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"id": ' + b"1" * 5000 + b"}", "not valid JSON"),
        (b"[]", r"\[\] is not an object"),
        (b"null", "None is not an object"),
        (b'{"id": "\xff"}', r"not UTF-8 \(byte 9\); save the file as UTF-8"),
    ],
)
def test_a_broken_line_is_named_or_skipped(write: Callable[..., Path], line: bytes, message: str) -> None:
    path = write("routes.jsonl", row(1), line, row(3), row(4, query=...))
    with pytest.raises(TableError, match=f"routes.jsonl line 2: {message}"):
        QualityTable.read(path)
    table = QualityTable.read(path, skip_bad=True)
    assert table.ids == ("q1", "q3")
    assert len(table.skipped) == 2
    assert "line 4: field 'query' is missing" in table.skipped[1]


def test_an_id_that_occurs_twice_is_an_error_that_names_both_places(write: Callable[..., Path]) -> None:
    one, two = write("one.jsonl", row(1), row(7)), write("two.jsonl", row(2), row(3), row(7))
    with pytest.raises(TableError, match=r"two.jsonl line 3: id 'q7' stands also in .*one.jsonl line 2"):
        QualityTable.read(one, two)
    assert QualityTable.read(one, two, skip_bad=True).ids == ("q1", "q7", "q2", "q3")


def test_files_that_cannot_be_read_say_why(write: Callable[..., Path], tmp_path: Path) -> None:
    whole = write("whole.jsonl.gz", *(row(number) for number in range(50))).read_bytes()
    (tmp_path / "short.jsonl.gz").write_bytes(whole[:-20])
    (tmp_path / "flipped.jsonl.gz").write_bytes(whole[:40] + bytes([whole[40] ^ 255]) + whole[41:])
    (tmp_path / "not.parquet").write_bytes(b"PAR1 and nothing else")
    cases = {
        "absent.jsonl": "does not exist",
        ".": "is a folder; name the files in it",
        write("empty.jsonl").name: "is empty; each row needs query and quality",
        write("blank.jsonl", b"", b"  ").name: "is empty",
        write("empty.jsonl.gz").name: "is empty",
        write("bad.jsonl", row(1, query=...)).name: "field 'query' is missing",
        "short.jsonl.gz": "is damaged or cut short",
        "flipped.jsonl.gz": "is damaged or cut short",
        "not.parquet": "cannot be read as Parquet",
        "x" * 300: "cannot be read: File name too long",
    }
    for name, message in cases.items():
        with pytest.raises(TableError, match=message):
            QualityTable.read(tmp_path / name)
    with pytest.raises(TableError, match=r"no row to use; each of the 1 rows is bad, the first one: .*line 1"):
        QualityTable.read(tmp_path / "bad.jsonl", skip_bad=True)
    with pytest.raises(TableError, match="No file was given"):
        QualityTable.read()
    with pytest.raises(TableError, match="no row to use"):
        QualityTable.from_rows([])


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"hybrid-llm\[parquet\]"):
        QualityTable.read(tmp_path / "t.parquet")


def test_pair_keeps_rows_with_both_models_and_counts_the_others() -> None:
    table = QualityTable.from_rows([row(1), row(2, quality={"tiny": [1]}), row(3, task="sums", stem_key="k")])
    pair = table.pair("tiny", "big")
    assert (pair.small, pair.large, pair.ids, pair.dropped) == ("tiny", "big", ("q1", "q3"), 1)
    assert (pair.tasks, pair.stem_keys, pair.row_splits) == ((None, "sums"), (None, "k"), ("train", "train"))
    assert pair.splits == ("train",)
    assert [scores.tolist() for scores in pair.q_small] == [[0.25, 0.75]] * 2
    assert pair.mean_small.tolist() == [0.5, 0.5]
    assert pair.mean_large.tolist() == [1.0, 1.0]
    assert repr(pair) == "<PairTable tiny -> big: 2 rows; 2 train>"


def test_means_are_right_where_sample_counts_vary() -> None:
    rng = np.random.default_rng(0)
    given = [rng.random(count).tolist() for count in (1, 4, 2, 9, 3)]
    table = QualityTable.from_rows(row(i, quality={"tiny": q, "big": 1}) for i, q in enumerate(given))
    assert table.pair("tiny", "big").mean_small == pytest.approx([np.mean(q) for q in given])


def test_a_pair_that_cannot_be_made_says_what_there_is() -> None:
    table = QualityTable.from_rows([row(1), row(2, quality={"mid": 1})])
    with pytest.raises(UnknownNameError, match=r"no model 'tinny'.* Did you mean 'tiny'\? It has: big, mid, tiny"):
        table.pair("tinny", "big")
    with pytest.raises(TableError, match="small and large are both 'big'"):
        table.pair("big", "big")
    with pytest.raises(TableError, match="No row has scores of both 'mid' and 'big'"):
        table.pair("mid", "big")


def test_rows_and_splits_of_a_pair_keep_their_scores() -> None:
    rows = [row(i, split="test" if i % 3 else "train", quality={"tiny": i / 10, "big": [1, 0.5]}) for i in range(9)]
    pair = QualityTable.from_rows(rows).pair("tiny", "big")
    assert pair.split("train").ids == ("q0", "q3", "q6")
    assert pair.split("train").mean_small.tolist() == [0.0, 0.3, 0.6]
    assert pair.rows(pair.mean_small > 0.65).ids == ("q7", "q8")
    assert pair.rows([2, 0]).ids == ("q2", "q0")
    assert pair.rows(np.arange(9)).data_hash == pair.data_hash
    for nothing in ([], np.zeros(9, dtype=bool)):
        with pytest.raises(TableError, match="No row with both 'tiny' and 'big' is left"):
            pair.rows(nothing)
    with pytest.raises(TableError, match=r"The mask has shape \(4,\); this table has 9 rows"):
        pair.rows([True, False, True, False])


def test_scores_of_a_pair_cannot_be_changed() -> None:
    pair = QualityTable.from_rows([row(1)]).pair("tiny", "big")
    for array in (pair.q_small[0], pair.mean_small):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
    with pytest.raises(AttributeError):
        pair.small = "other"  # type: ignore[misc]


def test_a_split_that_is_not_there_names_those_that_are() -> None:
    table = QualityTable.from_rows([row(1), row(2, split="test")])
    assert table.splits == ("test", "train")
    assert table.split("test").ids == ("q2",)
    for either in (table, table.pair("tiny", "big")):
        with pytest.raises(UnknownNameError, match=r"no split 'tset'.* Did you mean 'test'\? It has: test, train"):
            either.split("tset")


def test_without_splits_rows_are_split_70_15_15_by_their_id() -> None:
    rows = [row(number, split=...) for number in range(4000)]
    table = QualityTable.from_rows(rows)
    assert len(table.split("train")) == pytest.approx(2800, abs=120)
    assert len(table.split("validation")) == pytest.approx(600, abs=90)
    assert len(table.split("test")) == pytest.approx(600, abs=90)
    fewer = QualityTable.from_rows(rows[::-7])
    where = dict(zip(table.ids, table.row_splits, strict=True))
    assert fewer.row_splits == tuple(where[identity] for identity in fewer.ids)


def test_splits_by_hash_are_the_same_for_ever() -> None:
    assert QualityTable.from_rows(row(i, split=...) for i in range(8)).row_splits == (
        *["train"] * 6,
        "validation",
        "test",
    )
    assert hash64("") == 0xE3B0C44298FC1C14  # the well-known SHA-256 of nothing
    assert hash_fraction("") == (0xE3B0C44298FC1C14 >> 11) / 2**53


@pytest.mark.parametrize(("value", "fraction"), [(0, 0.0), (2**63, 0.5), (2**64 - 1, 1 - 2**-53)])
def test_hash_fractions_are_at_least_0_and_below_1(
    monkeypatch: pytest.MonkeyPatch, value: int, fraction: float
) -> None:
    monkeypatch.setattr("hybrid_llm.table.splits.hash64", lambda text: value)
    assert hash_fraction("any") == fraction


def test_rows_with_equal_text_get_the_same_split_by_hash() -> None:
    rows = [row(number, split=..., query=f"Question {number % 100} ?") for number in range(1000)]
    table = QualityTable.from_rows(rows)
    assert table.leaks.equal_text == 0
    assert len(table.splits) == 3
    assert QualityTable.from_rows(rows[::-1]).row_splits == table.row_splits[::-1]


def test_splits_in_only_some_rows_are_an_error(write: Callable[..., Path]) -> None:
    one, two = write("one.jsonl", row(1), row(2)), write("two.jsonl", row(3), row(4, split=...), row(5, split=...))
    with pytest.raises(TableError, match=r"two.jsonl line 2: field 'split' is missing, but .*one.jsonl line 1 has one"):
        QualityTable.read(one, two)


def test_equal_text_in_two_splits_is_an_error_that_names_both_ids() -> None:
    rows = [row(1), row(2, query="Why is the  sky BLUE?"), row(3, query=" why is the sky blue?\n", split="test")]
    with pytest.raises(TableError, match=r"id 'q2' \(train\) and id 'q3' \(test\).*--drop-leaks"):
        QualityTable.from_rows(rows)
    table = QualityTable.from_rows(rows, drop_leaks=True)
    assert (table.ids, table.leaks_dropped) == (("q1", "q3"), 1)
    # Nothing is dropped outside train, so between two other splits the error stays.
    with pytest.raises(TableError, match=r"\(validation\) and id 'q3' \(test\).*; remove one"):
        QualityTable.from_rows([row(1), rows[1] | {"split": "validation"}, rows[2]], drop_leaks=True)


def test_equal_text_in_one_split_is_no_leak() -> None:
    table = QualityTable.from_rows([row(1, query="Hello"), row(2, query="hello"), row(3, split="test")])
    assert table.leaks == LeakReport(0, 0, 0)
    assert table.drop_leaks().ids == table.ids


def test_rows_of_one_question_get_the_same_split_by_hash() -> None:
    rows = [{**row(i, stem_key=f"s{i // 5}"), "split": None} for i in range(100)]
    rows.append({**row(100, query=rows[0]["query"], stem_key="s19"), "split": None})  # joins the first and the last
    table = QualityTable.from_rows(rows)
    assert table.leaks.equal_stem == 0
    assert len(set(table.splits)) == 3
    assert len({table.row_splits[i] for i in (0, 4, 95, 99, 100)}) == 1
    assert len(set(table.pair("tiny", "big").questions)) == 19


def test_equal_stem_keys_in_two_splits_are_counted_and_can_be_dropped(write: Callable[..., Path]) -> None:
    rows = [
        row(1, stem_key="a"),
        row(2, stem_key="a"),
        row(3, stem_key="a", split="test"),
        row(4, stem_key="b", split="test"),
        row(5, stem_key="b", split="validation"),
        row(6, stem_key="c"),
        row(7),
        row(8, split="test"),
    ]
    table = QualityTable.from_rows(rows)
    assert table.leaks == LeakReport(equal_text=0, equal_stem=2, rows=2)
    clean = table.drop_leaks()
    assert clean.ids == ("q3", "q4", "q5", "q6", "q7", "q8")
    assert (clean.leaks.rows, clean.leaks_dropped) == (0, 2)
    assert QualityTable.read(write("t.jsonl", *rows), drop_leaks=True).ids == clean.ids


def test_training_rows_that_another_table_holds_back_can_be_dropped() -> None:
    table = QualityTable.from_rows([row(1, stem_key="a"), row(2, stem_key="b"), row(3, query="Hi?"), row(4)])
    other = QualityTable.from_rows(
        [
            row(11, stem_key="a", split="test"),
            row(12, stem_key="b"),
            row(13, query="HI?", split="validation"),
            row(14, split="test"),
        ]
    )
    assert table.without_stems_of(other).ids == ("q2", "q4")
    assert table.without_stems_of({"b"}).ids == ("q1", "q3", "q4")
    assert other.without_stems_of(table).ids == other.ids
    with pytest.raises(TableError, match="no row is left"):
        QualityTable.from_rows([row(1, stem_key="a")]).without_stems_of({"a"})


def test_the_data_hash_depends_on_content_and_on_nothing_else(write: Callable[..., Path]) -> None:
    rows = [row(number) for number in range(6)]
    expected = QualityTable.from_rows(rows).data_hash
    moved = [fields | {"split": "test", "task": "sums", "note": 1} for fields in rows]
    turned = [fields | {"quality": dict(reversed(fields["quality"].items()))} for fields in rows]
    for same in (rows[::-1], moved, turned):
        assert QualityTable.from_rows(same).data_hash == expected
    assert QualityTable.read(write("b.jsonl.gz", *rows[3:]), write("a.jsonl", *rows[:3])).data_hash == expected
    for changes in ({"id": "x"}, {"query": "x"}, {"quality": {"tiny": [0.25, 0.5], "big": [1]}}):
        assert QualityTable.from_rows([*rows[:5], rows[5] | changes]).data_hash != expected


@given(st.text(min_size=1))
def test_normal_text_is_settled_after_one_pass(text: str) -> None:
    once = normal_text(text)
    assert normal_text(f" {text}\n") == once
    assert "  " not in once
