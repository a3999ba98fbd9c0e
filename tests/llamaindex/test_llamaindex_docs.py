"""What the page on LlamaIndex shows is what runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.instrumentation import get_dispatcher

from llamaindex_hybrid.testing import FakeLLM

DOCS = Path(__file__).parents[2] / "docs" / "guide"
PAGE = (DOCS / "llamaindex.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:The threshold for quality", "ignore::DeprecationWarning")
async def test_its_blocks_run_in_order(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for module, name in (("ollama", "Ollama"), ("openai_like", "OpenAILike")):
        monkeypatch.setattr(
            f"llama_index.llms.{module}.{name}", lambda model, **_: FakeLLM(model=model, calls_tools=False)
        )
    monkeypatch.setattr(Settings, "_llm", None)
    before = list(get_dispatcher().event_handlers)
    shown: dict[str, Any] = {"__name__": "shown"}
    try:
        for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
            exec(block, shown)
        await shown["main"]()
        (counter,) = [handler for handler in get_dispatcher().event_handlers if handler not in before]
        assert sum(counter.counts.get(model, 0) for model in ("qwen3:4b", "gpt-4o")) == 2
    finally:
        get_dispatcher().event_handlers[:] = before
    out = capsys.readouterr().out
    assert re.match(r"from (qwen3:4b small|gpt-4o large)\n", out)
    assert "(quality 0.99) -> " in out
    assert len(re.findall(r"from \S+ (?:small|large)$", out, re.MULTILINE)) == 3


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert target.startswith("https://") or (DOCS / target).exists(), target
