"""``hybrid-llm grade``: what it prints, asks and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid_llm.collect import PairFolder
from hybrid_llm.table import QualityTable
from tests.cli.conftest import run
from tests.collect.pair_of_answers import FakeJudge, pair_folder

JUDGE = "judge:openai:solomon@http://127.0.0.1:9/v1"


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    return pair_folder(tmp_path / "pair")


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> FakeJudge:
    """Put a judge in the place of every model that is asked."""
    fake = FakeJudge(lambda asked: '{"first": 9, "second": 5}')
    monkeypatch.setattr("hybrid_llm.collect.grade.judge.client_of", lambda model: fake)
    return fake


def test_grading_says_what_came_of_it_and_writes_the_table(pair: Path) -> None:
    done = run("grade", pair, "--grader", "number")
    assert done.code == 0
    assert "6 answers are graded by number, 3 pairs" in done.out
    assert "Mean quality: little 0.333, big 1.000." in done.out
    assert len(QualityTable.read(pair / "table.jsonl.gz")) == 3


def test_the_json_has_what_a_program_needs(pair: Path) -> None:
    found = run("grade", pair, "--grader", "number", "--json").json
    assert found["grader"] == "number"
    assert (found["graded"], found["pairs"], found["not_graded"]) == (6, 3, {})
    assert found["self_agreement"] is None
    assert found["table"] == str(pair / "table.jsonl.gz")


def test_a_judge_says_how_far_it_agrees_with_itself(pair: Path, judge: FakeJudge) -> None:
    done = run("grade", pair, "--grader", JUDGE)
    assert done.code == 0, done.err
    assert "agrees with itself in the other order on which answer is better in 0% of 3 pairs (0% are ties" in done.out
    assert "is asked 6 questions" in done.err
    assert run("grade", pair, "--grader", JUDGE, "--json").json["self_agreement"]["opposite"] == 1.0
    assert len(judge.asked) == 6


def test_money_is_not_spent_without_a_yes(pair: Path, judge: FakeJudge) -> None:
    refused = run("grade", pair, "--grader", JUDGE, "--price", "solomon=10:30")
    assert refused.code == 2
    assert "add --yes" in refused.err
    assert not judge.asked
    paid = run("grade", pair, "--grader", JUDGE, "--price", "solomon=10:30", "--yes", "--json")
    assert paid.json["spent_usd"] == pytest.approx(6 * 0.0103)


def test_a_dry_run_asks_nothing(pair: Path, judge: FakeJudge) -> None:
    done = run("grade", pair, "--grader", JUDGE, "--price", "solomon=10:30", "--dry-run")
    assert done.code == 0
    assert "6 questions" in done.err
    assert not judge.asked
    assert run("grade", pair, "--grader", "number", "--dry-run").code == 0
    with PairFolder.existing(pair) as folder:
        assert not folder.grades("number")


def test_a_budget_of_nothing_stops_before_the_first_question(pair: Path, judge: FakeJudge) -> None:
    done = run("grade", pair, "--grader", JUDGE, "--price", "solomon=10:30", "--yes", "--budget", "0")
    assert done.code == 1
    assert "budget" in done.err + done.out
    assert not judge.asked


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--grader", "bleu"), "There is no grader 'bleu'"),
        (("--grader", "judge:gpt-4o"), "openai:gpt-4o"),
        (("--grader", "python:nowhere"), "def grade(query: str, answer: str"),
        (("--grader", "choice"), "needs a reference with an option"),
        (("--grader", JUDGE, "--rubric", "missing.txt"), "missing.txt"),
        (("--grader", JUDGE, "--price", "solomon"), "NAME=IN:OUT"),
    ],
)
def test_a_wrong_option_is_an_error_of_a_line_or_two(pair: Path, options: tuple[str, ...], says: str) -> None:
    done = run("grade", pair, *options)
    assert done.code in (1, 2)
    assert says in done.err
    assert len(done.err.splitlines()) <= 3


def test_what_a_grader_of_ones_own_prints_is_not_mixed_into_the_json(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "talks.py").write_text(
        'print("loading")\n\ndef grade(query, answer, references):\n    print(answer)\n    return 1\n'
    )
    monkeypatch.chdir(tmp_path)
    graded = run("grade", pair, "--grader", "python:talks:grade", "--json")
    assert graded.json["small_quality"] == 1.0
    assert "loading" in graded.err


def test_a_grader_that_leaves_the_program_is_an_error_with_a_name(
    pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves.py").write_text("import sys\n\ndef grade(query, answer, references):\n    sys.exit(3)\n")
    (tmp_path / "script.py").write_text("raise SystemExit(2)\n")
    monkeypatch.chdir(tmp_path)
    left = run("grade", pair, "--grader", "python:leaves:grade")
    assert (left.code, "python:leaves:grade raised SystemExit: 3" in left.err) == (1, True)
    assert "importing script failed with SystemExit: 2" in run("grade", pair, "--grader", "python:script:grade").err


def test_a_folder_that_is_no_pair_folder_says_how_to_make_one(tmp_path: Path) -> None:
    done = run("grade", tmp_path, "--grader", "exact")
    assert done.code == 1
    assert "hybrid-llm collect" in done.err


def test_the_help_shows_the_signature_of_a_grader_of_ones_own() -> None:
    assert (
        "def grade(query: str, answer: str, references: list[str]) -> float | bool | None" in run("grade", "--help").out
    )
