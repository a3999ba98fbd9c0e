"""Judges on the real servers: what a model of one sentence says is no verdict, and a missing model is said once."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid_llm.collect import Budget, Graded, JudgeGrading, PairFolder, grading_of
from tests.collect.pair_of_answers import pair_folder
from tests.live.conftest import Servers

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]


def judged(path: Path, judge: str) -> Graded:
    with PairFolder.existing(path) as folder:
        grading = grading_of(folder, f"judge:{judge}")
        assert isinstance(grading, JudgeGrading)
        return grading.run(Budget(0.0, folder.spent()))


def test_a_judge_that_gives_no_verdict_grades_nothing_and_is_not_asked_again(tmp_path: Path, servers: Servers) -> None:
    path = pair_folder(tmp_path / "pair")
    found = judged(path, f"openai:tiny-large@{servers.openai}")
    assert (found.pairs, found.stopped) == (0, None)
    assert found.not_graded == {"malformed verdict, twice": 6}
    again = judged(path, f"openai:tiny-large@{servers.openai}")
    assert again.not_graded == found.not_graded
    assert again.spent_usd == 0


def test_a_judge_in_ollama_gives_no_verdict_either(tmp_path: Path, servers: Servers) -> None:
    found = judged(pair_folder(tmp_path / "pair"), f"ollama:tiny-small@{servers.ollama}")
    assert found.not_graded == {"malformed verdict, twice": 6}


def test_a_judge_that_is_not_there_is_given_up_on_at_once(tmp_path: Path, servers: Servers) -> None:
    found = judged(pair_folder(tmp_path / "pair"), f"ollama:no-such-judge@{servers.ollama}")
    assert found.gave_up
    assert "no-such-judge" in (found.stopped or "")
    assert sum(found.not_graded.values()) == 2
