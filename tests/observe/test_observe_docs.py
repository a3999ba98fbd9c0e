"""What the page on observing shows is what runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hybrid_llm.testing import FixedScorer
from langchain_hybrid.testing import FakeChatModel

DOCS = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGE = (DOCS / "observe.md").read_text(encoding="utf-8")


def test_its_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    arms = {
        "small": FakeChatModel(model="qwen3:4b"),
        "large": FakeChatModel(model="gpt-4o"),
        "router": FixedScorer(0.1),
    }
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    exec(program, arms)
    said = capsys.readouterr().out
    assert "'model': 'gpt-4o'" in said
    assert "1 request, answered by: small 0 (0 %), large 1 (100 %)." in said


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (DOCS / target).exists(), target


def test_it_is_short() -> None:
    assert len(PAGE.splitlines()) < 150
