"""Grading a pair folder with graders of single answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pair_of_answers import LARGE, QUESTIONS, SETUP, SMALL, pair_folder

from hybrid_llm.collect import Graded, PairFolder, grading_of, table_rows
from hybrid_llm.collect.grade.single import SingleGrading
from hybrid_llm.errors import GradeError, PairFolderError


def graded(path: Path, grader: str, *, again: bool = False) -> Graded:
    with PairFolder.existing(path) as folder:
        grading = grading_of(folder, grader)
        assert isinstance(grading, SingleGrading)
        return grading.run(again=again)


def test_grades_go_into_the_quality_table(tmp_path: Path) -> None:
    found = graded(pair_folder(tmp_path / "pair"), "number")
    assert (found.graded, found.pairs) == (6, 3)
    assert found.small_quality == pytest.approx(1 / 3)
    assert found.large_quality == 1
    with PairFolder.existing(tmp_path / "pair") as folder:
        rows = list(table_rows(folder, SETUP, found.key))
    assert [row["quality"]["little"] for row in rows] == [[1.0], [0.0], [0.0]]


def test_an_error_is_no_wrong_answer_and_an_empty_answer_is_left_out(tmp_path: Path) -> None:
    questions = [("a?", ["1"], None, "1"), ("b?", ["1"], " ", "1"), ("c?", ["1"], "1", "2")]
    found = graded(pair_folder(tmp_path / "pair", questions), "number")
    assert found.not_graded == {"the model gave an error": 1, "nothing in the answer": 1}
    assert (found.graded, found.pairs, found.small_quality, found.large_quality) == (4, 1, 1.0, 0.0)


def test_prompts_without_a_usable_reference_are_left_out_and_counted(tmp_path: Path) -> None:
    questions = [("a?", ["1"], "1", "1"), ("b?", [], "1", "1"), ("c?", ["Paris"], "1", "1")]
    found = graded(pair_folder(tmp_path / "pair", questions), "number")
    assert found.not_graded == {"no reference with a number": 4}
    assert found.pairs == 1


def test_no_reference_at_all_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = pair_folder(tmp_path / "pair", [("a?", [], "1", "1")])
    with pytest.raises(GradeError, match=r"no prompt in .* has one; add a field reference .* or use judge:MODEL"):
        graded(path, "exact")


def test_references_of_another_kind_are_an_error_that_shows_one(tmp_path: Path) -> None:
    path = pair_folder(tmp_path / "pair", [("a?", ["Paris"], "1", "1")])
    with pytest.raises(GradeError, match=r"needs a reference with a number.*'Paris'"):
        graded(path, "number")


def test_a_folder_without_answers_says_so(tmp_path: Path) -> None:
    with PairFolder(tmp_path / "pair") as folder, pytest.raises(PairFolderError, match="no answers to grade"):
        grading_of(folder, "exact")


def test_another_grader_keeps_the_answers_and_the_grades_of_the_first(tmp_path: Path) -> None:
    path = pair_folder(tmp_path / "pair")
    first, second = graded(path, "number"), graded(path, "exact")
    with PairFolder.existing(path) as folder:
        assert len(folder.grades(first.key)) == len(folder.grades(second.key)) == 6
        assert len(list(folder.answers(SETUP))) == 6


COUNTING = """
from pathlib import Path
def grade(query, answer, references):
    with Path("calls.txt").open("a") as file:
        file.write(answer + "\\n")
    {body}
"""


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.delitem(sys.modules, "counting", raising=False)
    return tmp_path


def calls(folder: Path) -> list[str]:
    file = folder / "calls.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_what_is_graded_is_not_graded_again_unless_asked(counting: Path) -> None:
    (counting / "counting.py").write_text(COUNTING.format(body="return 1"))
    path = pair_folder(counting / "pair")
    graded(path, "python:counting:grade")
    graded(path, "python:counting:grade")
    assert len(calls(counting)) == 6
    graded(path, "python:counting:grade", again=True)
    assert len(calls(counting)) == 12


def test_a_grader_that_raises_names_the_prompt_and_what_was_graded_is_kept(counting: Path) -> None:
    body = "return 1 if answer != 'It is 8.' else 1 / 0"
    (counting / "counting.py").write_text(COUNTING.format(body=body))
    path = pair_folder(counting / "pair")
    with pytest.raises(GradeError, match=r"prompt 2 \('What is 3\*3\?'\), answer of little: .*ZeroDivisionError"):
        graded(path, "python:counting:grade")
    with PairFolder.existing(path) as folder:
        assert len(folder.grades(grading_of(folder, "python:counting:grade").grader.key)) == 2  # type: ignore[union-attr]


def test_a_changed_grader_of_ones_own_grades_anew(counting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pair_folder(counting / "pair")
    (counting / "counting.py").write_text(COUNTING.format(body="return 1"))
    assert graded(path, "python:counting:grade").small_quality == 1
    monkeypatch.delitem(sys.modules, "counting")
    (counting / "counting.py").write_text(COUNTING.format(body="return 0  # changed"))
    assert graded(path, "python:counting:grade").small_quality == 0


def test_what_a_grader_leaves_out_is_counted(counting: Path) -> None:
    (counting / "counting.py").write_text(COUNTING.format(body="return None if answer == '9' else 1"))
    found = graded(pair_folder(counting / "pair"), "python:counting:grade")
    assert found.not_graded == {"the grader gave no score": 1}
    assert found.pairs == 2


def test_grades_are_compared_with_those_of_people(tmp_path: Path) -> None:
    people = [{"human": {"small": 1, "large": 1}}, {"human": {"little": 1, "big": 0}}, {}]
    found = graded(pair_folder(tmp_path / "pair", fields=people), "number")
    assert found.with_people is not None
    assert (found.with_people.n, found.with_people.share, found.with_people.opposite) == (2, 0.5, 0.5)


def test_grades_by_people_on_another_scale_are_an_error_that_names_the_prompt(tmp_path: Path) -> None:
    people = [{"human": {"small": 4, "large": 5}}, {}, {}]
    with pytest.raises(GradeError, match=r"prompt 1 .*are numbers in \[0, 1\]"):
        graded(pair_folder(tmp_path / "pair", fields=people), "number")


def test_a_rubric_for_a_grader_that_is_no_judge_is_an_error(tmp_path: Path) -> None:
    path = pair_folder(tmp_path / "pair")
    with PairFolder.existing(path) as folder, pytest.raises(GradeError, match="--rubric"):
        grading_of(folder, "exact", rubric=tmp_path / "rubric.txt")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_grading_that_was_killed_goes_on(counting: Path) -> None:
    body = "import time; time.sleep(0.02); return 1"
    (counting / "counting.py").write_text(COUNTING.format(body=body))
    many = [(f"{q} {i}", r, f"{s} {i}", f"{b} {i}") for i in range(40) for q, r, s, b in QUESTIONS]
    path = pair_folder(counting / "pair", many)
    command = [sys.executable, "-m", "hybrid_llm.cli", "grade", str(path), "--grader", "python:counting:grade"]
    process = subprocess.Popen(command, cwd=counting, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60
    while len(calls(counting)) < 30 and time.monotonic() < limit:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (counting / "counting.py").write_text(COUNTING.format(body=body))  # the same text, the same grades
    done = subprocess.run(command, cwd=counting, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    asked = calls(counting)
    assert len(set(asked)) == 240
    assert len(asked) <= 241  # the one that was in the works


def test_answers_of_a_checker_are_graded_too(tmp_path: Path) -> None:
    from dataclasses import replace

    from hybrid_llm.collect import ModelName, Reply

    path = pair_folder(tmp_path / "pair")
    checker = ModelName.read("ollama:third")
    setup = replace(SETUP, checkers=(checker,))
    with PairFolder.existing(path) as folder:
        folder.begin(setup)
        folder.store(setup, folder.prompts()[0].id, checker, 0, Reply("4"))
    found = graded(path, "number")
    assert (found.graded, found.pairs) == (7, 3)
    assert {SMALL.name, LARGE.name} == {"little", "big"}
