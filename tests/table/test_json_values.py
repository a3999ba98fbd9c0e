from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import TableError
from hybrid_llm.table import QualityTable
from hybrid_llm.table.json_values import json_values
from tests.table.conftest import row

Save = Callable[[str, str | bytes], Path]

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


class Trickle(io.StringIO):
    """A text that comes in pieces of one letter."""

    def read(self, size: int | None = -1, /) -> str:
        return super().read(1)


@given(st.lists(values, max_size=5), st.sampled_from([None, 0, 2]), st.booleans())
def test_an_array_yields_its_elements_wherever_the_pieces_end(
    found: list[Any], indent: int | None, plain: bool
) -> None:
    spelled = json.dumps(found, indent=indent, ensure_ascii=plain)
    for file in (io.StringIO(spelled), Trickle(spelled)):
        read = [value for _, value in json_values("t", file) if not isinstance(value, TableError)]
        kept = [value for value in found if plain or _is_text(value)]
        assert read == kept


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(st.lists(st.dictionaries(st.text(), values), max_size=4), st.sampled_from([None, 2]))
def test_objects_that_follow_one_another_are_read_like_an_array(found: list[Any], indent: int | None) -> None:
    spelled = "\n".join(json.dumps(value, indent=indent) for value in found)
    assert [value for _, value in json_values("t", Trickle(spelled))] == found


def test_an_element_longer_than_a_piece_is_read(save: Save) -> None:
    long = row(1, query="a long question " * 40_000)
    assert QualityTable.read(save("t.json", json.dumps([long, row(2)]))).queries[0] == long["query"].strip() + " "


def test_a_bad_element_is_named_by_its_number_and_line(save: Save) -> None:
    path = save("rows.json", json.dumps([row(1), row(2, query=...), 7, row(4)], indent=1))
    line = path.read_text().split("\n").index(' "id": "q2",'.replace(" ", "  ", 1)) + 0
    with pytest.raises(TableError, match=rf"rows.json row 2, line {line}: field 'query' is missing"):
        QualityTable.read(path)
    table = QualityTable.read(path, skip_bad=True)
    assert table.ids == ("q1", "q4")
    assert "row 3, line" in table.skipped[1]
    assert "7 is not an object" in table.skipped[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"id": 1, "query": "a"', r"row 1, line 1: not valid JSON \(.*, line 1\)"),
        ('[\n{"id": 1,\n "query": nope}]', r"row 1, line 2: not valid JSON \(Expecting value, line 3\)"),
        ('[{"query": "a", "quality": {"s": 1}}\n', r"row 2, line 2: not valid JSON \(the closing ']' is missing"),
        ('[{"query": "a", "quality": {"s": 1}},\n]', r"row 2, line 2: not valid JSON \(a comma before the closing"),
        ('[{"query": "a", "quality": {"s": 1}}\n{}]', r"row 2, line 2: not valid JSON \(',' is missing\)"),
        ('[{"query": "a", "quality": {"s": 1}}]\n[]', "row 2, line 2: something follows the array"),
        ("[" * 100_000, "row 1, line 1: not valid JSON"),
        ("[" + "1" * 5000 + "]", "row 1, line 1: not valid JSON"),
        ("[]", "is empty; each row needs query and quality"),
        ("[1, 2]", "row 1, line 1: 1 is not an object"),
        ('{\n "id": 1,\n', "row 1, line 1: not valid JSON"),
    ],
)
def test_an_array_that_is_broken_says_where(save: Save, content: str, message: str) -> None:
    with pytest.raises(TableError, match=rf"rows.json {message}") as caught:
        QualityTable.read(save("rows.json", content))
    assert "\n" not in str(caught.value)


def test_what_follows_a_broken_element_is_never_dropped_silently(save: Save) -> None:
    path = save("rows.json", f'[{json.dumps(row(1))}, {{"id": oops}}, {json.dumps(row(3))}]')
    with pytest.raises(TableError, match="row 2, line 1: not valid JSON"):
        QualityTable.read(path, skip_bad=True)


def test_a_broken_element_does_not_make_the_rest_be_read_for_nothing() -> None:
    file = io.StringIO('[{"id": oops}, ' + '{"id": 1}, ' * 200_000)
    with pytest.raises(TableError, match="row 1, line 1"):
        next(json_values("t", file))
    assert file.tell() < 200_000


def test_lines_that_end_like_those_of_an_old_mac_are_read(save: Save) -> None:
    assert QualityTable.read(save("t.jsonl", "\r".join(json.dumps(row(n)) for n in range(3)))).ids == ("q0", "q1", "q2")


def test_a_file_of_columns_says_how_to_write_rows(save: Save) -> None:
    columns = {"id": {"0": "a"}, "query": {"0": "Why?"}, "quality": {"0": {"s": 1}}}
    with pytest.raises(TableError, match=r"field 'query' is {'0': 'Why\?'}, not text.*orient='records'"):
        QualityTable.read(save("t.json", json.dumps(columns)))
