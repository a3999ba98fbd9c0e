"""What the fields of a row may hold: ids, chats, scores on any scale, names of splits."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import TableError, UnknownNameError
from hybrid_llm.table import QualityTable
from tests.table.conftest import row

Save = Callable[[str, str | bytes], Path]


def table_of(*rows: dict[str, Any], **options: Any) -> QualityTable:
    return QualityTable.from_rows(rows, **options)


@pytest.mark.parametrize(
    ("given_id", "read"),
    [(1, "1"), (1.0, "1"), (-3.0, "-3"), ("1.0", "1.0"), (np.int64(7), "7"), (np.float32(7), "7"), (0.0, "0")],
)
def test_an_id_that_is_a_whole_number_is_read_as_text(given_id: Any, read: str) -> None:
    assert table_of(row(1, id=given_id)).ids == (read,)


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_a_whole_number_is_the_same_id_as_integer_and_as_float(number: int) -> None:
    assert table_of(row(1, id=number)).ids == table_of(row(1, id=float(number))).ids


@pytest.mark.parametrize(
    ("given_id", "message"),
    [
        (1.5, "is 1.5, not text"),
        (True, "is True, not text"),
        (float("inf"), "is inf, not text"),
        (1e300, r"is 1e\+300, a float too big to tell ids apart; write ids as text"),
        ([], r"is \[\], not text"),
    ],
)
def test_an_id_that_is_none_says_why(given_id: Any, message: str) -> None:
    with pytest.raises(TableError, match=rf"rows\[0\]: field 'id' {message}"):
        table_of(row(1, id=given_id))


@pytest.mark.parametrize("nothing", [..., None, float("nan"), np.float64("nan")])
def test_a_row_without_an_id_gets_a_hash_of_its_query(nothing: Any) -> None:
    # the first 8 bytes of the SHA-256 of the text, for ever
    assert table_of(row(1, query="Why?", id=nothing)).ids == ("5d8a995a6fa7cf7c",)


def test_rows_without_ids_that_ask_the_same_are_numbered() -> None:
    rows = [row(1, query="Why?", id=..., quality={"tiny": score, "big": 1}) for score in (0, 1, 1)]
    table = table_of(*rows, row(2, query="Who?", id=...))
    assert len(set(table.ids)) == 4
    first = table.ids[0]
    assert table.ids[:3] == (first, f"{first}-2", f"{first}-3")


@given(st.permutations([("Why?", 0), ("Why?", 1), ("Who?", 1), ("Why?", 0.5)]))
def test_ids_of_rows_without_ids_do_not_depend_on_their_order(order: list[tuple[str, float]]) -> None:
    rows = [row(1, query=query, id=..., split=..., quality={"tiny": score}) for query, score in order]
    table = table_of(*rows)
    expected = table_of(*sorted(rows, key=lambda fields: (fields["query"], fields["quality"]["tiny"])))
    assert table.data_hash == expected.data_hash
    assert dict(zip(table.ids, table.row_splits, strict=True)) == dict(
        zip(expected.ids, expected.row_splits, strict=True)
    )


def test_a_made_id_leaves_given_ids_alone() -> None:
    made = table_of(row(1, id=...)).ids[0]
    assert table_of(row(1, id=made), row(1, id=...), row(2, id=...)).ids[:2] == (made, f"{made}-2")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        *((name, "validation") for name in ("dev", "val", "valid", "eval", "Dev", "VALIDATION", "evaluation")),
        *((name, "train") for name in ("train", "training", "Train")),
        *((name, "test") for name in ("test", "testing", "TEST")),
        ("new", "new"),
        ("Holdout", "Holdout"),
    ],
)
def test_splits_have_one_name_whatever_they_are_called_elsewhere(name: str, read: str) -> None:
    table = table_of(row(1, split=name))
    assert table.row_splits == (read,)
    for either in (table, table.pair("tiny", "big")):
        assert len(either.split(name)) == 1
        assert len(either.split(read)) == 1


def test_a_split_that_is_not_there_is_named_as_it_was_asked_for() -> None:
    with pytest.raises(UnknownNameError, match=r"no split 'dev'.*It has: train"):
        table_of(row(1)).split("dev")


def test_equal_text_in_two_names_of_one_split_is_no_leak() -> None:
    assert len(table_of(row(1, query="Hi", split="val"), row(2, query="hi", split="dev"))) == 2


@pytest.mark.parametrize(
    ("true", "false"), [(True, False), (np.True_, np.False_), (np.array([True]), np.array([False]))]
)
@pytest.mark.parametrize("scale", [None, (1, 5)])
def test_true_is_a_score_of_one_and_false_of_zero(true: Any, false: Any, scale: Any) -> None:
    assert table_of(row(1, quality={"tiny": true, "big": false}), scale=scale).quality == ({"tiny": (1,), "big": (0,)},)


@pytest.mark.parametrize("score", [np.float32(0.5), decimal.Decimal("0.5"), np.array(0.5), [np.float16(0.5)]])
def test_numbers_of_other_kinds_are_scores(score: Any) -> None:
    assert table_of(row(1, quality={"tiny": score})).quality == ({"tiny": (0.5,)},)


@given(st.floats(-1e6, 1e6), st.floats(0.001, 1e6), st.data())
def test_a_scale_maps_its_ends_to_0_and_1_and_keeps_the_order(low: float, width: float, data: st.DataObject) -> None:
    high = low + width
    scores = sorted(data.draw(st.lists(st.floats(low, high), min_size=1, max_size=5)))
    read = table_of(row(1, quality={"tiny": [low, *scores, high]}), scale=(low, high)).quality[0]["tiny"]
    assert (read[0], read[-1]) == (0.0, 1.0)
    assert list(read) == sorted(read)


def test_a_table_on_a_scale_is_the_table_of_its_rescaled_scores(save: Save) -> None:
    path = save("rows.csv", "id,query,tiny,big\n1,Why?,3,5\n2,Who?,1,4\n")
    expected = save("same.csv", "id,query,tiny,big\n1,Why?,0.5,1\n2,Who?,0,0.75\n")
    assert QualityTable.read(path, scale=(1, 5)).data_hash == QualityTable.read(expected).data_hash


def test_scores_on_another_scale_are_an_error_that_names_the_option() -> None:
    for score in (5, 4.5, -1, 100, 10**400):
        with pytest.raises(TableError, match=r"outside \[0, 1\]; rescale .*--scale 1:5 \(scale=\(1, 5\)\)"):
            table_of(row(1, quality={"tiny": score}))
    with pytest.raises(TableError, match="has 6, outside the scale 1:5; mend it or the scale"):
        table_of(row(1, quality={"tiny": [5, 6]}), scale=(1, 5))


@pytest.mark.parametrize("scale", [(5, 1), (1, 1), (0, float("inf")), (float("nan"), 1)])
def test_a_scale_that_makes_no_sense_is_refused(scale: tuple[float, float]) -> None:
    with pytest.raises(TableError, match="makes no sense; give the lowest and the highest score, as in 1:5"):
        table_of(row(1), scale=scale)


CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "So."},
]


@pytest.mark.parametrize(
    "chat",
    [
        CHAT,
        CHAT[3:],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {}}, {"type": "text", "text": "Why?"}]}],
        [{"role": "user", "content": ["Why?"]}],
        [{"type": "human", "content": "Why?"}, {"type": "ai", "content": "So."}],
        [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}],
    ],
)
@pytest.mark.parametrize("field", ["query", "prompt", "messages"])
def test_the_query_of_a_chat_is_the_last_text_of_the_user_and_the_chat_is_kept(field: str, chat: Any) -> None:
    fields = row(1, query=...) | {field: chat}
    table = table_of(json.loads(json.dumps(fields)))
    assert (table.queries, table.extras) == (("Why?",), ({"messages": chat},))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([{"role": "assistant", "content": "So."}], "field 'query' has no message of the user; give one the role"),
        ([{"role": "user", "content": ""}], "field 'query' is blank"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "field 'query' is blank"),
        ([{"role": "user", "content": 7}], "field 'query' is 7, not text"),
        ([], r"field 'query' is \[\], not text or a list of messages"),
        (["Why?"], r"field 'query' is \['Why\?'\], not text or a list of messages"),
        (5, "field 'query' is 5, not text or a list of messages"),
    ],
)
def test_a_chat_without_a_question_says_so(query: Any, message: str) -> None:
    with pytest.raises(TableError, match=rf"rows\[0\]: {message}"):
        table_of(row(1, query=query))


def test_a_prompt_stands_in_for_a_query_that_is_missing() -> None:
    assert table_of(row(1, query=..., prompt="Why?", note=1)).queries == ("Why?",)
    assert table_of(row(1, query=..., prompt="Why?", note=1)).extras == ({"note": 1},)
    assert table_of(row(1, query="Who?", prompt="Why?")).extras == ({"prompt": "Why?"},)
    assert table_of(row(1, query="Who?", messages=CHAT)).extras == ({"messages": CHAT},)


def test_scores_may_stand_in_fields_of_their_own() -> None:
    table = table_of(row(1, quality=..., note=1) | {"quality.tiny": 0.5, "quality.big": [1]})
    assert (table.quality, table.extras) == (({"tiny": (0.5,), "big": (1.0,)},), ({"note": 1},))


def test_a_split_that_pandas_left_out_is_none() -> None:
    rows = [row(number, split=float("nan"), task=float("nan")) for number in range(3)]
    assert table_of(*rows).tasks == (None, None, None)
