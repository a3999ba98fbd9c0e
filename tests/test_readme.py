"""What the README shows is what runs."""

import json
import re
from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_first_example_sends_an_easy_question_to_small(capsys):
    exec(BLOCKS[0], {})
    assert capsys.readouterr().out.startswith("small 0.")


@pytest.mark.filterwarnings("ignore:The threshold for quality")
def test_the_chat_model_answers(monkeypatch):
    for module, name in (("langchain_ollama", "ChatOllama"), ("langchain_openai", "ChatOpenAI")):
        monkeypatch.setattr(f"{module}.{name}", lambda model: FakeListChatModel(responses=[model]))
    shown: dict = {}
    exec(BLOCKS[1], shown)
    assert shown["llm"].invoke("What is 2 + 2?").text in {"qwen3:4b", "gpt-4o"}


@pytest.mark.filterwarnings("ignore:The threshold for quality")
def test_the_query_engine_answers(monkeypatch):
    from llama_index.core import Settings, SummaryIndex
    from llama_index.core.llms import MockLLM

    for module, name in (("llama_index.llms.ollama", "Ollama"), ("llama_index.llms.openai_like", "OpenAILike")):
        monkeypatch.setattr(f"{module}.{name}", lambda **options: MockLLM())
    monkeypatch.setattr(Settings, "_llm", None)
    shown = {"index": SummaryIndex([]), "url": "https://host/v1"}
    exec(BLOCKS[2], shown)
    decision = shown["small"].complete("Who?")
    assert decision.text == "Who?"
    assert Settings.llm.small is shown["small"]


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def kept(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("pair", ["mmlu", "zeroeval, gemma-2-9b", "mmlu_pro, Llama-3.1-8B"])
def test_the_table_of_savings_is_what_was_measured(pair):
    (figures,) = (one["figures"] for one in kept("paper_figures")["pairs"]["each"] if one["name"] == pair)
    shares, ci = figures["cost_advantage_at_drop"], figures["ci"]
    cells = []
    for drop in ("0.01", "0.05"):
        low, high = (100 * end for end in ci["cost_advantage_at_drop"][drop])
        cells.append(f"{100 * shares[drop]:.0f} % [{low:.0f}, {high:.0f}]")
    low, high = ci["apgr"]
    cells.append(f"{figures['apgr']:.3f} [{low:.3f}, {high:.3f}]")
    assert f"| {' | '.join(cells)} |" in README


def test_what_the_second_look_saves_is_what_was_measured():
    (pair,) = (pair for pair in kept("second_look")["pairs"] if pair["name"] == "gemma-2-9b")
    for way in ("second look", "query only"):
        saved = pair["figures"][way]["local at 0.01"]
        low, high = (100 * end for end in saved["ci"])
        assert f"saves {100 * saved['value']:.0f} % [{low:.0f}, {high:.0f}]" in " ".join(README.split())


def test_the_claim_about_broken_promises_is_what_was_measured():
    broken = max(cell["ours"]["broken"] for cell in kept("promise_real_data") if cell["way"] == "draws")
    assert f"at most {100 * broken:.1f} % of 500 trials" in README
