"""What the README shows is what runs."""

import json
import re
from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.filterwarnings("ignore:The threshold for quality")
def test_the_chat_model_answers(monkeypatch):
    for module, name in (("langchain_ollama", "ChatOllama"), ("langchain_openai", "ChatOpenAI")):
        monkeypatch.setattr(f"{module}.{name}", lambda model: FakeListChatModel(responses=[model]))
    shown: dict = {}
    exec(BLOCKS[0], shown)
    assert shown["llm"].invoke("What is 2 + 2?").text in {"qwen3:4b", "gpt-4o"}


def test_every_link_leads_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def kept(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def test_what_the_second_look_saves_is_what_was_measured():
    (pair,) = (pair for pair in kept("second_look")["pairs"] if pair["name"] == "gemma-2-9b")
    for way in ("second look", "query only"):
        saved = pair["figures"][way]["local at 0.01"]
        low, high = (100 * end for end in saved["ci"])
        assert f"saves {100 * saved['value']:.0f} % [{low:.0f}, {high:.0f}]" in " ".join(README.split())


def test_what_it_says_of_other_routers_is_what_was_measured():
    page = (ROOT / "docs" / "measured" / "peers.md").read_text(encoding="utf-8")
    said = {"shorter query to small": 3, "LiteLLM heuristic": 3, "RouteLLM matrix factorisation": 3}
    for router, behind in {**said, "RouterBench kNN, k = 100": 1}.items():
        (row,) = re.findall(rf"^\| {router} \| (\w+ / \w+ / \w+) \|", page, flags=re.MULTILINE)
        assert row.split(" / ").count("behind") == behind, router
    assert "In APGR clearly better than it: none" in page


def test_it_is_read_in_five_minutes():
    assert len(README.splitlines()) <= 120


def test_the_picture_shows_what_was_measured(tmp_path):
    from benchmarks.overview.run import bars

    (first, *_) = bars(kept("second_look")["pairs"], kept("promise_look_real_data"))
    assert f"{100 * first.saved['look'][0]:.0f} % [33, 61]" in " ".join(README.split())
    assert 0 < first.promised["query"] < first.promised["look"] < 1
