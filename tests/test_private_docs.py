"""What the pages on private requests and on decisions show is what runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from hybrid_llm.decision import Reason
from langchain_hybrid.testing import FakeChatModel

DOCS = Path(__file__).resolve().parents[1] / "docs" / "guide"
PAGES = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("private", "decisions")}


def run(page: str) -> None:
    shown: dict[str, Any] = {"__name__": "shown"}
    for block in re.findall(r"```python\n(.*?)```", PAGES[page], flags=re.DOTALL):
        exec(block, shown)


@pytest.mark.filterwarnings("ignore:The threshold for quality:hybrid_llm.errors.HybridLLMWarning")
def test_the_page_on_private_requests_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for module, name in (("langchain_ollama", "ChatOllama"), ("langchain_openai", "ChatOpenAI")):
        monkeypatch.setattr(f"{module}.{name}", lambda model: FakeChatModel(model=model))
    run("private")
    first, second, third = capsys.readouterr().out.splitlines()
    assert (first, second) == ("private", "True")
    assert third.startswith("route='large' cannot be followed")


def test_the_page_on_decisions_runs(capsys: pytest.CaptureFixture[str]) -> None:
    run("decisions")
    assert capsys.readouterr().out.splitlines() == ["rule", "from gpt-4o small"]


def test_every_reason_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGES["decisions"], flags=re.MULTILINE)
    assert sorted(rows) == sorted(["reason", *get_args(Reason)])


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGES[page]):
        assert target.startswith("https://") or (DOCS / target).exists(), target
