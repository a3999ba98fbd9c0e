"""``hybrid-llm run``: one command, one verdict, and nothing asked twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm import QualityTable, collect
from hybrid_llm.collect import AskSettings, Examined, ModelName, Reply
from tests.cli.conftest import Result, run

TOPICS = ("sums", "rivers", "proofs", "contracts")
PAIR = ("--small", "ollama:tiny", "--large", "openai:big@http://127.0.0.1:9/v1", "--price", "big=0:1000")


class Arms:
    """Answers in the place of both servers: small knows two topics of four; what was asked is counted."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.stop_after = 10**9

    def client(self, model: ModelName) -> Any:
        arms = self

        class Asks:
            def __init__(self) -> None:
                self.model = model

            async def ask(self, messages: Sequence[Mapping[str, Any]], settings: AskSettings) -> Reply:
                return arms.answer(model, str(messages[-1]["content"]))

            async def close(self) -> None:
                pass

        return Asks()

    def answer(self, model: ModelName, query: str) -> Reply:
        if sum(self.asked.values()) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked[model.name, query] += 1
        number = query.split()[1]
        right = model.name == "big" or any(topic in query for topic in TOPICS[:2])
        return Reply(f"It is {number}." if right else "I do not know.", "stop", (-0.1,), 0.1, 10, 5)


def examined(models: Sequence[tuple[str, ModelName]], *_: object) -> list[Examined]:
    """Every server answers, and nobody asks it."""
    return [Examined(str(model), role, reachable=True) for role, model in models]


@pytest.fixture
def arms(monkeypatch: pytest.MonkeyPatch) -> Arms:
    found = Arms()
    monkeypatch.setattr(collect, "ask_all", partial(collect.ask_all, client=found.client))
    monkeypatch.setattr(collect, "examine", examined)
    return found


def prompts(path: Path, n: int, **fields: Any) -> Path:
    rows = [
        {"query": f"Question {i} about {TOPICS[i % 4]}: which number is it?", "reference": str(i), **fields}
        for i in range(n)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def ask(path: Path, *more: object, grader: str = "contains") -> Result:
    return run("run", path, *PAIR, "--grader", grader, "--yes", "--out", path.parent / "pair", *more)


def test_one_command_goes_from_prompts_to_a_verdict_and_the_same_again_asks_nothing(tmp_path: Path, arms: Arms) -> None:
    path = prompts(tmp_path / "p.jsonl", 60)
    result = ask(path)
    assert result.code == 0, result.err
    assert result.out.startswith("Measured, not certified: expect ")
    assert "60 prompts, 60 graded for both models; $0.3 spent." in result.out.splitlines()
    kept = {path.name for path in (tmp_path / "pair").iterdir() if not path.name.startswith("pair.sqlite-")}
    assert kept == {"pair.sqlite", "run.json", "table.jsonl.gz", "router", "report.html"}
    table = QualityTable.read(tmp_path / "pair" / "table.jsonl.gz")
    assert (len(table), table.models) == (60, ("big", "tiny"))

    found = ask(path, "--json").json
    assert " ".join(found) == ("n graded spent_usd verdict small_quality large_quality levels needed_n router report")
    assert (found["n"], found["graded"], found["verdict"], found["small_quality"]) == (60, 60, "measured", 0.5)
    assert list(found["levels"][0]) == ["quality", "cost_advantage", "both_run", "certified", "usd_per_1000"]
    assert Path(found["report"]).is_file()
    assert (arms.asked.total(), set(arms.asked.values())) == (120, {1})


@pytest.mark.slow
def test_what_was_interrupted_goes_on_with_more_prompts_and_asks_nothing_twice(tmp_path: Path, arms: Arms) -> None:
    path = prompts(tmp_path / "p.jsonl", 40)
    arms.stop_after = 31
    assert ask(path).code == 130
    arms.stop_after = 10**9
    path = prompts(tmp_path / "p.jsonl", 50)
    path.write_text(path.read_text() * 2)  # equal prompts are one
    assert ask(path, "--json").json["n"] == 50
    assert (arms.asked.total(), set(arms.asked.values())) == (100, {1})


def test_a_dry_run_asks_nothing_and_leaves_nothing(tmp_path: Path, arms: Arms) -> None:
    result = ask(prompts(tmp_path / "p.jsonl", 40), "--dry-run")
    assert result.code == 0
    assert "40" in result.err
    assert not arms.asked
    assert not (tmp_path / "pair").exists()


@pytest.mark.parametrize(
    ("content", "grader", "message"),
    [
        ("", "contains", "holds no prompt"),
        ("Why?\n", "contains", "holds one prompt, which says nothing of a pair; 30 train a router"),
        (
            "Why?\nWho?\n",
            "contains",
            "--grader contains compares with a reference, a text, and no prompt has one. Give",
        ),
        ('{"query": "Why?", "reference": "x"}\n{"query": "Who?"}\n', "number", "a number, and "),
        ("Why?\nWho?\n", "guess", "There is no grader 'guess'. There are: exact, contains"),
        ("Why?\nWho?\n", "judge:gpt-4o", "'gpt-4o' does not say who serves it: ollama:gpt-4o, or openai:gpt-4o"),
    ],
)
def test_wrong_input_is_said_before_anything_is_asked(
    tmp_path: Path, arms: Arms, content: str, grader: str, message: str
) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(content)
    result = ask(path, grader=grader)
    assert result.code in (1, 2)
    assert message in result.err
    assert result.err.count("\n") <= 2
    assert not arms.asked
    assert not (tmp_path / "pair").exists()


def test_what_a_judge_will_cost_is_said_before_anything_is_asked(tmp_path: Path, arms: Arms) -> None:
    price = ("--price", "gpt-4o=2.5:10")
    result = ask(prompts(tmp_path / "p.jsonl", 100), *price, "--dry-run", grader="judge:openai:gpt-4o")
    assert result.code == 0
    (line,) = [line for line in result.err.splitlines() if line.startswith("Grading asks the judge")]
    assert "up to 200 questions: about $" in line
    assert 0.2 < float(line.partition("$")[2].split()[0]) < 2
    assert not arms.asked


def test_a_judge_that_is_one_of_the_arms_is_warned_of_before_anything_is_asked(tmp_path: Path, arms: Arms) -> None:
    result = ask(prompts(tmp_path / "p.jsonl", 40), "--dry-run", grader="judge:openai:big@http://127.0.0.1:9/v1")
    assert "is the large model itself; judges favour their own answers" in result.err
    assert not arms.asked


def test_a_level_and_a_confidence_lie_between_0_and_1(tmp_path: Path, arms: Arms) -> None:
    for option in ("--max-drop", "--confidence"):
        result = ask(prompts(tmp_path / "p.jsonl", 40), option, "1")
        assert result.code == 2
        assert "must lie strictly between 0 and 1" in result.err
