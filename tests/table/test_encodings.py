from __future__ import annotations

import codecs
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import TableError
from hybrid_llm.table import QualityTable
from hybrid_llm.table.encodings import as_utf8
from tests.table.conftest import row

Save = Callable[[str, str | bytes], Path]

MARKED = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
ROWS = [row(1, query="Why is 5 € more than 4 €?"), row(2, query="为什么 😀?")]
WRITTEN = {
    "rows.jsonl": "\r\n".join(json.dumps(fields, ensure_ascii=False) for fields in ROWS),
    "rows.json": json.dumps(ROWS, indent=2, ensure_ascii=False),
    "rows.csv": "id,query,tiny,big\r\n" + "\r\n".join(f'{r["id"]},"{r["query"]}",0.5,1' for r in ROWS),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("encoding", MARKED)
@pytest.mark.parametrize("marked", [True, False])
def test_unicode_is_read_in_each_encoding_with_and_without_its_mark(
    save: Save, name: str, encoding: str, marked: bool
) -> None:
    content = (MARKED[encoding] if marked else b"") + WRITTEN[name].encode(encoding)
    assert QualityTable.read(save(name, content)).queries == tuple(fields["query"] for fields in ROWS)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(sorted(MARKED)))
def test_what_is_marked_becomes_utf8(text: str, encoding: str) -> None:
    file = io.BufferedReader(io.BytesIO(MARKED[encoding] + text.encode(encoding)))
    assert as_utf8(file).read().decode() == text


def test_utf16_is_read_in_pieces_that_cut_letters(save: Save) -> None:
    rows = [row(number, query="😀" * 20_000 + str(number)) for number in range(5)]
    content = "\n".join(json.dumps(fields, ensure_ascii=False) for fields in rows).encode("utf-16")
    assert QualityTable.read(save("rows.jsonl", content)).queries == tuple(fields["query"] for fields in rows)


def test_utf16_that_ends_within_a_letter_is_cut_short(save: Save) -> None:
    content = WRITTEN["rows.jsonl"].encode("utf-16")[:-1]
    with pytest.raises(TableError, match=r"rows.jsonl is damaged or cut short"):
        QualityTable.read(save("rows.jsonl", content))


def test_a_mark_in_the_middle_where_two_files_were_put_together_is_left_out(save: Save) -> None:
    one, two = (json.dumps(row(number)).encode() for number in (1, 2))
    marked = codecs.BOM_UTF8 + one + b"\n" + codecs.BOM_UTF8 + two + b"\n"
    assert QualityTable.read(save("rows.jsonl", marked)).ids == ("q1", "q2")


@pytest.mark.parametrize("name", WRITTEN)
def test_an_old_code_page_is_named_with_the_line_and_how_to_convert_it(save: Save, name: str) -> None:
    content = WRITTEN[name].replace("为什么 😀?", "Où est le café ?").encode("cp1252")
    path = save(name, content)
    place = {"rows.jsonl": "line 1", "rows.json": "row 1, line 2", "rows.csv": "line 2"}[name]
    with pytest.raises(
        TableError,
        match=rf"{name} {place}: not UTF-8 \(byte \d+\) but probably Windows-1252; .*iconv -f CP1252 -t UTF-8",
    ) as caught:
        QualityTable.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_row_that_is_no_text_can_be_skipped(save: Save, name: str) -> None:
    path = save(name, WRITTEN[name].encode().replace("€".encode(), b"\xff", 1))
    table = QualityTable.read(path, skip_bad=True)
    assert table.ids == ("q2",)
    assert "not UTF-8 (byte " in table.skipped[0]


def test_half_of_a_surrogate_pair_in_utf16_is_the_fault_of_its_line(save: Save) -> None:
    lines = [json.dumps(row(1)), json.dumps(row(2, query="half \ud800"), ensure_ascii=False)]
    path = save("rows.jsonl", "\n".join(lines).encode("utf-16", "surrogatepass"))
    with pytest.raises(TableError, match=r"rows.jsonl line 2: not UTF-8"):
        QualityTable.read(path)
    assert QualityTable.read(path, skip_bad=True).ids == ("q1",)
