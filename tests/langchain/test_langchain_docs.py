"""What the page on LangChain shows is what runs."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from langchain_hybrid.testing import FakeChatModel
from tests.langchain._pair import EVERYTHING

DOCS = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGE = (DOCS / "langchain.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")
@pytest.mark.filterwarnings("ignore:A query is unlike:hybrid_llm.errors.HybridLLMWarning")
@pytest.mark.filterwarnings("ignore:.*is in beta")
def test_its_blocks_run_in_order(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for module, name in (("langchain_ollama", "ChatOllama"), ("langchain_openai", "ChatOpenAI")):
        monkeypatch.setattr(f"{module}.{name}", lambda model: FakeChatModel(model=model, profile=EVERYTHING))
    shown: dict[str, Any] = {"__name__": "shown"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        if "HybridDecisionModel" not in block or find_spec("langchain_core.decisions"):  # from langchain-core 1.8 on
            exec(block, shown)
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"from (qwen3:4b small|gpt-4o large)", first)
    assert last in {"small", "large"}


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (DOCS / target).exists(), target
