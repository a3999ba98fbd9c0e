"""The robustness benchmark edits what it says, and no more; a gadget pushes every query."""

from __future__ import annotations

import string
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.robustness.edits import CAPITALS, EDITS
from benchmarks.robustness.familiar import EVERYDAY, SCRIPTS, prompts, without_options
from benchmarks.robustness.gadgets import Search, gadget, with_prefix

QUESTION = "Which of these planets is the largest?\nA. Mars\nB. Jupiter\nAnswer:"
ADDED = {
    "curly apostrophe inside a word": "\u2019",
    "straight apostrophe inside a word": "'",
    "emoji at the end": "\U0001f642",
    "no-break space for a space": "\u00a0",
    "byte order mark before": "\ufeff",
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_the_text_and_the_same_text_always_alike(name):
    assert EDITS[name](QUESTION) != QUESTION
    assert EDITS[name](QUESTION) == EDITS[name](QUESTION)


@pytest.mark.parametrize(("name", "character"), ADDED.items())
def test_one_character_is_added_and_the_words_stay(name, character):
    edited = EDITS[name](QUESTION)
    assert edited.count(character) == 1
    put_back = " " if character == "\u00a0" else ""
    assert edited.replace(character, put_back).strip() == QUESTION


def test_an_apostrophe_stands_inside_a_word():
    edited = EDITS["straight apostrophe inside a word"](QUESTION)
    place = edited.index("'")
    assert edited[place - 1].isalpha()
    assert edited[place + 1].isalpha()


def test_an_accent_is_one_letter_with_another_mark():
    edited = EDITS["accent on a vowel"](QUESTION)
    assert len(edited) == len(QUESTION)
    plain = unicodedata.normalize("NFD", edited).replace("\u0301", "")
    assert plain == QUESTION
    assert sum(a != b for a, b in zip(edited, QUESTION, strict=True)) == 1


@pytest.mark.parametrize("name", [name for name in EDITS if name != CAPITALS])
def test_places_differ_from_text_to_text(name):
    texts = [f"question about the number {n} and the rivers of Europe" for n in range(40)]
    lengths = {len(EDITS[name](text)) - len(text) for text in texts}
    assert len(lengths) == 1
    if name in ("curly apostrophe inside a word", "no-break space for a space", "accent on a vowel"):
        places = {
            next(i for i, pair in enumerate(zip(EDITS[name](t), t, strict=False)) if len(set(pair)) > 1) for t in texts
        }
        assert len(places) > 5


@given(st.text(max_size=80))
def test_no_text_breaks_an_edit(text):
    for edit in EDITS.values():
        assert isinstance(edit(text), str)


def test_a_question_loses_its_options_and_nothing_else():
    assert without_options(QUESTION) == "Which of these planets is the largest?"
    assert without_options("Plain question\nof two lines") == "Plain question\nof two lines"


def test_the_prompts_are_as_many_as_the_page_says_and_all_different():
    found = prompts()
    assert len(set(found[EVERYDAY])) == len(found[EVERYDAY]) >= 60
    assert len(set(found[SCRIPTS])) == len(found[SCRIPTS]) >= 40
    latin = set(string.ascii_letters)
    for prompt in found[SCRIPTS]:
        letters = [character for character in prompt if character.isalpha()]
        assert sum(character in latin for character in letters) < len(letters) / 10, prompt


@pytest.mark.parametrize("toward", [1, -1])
def test_a_gadget_of_the_search_moves_scores_the_way_it_should(toward):
    seen = []

    def score(texts):
        seen.extend(texts)
        return np.array([text.split().count("up") - text.split().count("down") for text in texts], dtype=float)

    words = ["up", "down", "the", "of"]
    found = gadget(score, ["one", "two"], words, toward, Search(tokens=4, rounds=40, candidates=4))
    assert found == " ".join(["up" if toward == 1 else "down"] * 4)
    assert {text.split()[-1] for text in seen} == {"one", "two"}
    assert gadget(score, ["one", "two"], words, toward, Search(tokens=4, rounds=40, candidates=4)) == found


def test_a_prefix_leaves_the_query_whole():
    assert with_prefix("a b", QUESTION) == f"a b {QUESTION}"
