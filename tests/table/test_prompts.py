from __future__ import annotations

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.errors import TableError
from hybrid_llm.table import read_prompts


def read(content: str | bytes) -> list[str]:
    raw = content.encode() if isinstance(content, str) else content
    return [prompt.query for prompt in read_prompts("standard input", io.BufferedReader(io.BytesIO(raw)))]


@pytest.mark.parametrize(
    "content",
    [
        "Why?\nWho?\n",
        "\n \nWhy?\r\n\r\nWho?",
        "Why?\rWho?\r",
        "\ufeffWhy?\nWho?",
        "Why?\nWho?".encode("utf-16"),
        "Why?\r\nWho?\r\n".encode("utf-16-be"),
        gzip.compress(b"Why?\nWho?\n", mtime=0),
        '{"query": "Why?"}\n{"query": "Who?"}\n',
        '{"prompt": "Why?"}\n\n{"query": "Who?", "id": 7}\n',
        '\ufeff{"query": "Why?"}\r\n{"query": "Who?"}\r\n',
        '{"query": "Why?"}\n{"query": "Who?"}'.encode("utf-16"),
        '{"messages": [{"role": "user", "content": "Why?"}]}\n{"query": "Who?"}',
        '["Why?", "Who?"]',
        '[\n "Why?",\n {"query": "Who?"}\n]',
        '{\n "query": "Why?"\n}\n{\n "query": "Who?"\n}',
        "query\nWhy?\nWho?\n",
        "id,prompt\n1,Why?\n2,Who?\n",
        'prompt;topic\n"Why?";sums\n"Who?";people\n',
    ],
)
def test_prompts_are_read_as_people_have_them(content: str | bytes) -> None:
    assert read(content) == ["Why?", "Who?"]


def test_prompts_of_parquet_are_read() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table({"prompt": ["Why?", "Who?"]}), sink)
    assert read(sink.getvalue()) == ["Why?", "Who?"]


@pytest.mark.parametrize(
    "prompt",
    [
        "[INST] Why? [/INST]",
        "[draft] mend this",
        "{name} is a placeholder: what does it mean?",
        "{% for x in y %} what is this?",
        "Translate: order, query, table",
        "What does query, prompt mean?",
        "null",
        "42",
        '"Why?"',
        "<html> is what?",
        "BZh is a magic number of what?",
        "%PDF- is how what begins?",
        "a line\u2028in a line",
        "  indented",
    ],
)
def test_a_prompt_that_looks_like_something_else_is_a_prompt(prompt: str) -> None:
    assert read(f"{prompt}\nWho?\n") == [prompt, "Who?"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), min_size=1))
def test_lines_are_read_as_they_stand(prompts: list[str]) -> None:
    prompts = ["What is this?", *prompts]
    assert read("\n".join(prompts)) == prompts


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip), min_size=1))
def test_json_carries_any_prompt(prompts: list[str]) -> None:
    assert read("\n".join(json.dumps({"query": prompt}) for prompt in prompts)) == prompts
    assert read(json.dumps(prompts, ensure_ascii=False)) == prompts


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"text": "Why?"}',
            "line 1: field 'query' is missing; each prompt is a text, or stands in a field called query",
        ),
        ('{"query": "Why?"}\nWho?\n', "line 2: not valid JSON"),
        ('{"query": "Why?"}\n7\n', "line 2: 7 is not an object; each prompt is a text"),
        ('{"query": ""}', "line 1: field 'query' is blank"),
        ('{"query": 7}', "line 1: field 'query' is 7, not text or a list of messages"),
        ('[{"query": "Why?"}', "row 2, line 1: not valid JSON"),
        ("id,prompt\n1,Why, oh why?\n", "line 2: 3 cells under 2 columns"),
        ("Why?\nOù est le café ?\n".encode("cp1252"), "line 2: not UTF-8 (byte 2) but probably Windows-1252; convert"),
        (
            "Почему небо голубое?".encode("koi8_r"),
            "line 1: not UTF-8 (byte 1) but probably KOI8-R; convert the file: iconv",
        ),
        ("Why?".encode("utf-16")[:-1], "is damaged or cut short"),
    ],
)
def test_a_prompt_that_cannot_be_read_says_how_to_mend_it(content: str | bytes, message: str) -> None:
    with pytest.raises(TableError) as caught:
        read(content)
    assert str(caught.value).startswith("standard input ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_text_in_any_code_page_are_replaced() -> None:
    assert read(b"\xff line\nWho?") == ["\ufffd line", "Who?"]


@given(st.binary())
def test_any_bytes_are_prompts_or_an_error_of_one_line(content: bytes) -> None:
    said = ""
    try:
        assert all(prompt.strip() for prompt in read(content))
    except TableError as error:
        said = str(error)
    assert "\n" not in said


def test_a_prompt_keeps_what_stands_beside_it() -> None:
    file = io.BufferedReader(io.BytesIO(b'{"query": "Why?", "reference": "42", "id": 1}'))
    (prompt,) = read_prompts("list", file)
    assert (prompt.place, prompt.query, prompt.fields["reference"]) == ("list line 1", "Why?", "42")


def test_no_prompts_are_no_error() -> None:
    assert read("") == []
    assert read("\n\n") == []
