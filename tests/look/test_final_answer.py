"""Final answers that two models mean alike agree, whatever words they stand in."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.look import FinalAnswer


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18", "She makes 9 * 2 = $18 a day."),
        ("The answer is (C).", "C"),
        ("**B. Paris**", "The answer is B"),
        (r"Thus \boxed{\frac{1}{2}}.", "0.5"),
        ('{"answer": "Lima"}', "lima."),
        ('```json\n{"final_answer": 7}\n```', "So the answer is 7."),
        ("The capital of Finland is Helsinki.", "Helsinki"),
        ("<think>5? No.</think> 4", "The answer is 4"),
        ("1,000 m", "1 km"),
        (r"\boxed{x^2 + 1}", r"\boxed{x^{2}+1}"),
    ],
)
def test_the_same_answer_in_other_words_agrees(one, other):
    assert FinalAnswer.of(one).agrees(FinalAnswer.of(other))
    assert FinalAnswer.of(other).agrees(FinalAnswer.of(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [("18", "81"), ("A", "B"), ("Lima", "Quito"), ("C", "3"), ("Indian Rupee", "Sri Lankan Rupee"), ("5 m", "5 kg")],
)
def test_other_answers_do_not(one, other):
    assert not FinalAnswer.of(one).agrees(FinalAnswer.of(other))


@pytest.mark.parametrize("text", ["", " \n", "<think>only thoughts"])
def test_a_text_that_says_nothing_has_none(text):
    assert FinalAnswer.of(text) is None


def test_with_nothing_nobody_agrees():
    assert not FinalAnswer.of("4").agrees(None)


@given(st.text())
def test_an_answer_agrees_with_itself(text):
    found = FinalAnswer.of(text)
    assert found is None or found.agrees(found)


@given(st.text(), st.text())
def test_agreement_goes_both_ways(one, other):
    a, b = FinalAnswer.of(one), FinalAnswer.of(other)
    if a is not None and b is not None:
        assert a.agrees(b) == b.agrees(a)


@pytest.mark.slow
def test_a_long_text_is_read_at_once():
    start = time.process_time()
    FinalAnswer.of("so it goes on and on, 12 and 13. " * 20_000)
    assert time.process_time() - start < 5


def test_an_answer_in_a_whole_sentence_agrees_with_one_in_a_word():
    sentence = FinalAnswer.of("The currency that people pay with in Germany and in Italy is the euro.")
    assert sentence.agrees(FinalAnswer.of("Euro"))
    assert not sentence.agrees(FinalAnswer.of("Pound"))
    assert FinalAnswer.of("Money is what people pay with. " * 5) is None  # a text that long has no answer to compare
