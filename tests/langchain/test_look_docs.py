"""The page on the second look: what it shows is what runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hybrid_llm import Router
from langchain_hybrid.testing import FakeChatModel
from tests.langchain._held import message_of
from tests.looks import UNSURE, Said, router_with, untrained

DOCS = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGE = (DOCS / "second_look.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("said", "shown"), [(Said(), "Lima. kept"), (Said(sure=UNSURE), "from gpt-4o escalated")])
def test_its_program_runs(
    said: Said, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = FakeChatModel(model="qwen3:4b", says=lambda _: message_of(said))
    monkeypatch.setattr("langchain_ollama.ChatOllama", lambda model: small)
    monkeypatch.setattr("langchain_openai.ChatOpenAI", lambda model: FakeChatModel(model=model))
    monkeypatch.setattr(Router, "load", lambda path: router_with(untrained()))
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(program, {"__name__": "shown"})
    assert capsys.readouterr().out.strip() == shown


def test_its_program_is_ten_lines_long() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(program.strip().splitlines()) <= 11
