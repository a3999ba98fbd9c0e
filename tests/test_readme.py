"""What the README shows is what runs."""

import re
from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
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
    root = Path(__file__).parent.parent
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (root / target).exists(), target
