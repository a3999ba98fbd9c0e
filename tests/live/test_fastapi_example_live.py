"""The chat server of the examples behind a real uvicorn, on the real servers: 200 streams at a time, in one process."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hybrid_llm.observe import read_journal

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fastapi_chat.py"
EASY, HARD = (
    "What is the capital of France?",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
)


@pytest.fixture(params=["stand-ins", "real servers"])
def served(request: pytest.FixtureRequest, servers: Any, tmp_path: Path) -> Iterator[tuple[str, dict[str, str], Path]]:
    """The address of the server, what its models say, and its journal."""
    pytest.importorskip("uvicorn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    says = {"small": "(an answer of the small stand-in)", "large": "(an answer of the large stand-in)"}
    settings = {"PORT": str(port), "JOURNAL": str(tmp_path / "traffic.sqlite")}
    if request.param == "real servers":
        says = {"small": servers.small_says, "large": servers.large_says}
        settings |= servers.settings
    process = subprocess.Popen([sys.executable, str(EXAMPLE)], env={**os.environ, **settings})
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                assert httpx.get(f"{url}/health", timeout=60).json() == {"ready": True}
                break
            except httpx.ConnectError:
                assert process.poll() is None
                time.sleep(0.1)
        yield url, says, tmp_path / "traffic.sqlite"
    finally:
        process.terminate()
        process.wait(30)


async def asked(client: httpx.AsyncClient, query: str) -> list[dict[str, Any]]:
    body = {"messages": [{"role": "user", "content": query}]}
    async with client.stream("POST", "/chat", json=body) as answer:
        assert answer.status_code == 200
        return [json.loads(line[6:]) async for line in answer.aiter_lines() if line.startswith("data: ")]


async def test_two_hundred_streams_at_a_time(served: tuple[str, dict[str, str], Path]) -> None:
    url, says, journal = served
    # the real ones take a thread each: fewer at a time, and as many in all
    limits = httpx.Limits(max_connections=200 if "stand-in" in says["small"] else 50)
    async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:
        queries = [f"{(EASY, HARD)[number % 2]} ({number // 2})" for number in range(200)]
        found = await asyncio.gather(*(asked(client, query) for query in queries))
    routes = [events[0]["route"] for events in found]
    assert set(routes) == {"small", "large"}
    for route, events in zip(routes, found, strict=True):
        assert "".join(event.get("text", "") for event in events) == says[route]
        assert events[-1] == {"done": True}
    for _ in range(50):
        kept = list(read_journal(journal))
        if len(kept) == 200:
            break
        await asyncio.sleep(0.1)
    assert [row.event.decision.reason for row in kept] == ["score"] * 200
