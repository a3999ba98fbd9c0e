"""From graded rows to a verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm import QualityTable, Router
from hybrid_llm.names import short_name
from hybrid_llm.run import Attempt, Judged, Question, Verdict, judge, with_splits
from hybrid_llm.run.verdict import KEYS, LevelFigures
from hybrid_llm.table import PairTable
from tests.answered_table import make_answered_rows

Judge = Callable[..., Judged]


def pair_of(
    n: int, small_right: Callable[[int], bool], large_right: Callable[[int], bool] = lambda i: True
) -> PairTable:
    """Rows of four topics, with what each answer cost."""
    topics = ("sums", "rivers", "proofs", "contracts")
    rows = [
        {
            "id": i,
            "query": f"Question {i} about {topics[i % 4]}: what is number {i * 7 % 50}?",
            "quality": {"ollama:tiny": [float(small_right(i))], "openai:big": [float(large_right(i))]},
            "cost_usd": {"ollama:tiny": [0.0], "openai:big": [0.01]},
            "seconds": {"ollama:tiny": [0.2], "openai:big": [1.5]},
        }
        for i in range(n)
    ]
    return QualityTable.from_rows(rows).pair("ollama:tiny", "openai:big")


def easy(i: int) -> bool:
    """Small is right on two topics of four."""
    return i % 4 < 2


@pytest.fixture
def judged(tmp_path: Path, encoder: Any) -> Judge:
    def run(pair: PairTable, **settings: Any) -> Judged:
        question = settings.pop("question", Question())
        return judge(with_splits(pair), question, tmp_path, encoder=encoder, **settings)

    return run


@pytest.mark.slow
def test_enough_rows_certify_the_level_that_was_asked_for_and_no_other(judged: Judge, tmp_path: Path) -> None:
    found = judged(pair_of(700, easy), n=720, spent_usd=7.0)
    verdict = found.verdict
    assert verdict.verdict == "certified"
    level = verdict.at(0.95)
    assert level is not None
    assert level.certified
    assert level.cost_advantage > 0.2
    assert [other.certified for other in verdict.levels if other.quality > 0.95] == [False] * 3
    certificate = Router.load(tmp_path / "router").certificate
    assert certificate is not None
    assert [c.quality for c in certificate.certificates] == [0.95]
    assert certificate.asked.confidence == pytest.approx(0.975)  # the first attempt of all that may follow
    assert verdict.headline().startswith("certified: at most 5 % of big's quality is lost while tiny answers ")
    assert "(saves $" in verdict.headline()
    assert (tmp_path / "report.html").read_text().count("certified") > 1
    assert verdict.needed_n is None


@pytest.mark.slow
def test_few_rows_are_all_trained_on_and_measured(judged: Judge, tmp_path: Path) -> None:
    found = judged(pair_of(150, easy))
    verdict, router = found.verdict, Router.load(tmp_path / "router")
    assert verdict.verdict == "measured"
    assert found.attempts == ()
    assert router.record is not None
    assert router.record.all_rows
    assert router.certificate is None
    assert not any(level.certified for level in verdict.levels)
    assert verdict.headline().startswith("measured, not certified: expect ")
    assert "more graded prompts could certify 5 %" in verdict.headline()
    assert verdict.needed_n is not None
    assert verdict.needed_n >= 200
    assert "Training used all of these queries" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_every_further_attempt_is_tested_more_strictly_and_the_same_one_is_not_counted_again(judged: Judge) -> None:
    first = judged(pair_of(400, easy))
    again = judged(pair_of(400, easy), attempts=first.attempts)
    more = judged(pair_of(500, easy), attempts=first.attempts)
    assert (first.verdict.attempt, again.verdict.attempt, more.verdict.attempt) == (1, 1, 2)
    assert again.attempts == first.attempts
    assert len(more.attempts) == 2
    if more.verdict.verdict == "certified":
        assert "This was attempt 2" in more.verdict.explain()


def test_an_attempt_counts_before_it_is_made(judged: Judge) -> None:
    class KilledError(Exception):
        pass

    told: list[tuple[Attempt, ...]] = []

    def killed(attempts: tuple[Attempt, ...]) -> None:
        told.append(attempts)
        raise KilledError

    with pytest.raises(KilledError):
        judged(pair_of(300, easy), before_testing=killed)
    assert len(told[0]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (pair_of(300, lambda i: False), "both differ too much on your prompts (tiny 0.000, big 1.000)"),
        (pair_of(300, lambda i: True), "both differ too little on your prompts: big is no better than tiny"),
        (pair_of(300, lambda i: i % 5 > 0, lambda i: i % 4 > 0), "let tiny answer everything"),
        (pair_of(300, easy, lambda i: False), "big is right on no prompt; look at the answers, the references"),
    ],
)
def test_a_pair_that_is_not_worth_routing_is_told_so(judged: Judge, pair: PairTable, words: str) -> None:
    verdict = judged(pair).verdict
    assert verdict.verdict == "not_worth_it"
    assert words in verdict.headline()
    assert verdict.needed_n is None


def test_a_handful_of_rows_asks_for_more(judged: Judge, tmp_path: Path) -> None:
    verdict = judged(pair_of(29, easy), n=40).verdict
    assert (verdict.verdict, verdict.n, verdict.graded, verdict.needed_n) == ("more_needed", 40, 29, 200)
    assert "29 graded prompts say nothing yet; 30 can train a router, 200 certify a level" in verdict.headline()
    assert (verdict.router, verdict.report, verdict.levels) == (None, None, ())
    assert not (tmp_path / "router").exists()


def test_the_json_has_the_keys_that_are_public() -> None:
    level = LevelFigures(0.95, 0.4, 0.0, True, 6.0)
    verdict = Verdict("certified", "ollama:tiny", "openai:big", 300, 290, 3.25, 0.6, 0.8, 0.95, levels=(level,))
    found = verdict.as_dict()
    assert tuple(found) == KEYS
    assert " ".join(found) == ("n graded spent_usd verdict small_quality large_quality levels needed_n router report")
    assert found["levels"] == [
        {"quality": 0.95, "cost_advantage": 0.4, "both_run": 0.0, "certified": True, "usd_per_1000": 6.0}
    ]


@pytest.mark.slow
def test_the_verdict_fits_a_screen(judged: Judge) -> None:
    lines = judged(pair_of(150, easy), n=160, spent_usd=1.5).verdict.explain().splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 240
    assert "160 prompts, 150 graded for both models; $1.50 spent." in lines


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("ollama:qwen3:4b", "qwen3:4b"),
        ("openai:real-small@http://127.0.0.1:18082/v1", "real-small"),
        ("plain", "plain"),
        ("qwen3:4b", "qwen3:4b"),
    ],
)
def test_people_read_the_name_of_a_model_without_its_kind_and_address(model: str, name: str) -> None:
    assert short_name(model) == name


def looked_pair(n: int) -> PairTable:
    rows = make_answered_rows(n)
    table = QualityTable.from_rows([{key: value for key, value in row.items() if key != "split"} for row in rows])
    return table.pair("small", "large")


@pytest.mark.slow
def test_where_answers_tell_more_than_queries_the_second_look_is_recommended(judged: Judge, tmp_path: Path) -> None:
    verdict = judged(looked_pair(700), question=Question(0.1, checkers=("checker",))).verdict
    assert verdict.second_look
    assert verdict.compared is not None
    assert verdict.compared.second_look > verdict.compared.query
    level = verdict.at(0.9)
    assert level is not None
    assert level.both_run > 0
    assert "second_look=True" in verdict.explain()
    assert "its answers looked at first" in verdict.headline()
    assert Router.load(tmp_path / "router").second_look.checkers == ("checker",)
    assert Verdict.restored(verdict.stored()) == verdict
    assert set(verdict.as_dict()) == set(KEYS)


@pytest.mark.slow
def test_under_200_prompts_the_second_look_is_measured_too(judged: Judge) -> None:
    verdict = judged(looked_pair(150), question=Question(0.1)).verdict
    assert (verdict.verdict, verdict.second_look) == ("measured", True)
    assert verdict.levels[0].both_run > 0


@pytest.mark.slow
def test_where_queries_tell_all_the_query_alone_is_recommended(judged: Judge) -> None:
    pair = pair_of(700, easy)
    verdict = judged(pair).verdict
    assert (verdict.second_look, verdict.compared) == (False, None)
