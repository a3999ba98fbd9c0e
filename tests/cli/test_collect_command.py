"""``hybrid-llm doctor`` and ``hybrid-llm collect``, against a server on loopback."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from hybrid_llm.cli import main
from hybrid_llm.collect import PairFolder
from tests.cli.conftest import Terminal, run
from tests.collect.stub_server import Stub, stub_server

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PRICE = ("--price", "big=1000:1000", "--max-tokens", "10")


@pytest.fixture(autouse=True)
def _no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stub():
    with stub_server() as served:
        yield served


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    file = tmp_path / "prompts.txt"
    file.write_text("".join(f"What is {n} plus {n}?\n" for n in range(6)))
    return file


@pytest.fixture
def collect(stub: Stub, prompts: Path, tmp_path: Path):
    def call(*more: object, small: str | None = None, large: str | None = None, file: Path = prompts):
        pair = ("--small", small or stub.ollama(), "--large", large or stub.openai())
        return run("collect", file, *pair, "--out", tmp_path / "pair", *more)

    return call


# collect


def test_both_models_are_asked_and_every_answer_is_kept(collect, stub: Stub, tmp_path: Path) -> None:
    result = collect("--json", "--system", "Be brief.")
    assert result.code == 0
    assert result.json == {"prompts": 6, "answered": {"tiny": 6, "big": 6}, "errors": {}, "spent_usd": 0.0}
    assert "Answers that came: tiny 6, big 6." in result.err
    assert len(stub.texts) == 12
    settings = json.loads((tmp_path / "pair" / "run.json").read_text())["settings"]
    assert settings == {"system": "Be brief.", "temperature": 0.0, "max_tokens": 1024, "think": None}


def test_the_same_command_again_asks_nothing(collect, stub: Stub) -> None:
    collect()
    asked = len(stub.asked)
    result = collect()
    assert (result.code, len(stub.asked)) == (0, asked)
    assert "Everything is answered; nothing is asked." in result.err


def test_a_dry_run_says_what_it_costs_and_does_nothing(collect, stub: Stub, tmp_path: Path) -> None:
    result = collect("--dry-run", *PRICE)
    assert result.code == 0
    assert "costs about" in result.err
    assert stub.asked == []
    assert not (tmp_path / "pair").exists()


def test_nothing_is_spent_without_a_yes(collect, stub: Stub) -> None:
    result = collect(*PRICE)
    assert result.code == 2
    assert "add --yes to spend it" in result.err
    assert stub.asked == []


def test_the_budget_is_a_hard_stop_and_a_larger_one_goes_on(collect, stub: Stub) -> None:
    result = collect(*PRICE, "--yes", "--json", "--budget", "0.1")
    assert result.code == 0
    assert 0 < result.json["spent_usd"] <= 0.1
    assert 0 < result.json["answered"]["big"] < 6
    assert "the same command with a larger --budget goes on" in result.err
    result = collect(*PRICE, "--yes", "--json", "--budget", "5")
    assert result.json["answered"]["big"] == 6
    assert len(stub.texts) == 12
    assert result.json["spent_usd"] == pytest.approx(0.015 * 8)  # with the doctor's question, twice


def test_a_budget_of_nothing_is_told_before_anything_is_asked(collect, stub: Stub) -> None:
    result = collect(*PRICE, "--yes", "--budget", "0")
    assert result.code == 1
    assert "A budget of $0 buys nothing" in result.err
    assert stub.asked == []


def test_errors_are_told_and_the_same_command_asks_only_for_those(collect, stub: Stub) -> None:
    stub.says = lambda text: (400, {"error": {"message": "no sums with 3"}}) if "3" in text else "Fine"
    result = collect("--json")
    assert result.code == 0
    assert result.json["answered"] == {"tiny": 5, "big": 5}
    assert "1 of big failed" in result.err
    assert "The same command asks for what is missing, and for nothing else." in result.err
    stub.says = lambda text: "Fine"
    stub.asked.clear()
    assert collect("--json").json["errors"] == {}
    assert stub.texts == ["What is 3 plus 3?"] * 2


def test_a_server_that_breaks_is_given_up_on(collect, stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybrid_llm.collect.clients.TRIES", 1)
    stub.says = lambda text: (400, {"error": "broken"}) if "plus" in text else "1"
    result = collect()
    assert result.code == 1
    assert "tiny was given up on" in result.err
    assert len(stub.texts) == 10  # five of each


def test_a_checker_and_samples_are_collected_too(collect, stub: Stub) -> None:
    stub.models = {"tiny": {}, "third": {}}
    result = collect("--json", "--samples", "2", "--checker", stub.ollama("third"))
    assert result.json["answered"] == {"tiny": 12, "big": 12, "third": 12}
    assert stub.asked[-1].get("temperature", stub.asked[-1].get("options", {}).get("temperature")) == 0.7


@pytest.mark.slow
def test_a_local_model_gets_one_request_at_a_time_unless_asked(collect, stub: Stub) -> None:
    stub.seconds = 0.02
    collect()
    assert stub.at_once <= 2  # one for each model
    collect("--parallel", "3", "--force", "--temperature", "1")
    assert stub.at_once > 2


def test_what_the_doctor_says_is_told(collect) -> None:
    assert "no log-probabilities: Ollama 0.12.11 or later" in collect().err


def test_a_model_that_is_not_pulled_stops_before_anything_is_collected(collect, stub: Stub) -> None:
    stub.models = {}
    result = collect()
    assert result.code == 1
    assert "model not pulled: ollama pull tiny" in result.err
    assert stub.texts == []


def test_prompts_that_a_model_cuts_are_told(collect, stub: Stub, tmp_path: Path) -> None:
    long = tmp_path / "long.txt"
    long.write_text("word " * 5000 + "\nshort\n")
    assert "1 prompts look longer than" in collect(file=long).err


def test_a_chat_is_sent_whole(collect, stub: Stub, tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    chat.append({"role": "user", "content": "What is the capital of Peru?"})
    file = tmp_path / "chat.jsonl"
    file.write_text(json.dumps({"messages": chat, "reference": "Lima"}) + "\n")
    assert collect(file=file).code == 0
    assert [body["messages"] for body in stub.asked if len(body["messages"]) > 1] == [chat, chat]


def test_settings_that_changed_are_told_and_need_force(collect, stub: Stub) -> None:
    collect()
    result = collect("--max-tokens", "5")
    assert result.code == 1
    assert "was asked with max_tokens=1024 (now 5); add --force" in result.err
    assert collect("--max-tokens", "5", "--force").code == 0
    assert len(stub.texts) == 24


@pytest.mark.slow
def test_a_folder_that_somebody_works_in_is_left_alone(collect, stub: Stub, tmp_path: Path) -> None:
    with PairFolder(tmp_path / "pair"):
        result = collect()
    assert result.code == 1
    assert "Another process works in" in result.err
    assert stub.asked == []


def test_an_interruption_says_what_is_kept(
    stub: Stub, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(text: str) -> str:
        if "4" in text:
            raise_soon.append(text)
        return "Fine"

    raise_soon: list[str] = []
    stub.says = says

    def show(self, *args: object, **more: object) -> None:
        if raise_soon:
            raise KeyboardInterrupt

    monkeypatch.setattr("rich.progress.Progress.update", show)
    with redirect_stderr(Terminal()) as shown:
        code = main(
            ["collect", str(prompts), "--small", stub.ollama(), "--large", stub.openai(), "--out", str(tmp_path / "p")]
        )
    assert code == 130
    with PairFolder(tmp_path / "p") as folder:
        kept = len(folder.answered(folder.setup()))
    assert f"Stopped. {kept} answers are kept; the same command goes on." in shown.getvalue()


def test_on_a_terminal_rate_dollars_and_time_left_are_shown(
    stub: Stub, prompts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr("rich.progress.Progress.update", lambda self, task, **now: shown.append(now["description"]))
    arguments = ["--small", stub.ollama(), "--large", stub.openai(), "--out", str(tmp_path / "p"), *PRICE, "--yes"]
    with redirect_stderr(Terminal()):
        assert main(["collect", str(prompts), *arguments]) == 0
    assert len(shown) == 12
    assert re.fullmatch(r"[\d.]+/s, \$0\.1, 0:00 left", shown[-1]), shown[-1]


def test_the_key_is_neither_stored_nor_shown(
    collect, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    result = collect()
    assert "Bearer sk-secret" in stub.keys
    stored = b"".join(file.read_bytes() for file in (tmp_path / "pair").iterdir())
    assert b"sk-secret" not in stored
    assert "sk-secret" not in result.out + result.err


def test_the_database_can_be_read_with_any_sqlite(collect, tmp_path: Path) -> None:
    collect()
    with sqlite3.connect(tmp_path / "pair" / "pair.sqlite") as database:
        rows = database.execute("SELECT model, count(*) FROM answers GROUP BY 1 ORDER BY 1").fetchall()
    database.close()
    assert rows == [("big", 6), ("tiny", 6)]


# wrong input


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ({"small": "qwen3:4b"}, 2, "'qwen3:4b' does not say who serves it: ollama:qwen3:4b, or openai:qwen3:4b."),
        ({"large": "openai:x@localhost:99"}, 2, "'localhost:99' is no base URL"),
        ({"large": "ollama:tiny"}, 2, "Two of the models are called 'tiny'"),
        ({"large": "openai:gpt-4o"}, 1, "openai:gpt-4o needs a key, and OPENAI_API_KEY is not set."),
        ({"large": "openai:gpt-99"}, 1, "add --price gpt-99=IN:OUT"),
    ],
)
def test_a_model_that_cannot_be_asked_is_told(collect, stub: Stub, options, code: int, said: str) -> None:
    result = collect("--yes", **options)
    assert (result.code, said in result.err) == (code, True), result.err
    assert stub.asked == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--price", "big=cheap"), "must be NAME=IN:OUT"),
        (("--think", "maybe"), "--think 'maybe' must be on or off"),
        (("--temperature", "9"), "temperature=9.0 must lie between 0 and 2"),
        (("--samples", "3", "--temperature", "0"), "3 samples at --temperature 0 are the same answer"),
        (("--budget", "-1"), "--budget -1.0 must be a number of dollars"),
        (("--samples", "0"), "--samples"),
        (("--parallel", "0"), "--parallel"),
    ],
)
def test_an_option_that_makes_no_sense_is_wrong_usage(collect, stub: Stub, options: tuple[str, ...], said: str) -> None:
    result = collect(*options)
    assert (result.code, said in result.err) == (2, True), result.err
    assert stub.asked == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds no prompt"),
        ('{"question": "2+2?"}\n', "field 'query' is missing"),
        ('{"query": "One?", "split": "train"}\n{"query": "Two?"}\n', "give every row a split, or none"),
    ],
)
def test_prompts_that_are_none_are_told(collect, stub: Stub, tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "wrong.jsonl"
    file.write_text(content)
    result = collect(file=file)
    assert (result.code, said in result.err) == (1, True), result.err
    assert stub.asked == []


def test_a_key_that_is_refused_is_said_once_before_anything_is_collected(
    collect, stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    stub.refuses = {"big": (401, {"error": {"message": "Incorrect API key"}})}
    result = collect()
    assert result.code == 1
    assert result.err.count("refuses the key") == 1
    assert stub.texts == []


def test_one_prompt_is_enough_to_collect(collect, tmp_path: Path) -> None:
    file = tmp_path / "one.txt"
    file.write_text("Why?\n")
    assert collect("--json", file=file).json["answered"] == {"tiny": 1, "big": 1}


# doctor


def test_the_doctor_says_what_each_model_can_do(stub: Stub, tmp_path: Path) -> None:
    found = tmp_path / "caps.json"
    result = run("doctor", "--small", stub.ollama(), "--large", stub.openai(), "--out", found)
    assert result.code == 0
    for line in ("answers", "local", "log-probabilities", "price", "no log-probabilities: Ollama 0.12.11 or later"):
        assert line in result.out
    assert [one["role"] for one in json.loads(found.read_text())] == ["small", "large"]
    assert len(stub.asked) == 2


def test_the_doctor_speaks_json_and_fails_where_a_model_does_not_answer(stub: Stub) -> None:
    result = run("doctor", "--small", stub.ollama("gone"), "--large", stub.openai(), "--json")
    assert result.code == 1
    small, large = result.json
    assert (small["pulled"], small["advice"]) == (False, ["model not pulled: ollama pull gone"])
    assert large["reachable"]


def test_a_place_where_nothing_can_be_kept_is_told_before_the_doctor_asks(stub: Stub, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere" / "found.json"):
        result = run("doctor", "--small", stub.ollama(), "--large", stub.openai(), "--out", place)
        assert (result.code, "must be a file in a folder that is there" in result.err) == (2, True)
    assert stub.asked == []


def test_the_doctor_needs_names_that_say_who_serves_a_model(stub: Stub) -> None:
    assert run("doctor", "--small", "qwen3", "--large", stub.openai()).code == 2
