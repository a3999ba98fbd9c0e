"""What number, option or box a text gives as its final answer."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.look.choices import final_choice
from hybrid_llm.look.number_words import numbers_in_words
from hybrid_llm.look.spans import boxed, marked, without_thoughts
from hybrid_llm.look.written_numbers import final_number, same_number

NUMBERS = {
    "$1,234.50": "1234.5",
    "1 000 km": "1000",
    "1\u202f000\u202f000": "1000000",
    "1'000": "1000",
    "1.000,50": "1000.5",
    "1.000.000": "1000000",
    "1,00,000": "100000",
    "0,5": "0.5",
    "0,125": "0.125",
    "50 %": "50",
    r"50\%": "50",
    "3/4": "3/4",
    "1 1/2": "3/2",
    "1½": "3/2",
    r"\frac{3}{4}": "3/4",
    r"\dfrac12": "1/2",
    "1.2e5": "120000",
    "1.2 \u00d7 10⁵": "120000",
    r"1.2 \times 10^{-3}": "0.0012",
    "10^6": "1000000",
    "2 million": "2000000",
    "$1.5M": "1500000",
    "5k": "5000",
    "-5": "-5",
    "\u22125": "-5",
    "-$4,875": "-4875",
    "x=-5": "-5",
    "5 - 3 is 2": "2",
    "US$5": "5",
    r"\boxed{\text{18 cm}}": "18",
    "1{,}000": "1000",
    "twelve": "12",
    "minus seven": "-7",
    "two hundred and eighty-six": "286",
    '{"answer": 12}': "12",
    "#### 1,200": "1200",
}


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_a_number_is_read_however_it_is_written(text: str, value: str) -> None:
    found = final_number(text)
    assert found is not None
    assert found.value == Fraction(value)


FINAL = {
    "16 - 3 - 4 = 9 eggs. 9 * $2 = $18 every day.": 18,
    "The answer is 18, because 9 eggs cost 2 each.": 18,
    "**Answer:** 18\n\nI used 9 eggs at 2.": 18,
    "Answer:\n\n42 apples": 42,
    "18\n\nShe sells 9 eggs at $2.": 18,
    "It is **18**, since she sells 9 eggs at 2.": 18,
    "So 36, since 36 is 4 multiplied by 9": 36,
    "69 is larger than 18.": 69,
    "1. First 5\n2. Then 6 makes 11": 11,
    r"We try 3, then 4: \boxed{7}. Check: 3.": 7,
    "<think>Maybe 5? The answer is 5.</think>\n\n6": 6,
    "The answer is 3 + 4 = 7, as 4 is even.": 7,
    "H2O boils at 100": 100,
    "Be there at 2:00 pm with 5 friends.": 5,
}


@pytest.mark.parametrize(("text", "value"), FINAL.items())
def test_of_several_numbers_the_one_that_is_the_answer_counts(text: str, value: int) -> None:
    found = final_number(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize("text", ["", "none", "H2O", "2:00 pm", "1e999999", "9" * 5000, "1/0", "..."])
def test_a_text_without_a_number_has_none(text: str) -> None:
    assert final_number(text) is None


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("50%", "0.5", True),
        ("50", "50%", True),
        ("0.5%", "50%", False),
        ("3.14159", "3.14", True),
        ("3.142", "3.14159", True),
        ("0.333", "1/3", True),
        ("18.4", "18", False),
        ("2.48", "2.5", False),
        ("0.0014", "0.001", False),
        ("300 cm", "3 m", True),
        ("5 minutes", "5 hours", False),
        ("5 apples", "5", True),
        ("5 kg", "5 m", False),
        ("$18.00", "18", True),
        ("-3", "3", False),
        ("1000000.0000001", "1000000", True),
    ],
)
def test_the_same_number_in_another_dress_is_the_same(answer: str, reference: str, same: bool) -> None:
    ours, theirs = final_number(answer), final_number(reference)
    assert ours is not None
    assert theirs is not None
    assert same_number(ours, theirs) is same


@given(st.integers(-(10**12), 10**12))
def test_every_whole_number_is_read_back_plain_and_grouped(value: int) -> None:
    for text in (f"{value}", f"{value:,}", f"{value:_}".replace("_", "\u202f"), f"The answer is **{value:,}**."):
        found = final_number(text)
        assert found is not None
        assert found.value == value


@given(st.text(max_size=200))
def test_any_text_can_be_read(text: str) -> None:
    final_number(text)
    final_choice(text)
    marked(text)
    boxed(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["1,11,", "1,000,", "9", "\\boxed{", "the answer is ", "**", "1/", "- ", "(A) or ", "two "]
)
def test_a_long_text_is_read_in_no_time(piece: str) -> None:
    start = time.process_time()
    text = piece * (40_000 // len(piece))
    final_number(text)
    final_choice(text)
    assert time.process_time() - start < 5


def test_numbers_in_words_do_not_run_into_each_other() -> None:
    assert numbers_in_words("Five and six, two thousand and one; someone tensed.") == [5, 6, 2001]


CHOICES = {
    "A": "A",
    "(b)": "B",
    "c": "C",
    "**C**": "C",
    "**(C)**": "C",
    r"\boxed{C}": "C",
    r"\boxed{\text{(D)}}": "D",
    "A. Paris": "A",
    "C) Rome": "C",
    "the answer is C": "C",
    "The answer is A because it is.": "A",
    "The answer is not A but C": "C",
    "Correct answer: **A) Paris**": "A",
    '{"answer": "C"}': "C",
    "answer is option b.": "B",
    "A and B are wrong; C is correct": "C",
    "I think it is (B).": "B",
    "It could be A) 3 or B) 4.\n\nB) 4": "B",
    "Let us see.\nIn summary, E": "E",
    "<think>A?</think>B": "B",
}


@pytest.mark.parametrize(("text", "letter"), CHOICES.items())
def test_an_option_is_read_however_it_is_named(text: str, letter: str) -> None:
    assert final_choice(text) == letter


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A or B",
        "The answer is A or B.",
        "A, B, C",
        "A dog is nice",
        "a dog",
        "The answer is a dog",
        "None of these",
    ],
)
def test_a_text_that_names_no_option_or_several_chooses_none(text: str) -> None:
    assert final_choice(text) is None


def test_thoughts_without_an_end_are_no_answer() -> None:
    assert without_thoughts("<think>so 5") == ""
