"""What the README shows is what runs."""

import re
from pathlib import Path

import pytest
from langchain_core.language_models import FakeListChatModel

from hybrid_llm import HybridLLMWarning

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def test_the_first_example_sends_an_easy_question_to_small(capsys):
    exec(BLOCKS[0], {})
    assert capsys.readouterr().out.startswith("small 0.")


@pytest.mark.filterwarnings("ignore:The threshold for quality")
def test_the_chain_answers(monkeypatch):
    for module, name in (("langchain_ollama", "ChatOllama"), ("langchain_openai", "ChatOpenAI")):
        monkeypatch.setattr(f"{module}.{name}", lambda model: FakeListChatModel(responses=[model]))
    shown: dict = {}
    exec(BLOCKS[1], shown)
    assert shown["chain"].invoke({"question": "What is 2 + 2?"}) in {"qwen3:4b", "gpt-4o"}


def test_the_query_engine_selects():
    from llama_index.core import SummaryIndex
    from llama_index.core.llms import MockLLM

    index = SummaryIndex([])
    small = large = MockLLM()
    shown = {"index": index, "small": small, "large": large}
    with pytest.warns(HybridLLMWarning, match="not certified"):
        exec(BLOCKS[2], shown)
    result = shown["selector"].select([tool.metadata for tool in shown["tools"]], "What is 2 + 2?")
    assert result.selections[0].decision["route"] in {"small", "large"}


def test_every_link_leads_somewhere():
    root = Path(__file__).parent.parent
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (root / target).exists(), target
