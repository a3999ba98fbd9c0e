"""The second look on the command line: trained with a router, or measured without grades."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hybrid_llm import Router
from hybrid_llm.collect import AskSettings, ModelName, Reply, quick
from tests.answered_table import make_answered_rows
from tests.cli.conftest import PAIR, run, write_rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("answered") / "rows.jsonl", make_answered_rows(300))


@pytest.fixture(scope="module")
def looking(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("looking") / "router"
    shown = run("train", rows, *PAIR, "--second-look", "--checker", "checker", "--out", out, "--json")
    assert shown.json["second_look"] == {
        "sees": ["query", "logprobs", "agreement:checker"],
        "checkers": ["checker"],
        "rows": 150,
    }
    return out


@pytest.mark.slow
def test_train_says_what_the_second_look_saves(rows: Path, tmp_path: Path) -> None:
    shown = run("train", rows, *PAIR, "--second-look", "--out", tmp_path / "r")
    assert (shown.code, shown.err) == (0, "")
    assert "With a second look (logprobs), measured on 100 answers" in shown.out
    assert "both run" in shown.out


def test_a_checker_belongs_to_the_second_look(rows: Path, tmp_path: Path) -> None:
    shown = run("train", rows, *PAIR, "--checker", "checker", "--out", tmp_path / "r")
    assert shown.code == 2
    assert "--checker belongs to --second-look" in shown.err


@pytest.mark.slow
def test_evaluate_adds_the_whole_path(rows: Path, looking: Path) -> None:
    shown = run("evaluate", rows, *PAIR, "--router", looking, "--split", "test", "--bootstrap", "20", "--json").json
    look = shown["look"]
    assert {"apgr", "auc", "cost_advantage_at_drop", "both_run_at_drop", "ci"} <= look.keys()
    assert look["both_run_at_drop"].keys() == look["cost_advantage_at_drop"].keys()
    assert look["apgr"] > shown["apgr"]
    shown = run("evaluate", rows, *PAIR, "--router", looking, "--split", "test", "--bootstrap", "0")
    assert "the whole path" in shown.out


def test_certify_proves_the_whole_path_too(rows: Path, looking: Path, tmp_path: Path) -> None:
    shown = run(
        "certify", rows, *PAIR, "--router", looking, "--split", "test", "--max-drop", "0.3", "--out", tmp_path / "r",
        "--json",
    ).json  # fmt: skip
    assert shown["look"]["provenance"]["look_id"] == Router.load(tmp_path / "r").second_look.id


def test_calibrate_measures_the_look_again(rows: Path, looking: Path, tmp_path: Path) -> None:
    shown = run("calibrate", rows, *PAIR, "--router", looking, "--split", "test", "--out", tmp_path / "r")
    assert "With a second look" in shown.out
    look = Router.load(tmp_path / "r").second_look
    assert look.paths[look.columns].calibration.n == 50


class LocalModel:
    """Answers in the place of a local server."""

    def __init__(self, model: ModelName) -> None:
        self.model = model

    async def ask(self, messages: Sequence[Mapping[str, Any]], settings: AskSettings) -> Reply:
        number = int(str(messages[-1]["content"]).split()[1])
        if number % 10 == 9:
            raise ConnectionError("down")
        text = "7" if self.model.name == "tiny" or number % 2 else "8"
        return Reply(text, "stop", (-number / 50,), 0.1, 5, 1)

    async def close(self) -> None:
        pass


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(quick.ask_each, "__kwdefaults__", {**quick.ask_each.__kwdefaults__, "client": LocalModel})
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(f"Number {number} is what?" for number in range(60)))
    return file


def test_levels_without_grades_ask_the_local_model_alone(prompts: Path, tmp_path: Path) -> None:
    shown = run(
        "calibrate", "--unlabelled", prompts, "--small", "ollama:tiny", "--checker", "ollama:other", "--out",
        tmp_path / "r", "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    assert shown.json["n"] == 54
    assert set(shown.json["looks"]) == {"logprobs", "agreement"}
    router = Router.load(tmp_path / "r")
    assert router.look("logprobs").bound.small == "tiny"
    assert json.loads(router.look("logprobs").bound.settings["asked with"])["temperature"] == 0.0
    assert router.second_look is None


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--small", "openai:gpt-4o"), 2, "is not local"),
        (("--small", "tiny"), 2, "ollama:tiny"),
        (("--small", "ollama:tiny", "--large", "openai:big"), 2, "takes no DATA and no --large"),
        (("--small", "ollama:tiny", "--checker", "ollama:tiny"), 1, "small model itself"),
        (("--small", "ollama:tiny", "--parallel", "0"), 2, "--parallel"),
    ],
)
def test_what_makes_no_sense_is_said(prompts: Path, tmp_path: Path, arguments: tuple, code: int, says: str) -> None:
    shown = run("calibrate", "--unlabelled", prompts, *arguments, "--out", tmp_path / "r")
    assert (shown.code, says in shown.err) == (code, True), shown.err


def test_without_tables_and_prompts_calibrate_says_what_it_takes(tmp_path: Path) -> None:
    shown = run("calibrate", "--small", "tiny", "--out", tmp_path / "r")
    assert shown.code == 2
    assert "--unlabelled PROMPTS" in shown.err


def test_options_of_unlabelled_are_not_silently_left_out(rows: Path, tmp_path: Path) -> None:
    shown = run("calibrate", rows, *PAIR, "--checker", "checker", "--out", tmp_path / "r")
    assert shown.code == 2
    assert "--unlabelled asks" in shown.err


def test_a_checker_that_is_small_is_refused_before_anything_is_fitted(tmp_path: Path) -> None:
    shown = run("train", tmp_path / "no.jsonl", *PAIR, "--second-look", "--checker", "small", "--out", tmp_path / "r")
    assert "small model itself" in shown.err
