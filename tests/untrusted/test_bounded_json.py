"""JSON of strangers: what is too deep, too much or no number is refused, and what steers a screen is shown escaped."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.untrusted import BadFileError, escaped, parse_json, printable, steers

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats(-1e300, 1e300) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_json_can_hold_comes_back_as_it_was(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@given(VALUES)
def test_nothing_that_steers_a_screen_is_left_in_what_is_escaped(value: object) -> None:
    text = json.dumps(escaped(value), ensure_ascii=False)
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 or sign in "\u2028\u202e" for sign in text)
    if not steers(json.dumps(value).encode()):
        assert escaped(value) == value


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"[" * 33 + b"]" * 33, "deeper than 32"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "deeper than 32"),
        (b"[" + b"[]," * 1_000_001 + b"1]", "more than 1,000,000 lists"),
        (b'{"a": NaN}', "the number NaN"),
        (b"[-Infinity]", "the number -Infinity"),
        (b"[1e999]", "the number 1e999"),
        (b'{"a": 1, "a": 2}', "the same key twice"),
    ],
)
def test_what_no_file_of_ours_holds_is_refused(content: bytes, wrong: str) -> None:
    with pytest.raises(BadFileError, match=wrong):
        parse_json(content)


def test_brackets_inside_of_texts_count_for_nothing() -> None:
    assert parse_json(json.dumps(["[{" * 100, '"[' * 100]).encode()) == ["[{" * 100, '"[' * 100]


@pytest.mark.parametrize("content", [b'"' + b'\\"' * 2_000_000, b"[" * 40 + b'"' * 1_000_001, b"9" * 100_000])
def test_broken_json_is_refused_in_the_time_of_a_look(content: bytes) -> None:
    began = time.process_time()
    with pytest.raises(ValueError):
        parse_json(content)
    assert time.process_time() - began < 2.0


def test_what_is_shown_is_short_and_on_one_line() -> None:
    assert printable("a\nb\x1b[2J\x9b\u202e") == "a\\nb\\x1b[2J\\x9b\\u202e"
    assert len(printable("x" * 10_000)) == 303
    assert printable("é 日本 😀") == "é 日本 😀"


def test_a_text_of_several_lines_keeps_them_where_that_is_said() -> None:
    assert escaped({"about": "a\nb\x07", "name": "a\nb"}, lines=("about",)) == {"about": "a\nb\\x07", "name": "a\\nb"}
