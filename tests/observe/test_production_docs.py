"""What the pages on production and audits show is what runs."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from hybrid_llm import Router
from hybrid_llm.cli.app import app as commands
from hybrid_llm.observe import read_journal
from hybrid_llm.testing import FixedScorer
from langchain_hybrid.testing import FakeChatModel

DOCS = Path(__file__).resolve().parents[2] / "docs" / "guide"
PAGES = {name: (DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("production", "audit")}


def body(query: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": query}]}


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line]


async def asked(app: Any) -> list[Any]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        return [
            (await client.get("/health")).json(),
            *[events(one.text) for one in await asyncio.gather(*(client.post("/chat", json=body(q)) for q in "ab"))],
        ]


def test_the_program_serves_and_keeps_its_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi", reason="needs fastapi: pip install 'hybrid-llm[dev]'")
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", PAGES["production"], flags=re.DOTALL)
    arms = {
        "small": FakeChatModel(model="qwen3:4b"),
        "large": FakeChatModel(model="gpt-4o"),
        "router": Router(FixedScorer({"a": 0.9}, default=0.1)),
    }
    space: dict[str, Any] = {**arms, "__name__": "served"}
    exec(program.replace("quality=0.95", "threshold=0.5"), space)
    ready, first, second = asyncio.run(asked(space["app"]))
    assert ready == {"ready": True}
    assert (first[0]["route"], second[0]["route"]) == ("small", "large")
    assert (first[-1], second[-1]) == ({"done": True}, {"done": True})
    assert space["journal"].flush()
    assert sorted(row.event.query or "" for row in read_journal("traffic.sqlite")) == ["a", "b"]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere_and_it_is_short(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGES[name]):
        assert (DOCS / target).exists(), target
    assert len(PAGES[name].splitlines()) < 150


def test_the_commands_have_the_options_that_the_pages_name() -> None:
    import typer

    audit = typer.main.get_command(commands).commands["audit"]  # type: ignore[attr-defined]
    known = {option for parameter in audit.params for option in parameter.opts}
    for page in PAGES.values():
        for command in re.findall(r"hybrid-llm audit .*(?:\\\n.*)*", page):
            assert set(re.findall(r"(?<!\S)--[a-z-]+", command)) <= known
