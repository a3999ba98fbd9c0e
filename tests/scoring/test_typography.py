"""Folding: what makes no question harder is taken out before a text is read, and nothing else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.scoring.typography import folded


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("What\u2019s the \u201ccapital\u201d of Peru?", 'What\'s the "capital" of Peru?'),
        ("A whale \u2013 or an elephant\u2026", "A whale - or an elephant..."),
        ("\ufeffList three\u00a0uses.\u00a0\r\n", "List three uses."),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("🚀 Ship it 👩\u200d🚀❤️", "Ship it"),
        ("<user_message>\nWhy?\n</user_message>", "Why?"),
        ("<a href=\"x\" id='y'><b>Why?</b></a>", "Why?"),
    ],
)
def test_the_same_words_by_another_hand_are_read_alike(written, read):
    assert folded(written) == read


@pytest.mark.parametrize(
    "text", ["x² + y²", "½ of 5 €", "Schrödinger", "<b>a</b> and <b>c</b>", "a < b > c", "<br>", "→ ➞ ①", "🙂", "你好"]
)
def test_what_has_a_meaning_stays(text):
    assert folded(text) == text


@given(st.text(st.characters()))
def test_folding_twice_is_folding_once_but_for_deep_tags(text):
    once = folded(text)
    assert once == once.strip()
    if "<" not in text:
        assert folded(once) == once


def test_a_megabyte_of_tags_is_no_trap():
    start = time.perf_counter()
    folded("<a>" * 300_000 + "</a>" * 300_000)
    folded("<a " + "b='c' " * 200_000)
    assert time.perf_counter() - start < 2
