"""What ``explain`` and ``savings`` print."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hybrid_llm import Router
from hybrid_llm.observe import Journal, Recorded
from hybrid_llm.observe import store as journal_store
from tests.cli.conftest import run
from tests.observe.events import DOWN, FALLBACK, LARGE, SMALL, event_of, hosted, local

QUERY = "Question 0-900 about rivers: what is number 21?"


def test_explain_prints_what_the_router_explains(trained: Path) -> None:
    shown = run("explain", QUERY, "", "--router", trained, "--json")
    assert (shown.code, shown.err) == (0, "")
    router = Router.load(trained)
    assert [one["query"] for one in shown.json] == [QUERY, ""]
    assert shown.json[0]["score"] == router.explain(QUERY).score
    assert {"score", "percentile", "familiarity", "pushes", "levels"} <= shown.json[0].keys()


def test_explain_speaks_to_people_too(trained: Path) -> None:
    shown = run("explain", QUERY, "--router", trained)
    assert f'"{QUERY}"' in shown.out
    assert "higher than" in shown.out
    assert "what pushed the score" in shown.out
    assert "measured" in shown.out


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "traffic.sqlite"
    kept = Journal(path)
    for event in (event_of(SMALL, local()), event_of(LARGE, hosted()), event_of(FALLBACK, DOWN, hosted())):
        kept.finished(event)
    assert kept.flush()
    return path


def test_savings_prints_the_agreed_keys(journal: Path) -> None:
    shown = run("savings", journal, "--json")
    assert (shown.code, shown.err) == (0, "")
    assert (shown.json["requests"], shown.json["by_route"]) == (3, {"small": 1, "large": 2})
    assert shown.json["paid_usd"] == pytest.approx(0.02)
    assert shown.json["always_large_usd"] == [pytest.approx(0.03)] * 3
    assert shown.json["saved_usd"] == pytest.approx(0.01)
    assert (shown.json["both_run"], shown.json["seconds_p50"]) == (0, pytest.approx(1.01))


def test_savings_speaks_to_people_and_writes_a_page(journal: Path, tmp_path: Path) -> None:
    page = tmp_path / "savings.html"
    shown = run("savings", journal, "--out", page)
    assert shown.code == 0
    for part in (
        "3 requests, answered by: small 1",
        "Paid: $0.02",
        "gpt-4o",
        "qwen3:4b",
        "large alone, about",
        str(page),
    ):
        assert part in shown.out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_savings_takes_a_price_and_the_last_days(journal: Path) -> None:
    journal_store.write(
        journal,
        [Recorded(time.time() - 40 * 86_400, event_of(LARGE, hosted()))],
        texts=False,
        lost=0,
        oldest=None,
    )
    assert run("savings", journal, "--json").json["requests"] == 4
    shown = run("savings", journal, "--days", 30, "--price", "gpt-4o=0:1000", "--json")
    assert shown.json["requests"] == 3
    assert shown.json["paid_usd"] == pytest.approx(2 * 20 * 1000 / 1e6)
    assert shown.err == ""


def test_a_price_of_a_model_that_the_journal_does_not_have_is_not_passed_over(journal: Path) -> None:
    shown = run("savings", journal, "--price", "gpt4o=0:1000", "--json")
    assert shown.json["paid_usd"] == pytest.approx(0.02)
    assert shown.err == "note: --price gpt4o counts for nothing: the journal has gpt-4o, qwen3:4b.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nothing.sqlite"], 1, "There is no journal"),
        (["{journal}", "--days", "0"], 2, "--days"),
        (["{journal}", "--price", "gpt-4o"], 2, "NAME=IN:OUT"),
        (["{journal}", "--out", "page.txt"], 1, "must end in .html"),
        ([__file__], 1, "is no journal of hybrid-llm"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line_or_two(
    journal: Path, arguments: list[str], code: int, says: str
) -> None:
    shown = run("savings", *(part.format(journal=journal) for part in arguments))
    assert (shown.code, shown.out) == (code, "")
    assert says in shown.err
    assert len(shown.err.splitlines()) <= 2
