"""Cheap features of the text: finite, bounded, quick, whatever the text is."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.scoring import NAMES, feature_names, read_as, text_features


def value(text, name):
    return text_features([text])[0, NAMES.index(name)]


@given(st.lists(st.text(st.characters()), max_size=5))
def test_any_text_has_finite_bounded_features(texts):
    features = text_features(texts)
    assert features.shape == (len(texts), len(NAMES))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert (np.abs(features) <= 3).all()


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [
        ("log_characters", "short", "a much longer text than that one"),
        ("digits", "two plus two", "2 + 2"),
        ("code", "return the book please", "def f(x):\n    return x == 1"),
        ("choices", "Which is right?", "Which?\nA. one\nB. two\nC. three"),
        ("maths", "a plus b", r"\frac{a}{b} = c^2"),
        ("questions", "Do it.", "Why? How?"),
        ("other_scripts", "hello", "здравствуйте"),
        ("capitals", "hello there", "Hello There"),
    ],
)
def test_a_feature_sees_what_it_is_named_for(name, less, more):
    assert value(less, name) < value(more, name)


def test_a_megabyte_costs_no_more_than_its_two_ends():
    text = "word " * 200_000
    start = time.perf_counter()
    text_features([text])
    assert time.perf_counter() - start < 0.5


def test_no_text_is_zero_everywhere():
    assert (text_features([""]) == 0).all()


@pytest.mark.parametrize(
    ("plain", "typed"),
    [
        ("one line", "ONE LINE"),
        ("Was it Schrodinger?", "Was it Schrödinger?"),
        ("List three uses of salt.", "<query> List three uses of salt."),
        ("List three uses of salt.", '<div class="q">List three uses of salt.</div>'),
    ],
)
def test_capitals_accents_and_tags_are_hardly_a_feature(plain, typed):
    assert np.abs(text_features([plain]) - text_features([typed])).max() <= 0.21


def test_the_features_of_before_are_still_there():
    names = feature_names(1)
    assert names[-1] == "beyond_ascii"
    assert text_features(["café"], version=1)[0, -1] == 0.25
    assert read_as([" café\u2019s "], version=1) == [" café\u2019s "]
