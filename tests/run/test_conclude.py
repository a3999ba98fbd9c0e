"""A pair folder comes to its verdict, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm import QualityTable
from hybrid_llm.collect import AskSettings, ModelName, PairFolder, Reply, Setup
from hybrid_llm.errors import PairFolderError
from hybrid_llm.run import Question, Verdict, conclude, graded_table
from hybrid_llm.table import Prompt

TOPICS = ("sums", "rivers", "proofs", "contracts")
SETUP = Setup(ModelName.read("ollama:tiny"), ModelName.read("openai:big"), settings=AskSettings(system="Be brief."))
Fill = Callable[..., None]


def prompt(i: int, **fields: Any) -> Prompt:
    query = f"Question {i} about {TOPICS[i % 4]}: what is number {i * 7 % 50}?"
    return Prompt("list", query, fields, ({"role": "user", "content": query},), (str(i),))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[PairFolder]:
    with PairFolder(tmp_path / "pair") as opened:
        opened.begin(SETUP)
        yield opened


@pytest.fixture
def fill(folder: PairFolder) -> Fill:
    """Store answers of both models, small right on two topics of four, and grade them."""

    def store(n: int, grader: str = "exact", **fields: Any) -> None:
        folder.add_prompts([prompt(i, **fields) for i in range(n)])
        for i, stored in enumerate(folder.prompts()):
            for model, right in ((SETUP.small, i % 4 < 2), (SETUP.large, True)):
                reply = Reply(str(i) if right else "?", "stop", (-0.1, -0.2), 0.5, 12, 3, "sha256:abc")
                folder.store(SETUP, stored.id, model, 0, reply, 0.01 if model is SETUP.large else 0.0)
        for answer in folder.answers(SETUP):
            folder.grade(answer.id, grader, float(answer.reply.text != "?"))

    return store


def test_a_folder_comes_to_a_verdict_with_table_router_and_report(folder: PairFolder, fill: Fill, encoder: Any) -> None:
    fill(260)
    verdict = conclude(folder, SETUP, "exact", Question(), encoder=encoder)
    assert (verdict.n, verdict.graded, verdict.attempt) == (260, 260, 1)
    assert verdict.spent_usd == pytest.approx(2.6)
    table = QualityTable.read(folder.path / "table.jsonl.gz")
    assert table.models == ("big", "tiny")
    assert table.splits == ("test", "train", "validation")
    response = table.responses[0]["tiny"][0]
    assert (response.finish, response.input_tokens, response.output_tokens) == ("stop", 12, 3)
    card = (folder.path / "router" / "README.md").read_text()
    assert "sha256:abc" in card
    assert "Be brief." in card
    assert (folder.path / "report.html").is_file()


@pytest.mark.slow
def test_a_verdict_that_is_there_is_not_reached_again(folder: PairFolder, fill: Fill, encoder: Any) -> None:
    fill(220)
    first = conclude(folder, SETUP, "exact", Question(), encoder=encoder)
    before = (folder.path / "report.html").stat().st_mtime_ns
    assert conclude(folder, SETUP, "exact", Question(), encoder=None) == first
    assert (folder.path / "report.html").stat().st_mtime_ns == before
    (folder.path / "report.html").unlink()
    again = conclude(folder, SETUP, "exact", Question(), encoder=encoder)
    assert again.attempt == 1  # the same test again is no further look
    assert (folder.path / "report.html").is_file()


@pytest.mark.slow
def test_more_prompts_another_level_or_other_grades_are_further_attempts(
    folder: PairFolder, fill: Fill, encoder: Any
) -> None:
    fill(210)
    numbers = [conclude(folder, SETUP, "exact", Question(), encoder=encoder).attempt]
    fill(230)
    numbers.append(conclude(folder, SETUP, "exact", Question(), encoder=encoder).attempt)
    numbers.append(conclude(folder, SETUP, "exact", Question(max_drop=0.1), encoder=encoder).attempt)
    assert numbers == [1, 2, 3]
    assert len(folder.noted("attempts")) == 3


def test_rows_with_their_own_splits_keep_them_when_these_can_train_and_certify(folder: PairFolder, fill: Fill) -> None:
    fill(30)
    folder.add_prompts([prompt(i, split=("train", "dev", "test")[i % 3]) for i in range(30)])
    assert graded_table(folder, SETUP, "exact").row_splits == ("train", "validation", "test") * 10


def test_only_a_split_that_can_train_and_certify_is_kept(folder: PairFolder, fill: Fill) -> None:
    fill(40, split="train")
    assert set(graded_table(folder, SETUP, "exact").splits) == {"train", "validation", "test"}


def test_a_folder_without_grades_says_so(folder: PairFolder, fill: Fill) -> None:
    fill(10)
    with pytest.raises(PairFolderError, match="holds no prompt with a grade of both tiny and big; look at what went"):
        conclude(folder, SETUP, "contains", Question())


@pytest.mark.slow
def test_a_verdict_is_stored_whole(folder: PairFolder, fill: Fill, encoder: Any) -> None:
    fill(60)
    verdict = conclude(folder, SETUP, "exact", Question(), encoder=encoder)
    assert verdict.expected is not None
    assert Verdict.restored(folder.noted("verdict")["verdict"]) == verdict
