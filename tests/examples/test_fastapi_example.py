"""The chat server of the examples, in one process: what it streams, and 200 streams at a time."""

from __future__ import annotations

import asyncio
import json
import runpy
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:A query is unlike:hybrid_llm.errors.HybridLLMWarning")
pytest.importorskip("fastapi", reason="needs fastapi: pip install 'hybrid-llm[dev]'")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fastapi_chat.py"
EASY, HARD = (
    "What is the capital of France?",
    "Prove that every group of order 15 is cyclic, and say where the argument fails for order 21.",
)
VARIABLES = ("SMALL_MODEL", "LARGE_MODEL")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the program, with stand-ins."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    monkeypatch.setenv("JOURNAL", str(tmp_path / "traffic.sqlite"))
    return runpy.run_path(str(EXAMPLE))


async def asked(app: Any, query: str) -> tuple[int, list[dict[str, Any]], list[float]]:
    """Return the status, the events and when each came; by ASGI itself, since httpx's transport joins a stream."""
    body = json.dumps({"messages": [{"role": "user", "content": query}]}).encode()
    http = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": "/chat",
        "query_string": b"",
    }
    scope = {**http, "headers": [(b"content-type", b"application/json")], "client": ("here", 1), "server": ("here", 80)}
    sent: list[Any] = [{"type": "http.request", "body": body, "more_body": False}]
    status, events, times = 0, [], []

    async def receive() -> Any:
        return sent.pop() if sent else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        for line in message.get("body", b"").decode().splitlines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
                times.append(time.monotonic())

    await app(scope, receive, send)
    return status, events, times


@pytest.mark.slow
async def test_an_answer_comes_as_it_is_made_and_says_first_who_makes_it(served: dict[str, Any]) -> None:
    for query, route in ((EASY, "small"), (HARD, "large")):
        status, events, times = await asked(served["app"], query)
        assert status == 200
        assert events[0] == {"route": route, "reason": "score", "certified": False}
        assert "".join(one.get("text", "") for one in events) == f"(an answer of the {route} stand-in)"
        assert events[-1] == {"done": True}
        assert times[-1] - times[1] > 0.2  # some thirty pieces, a moment after each other


@pytest.mark.slow
async def test_two_hundred_streams_at_a_time_share_one_process(served: dict[str, Any]) -> None:
    for arm in (served["llm"].small, served["llm"].large):
        arm.responses = [arm.responses[0][18:23]]  # few pieces, since each costs a moment
    queries = [f"{(EASY, HARD)[number % 2]} ({number % 20})" for number in range(200)]
    await asked(served["app"], EASY)
    start = time.monotonic()
    found = await asyncio.gather(*(asked(served["app"], query) for query in queries))
    seconds = time.monotonic() - start
    assert {(status, len(events) > 5, events[-1].get("done")) for status, events, _ in found} == {(200, True, True)}
    for _, events, _ in found:
        text = "".join(one.get("text", "") for one in events)
        assert text == events[0]["route"]
    assert {events[0]["route"] for _, events, _ in found} == {"small", "large"}
    alone = sum(times[-1] - times[0] for _, _, times in found)
    assert alone > 3 * seconds  # they were streamed beside each other
    assert served["journal"].flush()


async def test_when_both_models_are_down_the_status_says_so(served: dict[str, Any]) -> None:
    def down(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionRefusedError("down")

    for arm in (served["llm"].small, served["llm"].large):
        object.__setattr__(arm, "_astream", down)
    with pytest.raises(ConnectionRefusedError):  # FastAPI makes a 500 of it
        await asked(served["app"], EASY)
