"""Graders of single answers: a score in [0, 1], or none."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid_llm.collect.grade.graders import grader_of
from hybrid_llm.collect.grade.math import MathGrader
from hybrid_llm.collect.grade.objects import NoJsonError, json_in, same_object
from hybrid_llm.collect.grade.own import own_grader
from hybrid_llm.collect.grade.texts import contains, exact
from hybrid_llm.errors import GradeError


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("Dakar", 1),
        (" dakar. ", 1),
        ("**Dakar**", 1),
        ('"DAKAR"', 1),
        ("It is Dakar", 0),
        ("", 0),
        ("Dakar Airport", 0),
    ],
)
def test_exact_lets_dress_pass_and_nothing_else(answer: str, score: float) -> None:
    assert exact(answer, ["Paris", "Dakar"]) == score


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("The capital is Dakar.", "Dakar", 1),
        ("People pay in rupees", "Rupee", 1),
        ("14", "4", 0),
        ("4.5", "4", 0),
        ("It is 4.", "4", 1),
        ("It is 43,200.", "43200", 1),
        ("1,432", "432", 0),
        ("superior", "super", 0),
        ("two  hundred\nand six", "two hundred and six", 1),
        ("anything", "", 0),
        ("<think>Dakar</think> Thies", "Dakar", 0),
        ("C++ it is", "C++", 1),
    ],
)
def test_contains_finds_whole_words(answer: str, reference: str, score: float) -> None:
    assert contains(answer, [reference]) == score


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_an_object_is_itself_wherever_it_stands(value: Any) -> None:
    text = json.dumps(value)
    assert same_object(text, [text]) == 1.0
    assert same_object(f"Here:\n```json\n{text}\n```\nDone.", [text]) == 1.0


@given(JSON, JSON)
def test_partial_credit_lies_between_none_and_all_and_has_no_side(a: Any, b: Any) -> None:
    one, other = json.dumps(a), json.dumps(b)
    assert 0 <= same_object(one, [other]) <= 1
    assert same_object(one, [other]) == pytest.approx(same_object(other, [one]))


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"days": 2, "city": "Oslo"}', 1),
        ('{"city": "Oslo", "days": 3}', 0.5),
        ('{"city": "Oslo"}', 0.5),
        ('{"city": "Oslo", "days": 2, "a": 1, "b": 2}', 0.5),
        ('{"city": "Oslo", "days": "2"}', 0.5),
        ('{"city": "Oslo", "days": 2.0}', 1),
        ('I think {"city": "Oslo", "days": 2} will do.', 1),
        ("Oslo", 0),
        ("{" * 5000, 0),
        ("[" * 100_000, 0),
        ('{"city": NaN}', 0),
    ],
)
def test_json_gives_a_part_of_the_credit_for_a_part_of_the_fields(answer: str, score: float) -> None:
    assert same_object(answer, ['{"city": "Oslo", "days": 2}']) == score


def test_true_is_no_one() -> None:
    assert same_object("[true]", ["[1]"]) == 0


def test_a_text_without_json_says_so() -> None:
    with pytest.raises(NoJsonError):
        json_in("no object here")


@pytest.fixture(scope="module")
def mathematics() -> Any:
    pytest.importorskip("math_verify")
    with MathGrader(seconds=20) as grader:
        yield grader


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        (r"So $\frac{1}{2}$.", "0.5", 1),
        (r"\boxed{44\sqrt{2}}", "44√2", 1),
        ("44", "44√2", 0),
        ("$1+x^2$", "x^2+1", 1),
        (r"$\frac{32\pi}{3}$", "32π/3", 1),
        ("Thus she makes 18 dollars.", "18", 1),
        ("Infinitely many.", "infinitely many", 1),
        ("Three", "infinitely many", 0),
        ("", "3", 0),
    ],
)
def test_math_knows_the_same_value_in_another_form(mathematics: Any, answer: str, reference: str, score: float) -> None:
    assert mathematics(answer, [reference]) == score


@pytest.mark.slow
def test_an_answer_that_would_be_worked_on_for_ever_is_not_graded_and_the_next_one_is() -> None:
    pytest.importorskip("math_verify")
    with MathGrader(seconds=1) as grader:
        start = time.monotonic()
        assert grader("$9^{9^{9^{9}}}$", ["1"]) is None
        assert time.monotonic() - start < 60
        assert grader("$1+1$", ["2"]) == 1


def test_math_without_its_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"hybrid-llm\[collect\]"):
        grader_of("math")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a module of graders into the working folder and return a way to name one of its functions."""

    def named(name: str, body: str) -> str:
        (tmp_path / f"{name}.py").write_text(f"def grade(query, answer, references):\n    {body}\n")
        return f"{name}:grade"

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    return named


def test_a_grader_of_ones_own_sees_query_answer_and_references(own: Any) -> None:
    grade, _ = own_grader(own("own_sees", "return query == 'q' and answer == 'a' and references == ['r']"))
    assert grade("q", "a", ["r"]) == 1.0
    assert grade("q", "b", ["r"]) == 0.0


@pytest.mark.parametrize("value", ["1.5", "-0.1", "'1'", "float('nan')", "[]"])
def test_a_score_outside_the_scale_is_an_error(own: Any, value: str) -> None:
    grade, _ = own_grader(own(f"own_off_{abs(hash(value))}", f"return {value}"))
    with pytest.raises(GradeError, match="lies in"):
        grade("q", "a", [])


def test_a_grader_of_ones_own_may_leave_an_answer_out(own: Any) -> None:
    grade, _ = own_grader(own("own_none", "return None"))
    assert grade("q", "a", []) is None


def test_a_grader_that_raises_says_so(own: Any) -> None:
    with pytest.raises(GradeError, match="raised KeyError"):
        own_grader(own("own_raises", "return {}['x']"))[0]("q", "a", [])


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nothing", "names no function"),
        ("no_such_module:grade", "ModuleNotFoundError"),
        ("json:grade", "has no function"),
    ],
)
def test_a_grader_that_is_not_there_is_an_error_that_shows_the_signature(spec: str, says: str) -> None:
    with pytest.raises(GradeError, match=says):
        own_grader(spec)


def test_an_unknown_grader_is_an_error_that_lists_them() -> None:
    with pytest.raises(GradeError, match="exact, contains, number"):
        grader_of("bleu")


@pytest.mark.parametrize(
    ("name", "text"), [("number", "Paris"), ("choice", "Paris is it"), ("json", "Paris"), ("exact", " ")]
)
def test_a_grader_knows_which_references_it_cannot_use(name: str, text: str) -> None:
    assert grader_of(name).usable([text]) == []
