"""``hybrid-llm run`` on two real language models, killed once: each answer is asked for once, and stored as it came."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from hybrid_llm import QualityTable, Router

pytestmark = pytest.mark.live

QUESTIONS: Final = Path(__file__).parent / "plain_questions.jsonl"
REAL: Final = {"real-small": os.environ.get("SPORT", "18082"), "real-large": os.environ.get("BPORT", "18083")}
ASKED_BEFORE_THE_KILL: Final = 25


class Counting(BaseHTTPRequestHandler):
    """Hands each request on to a real server, and keeps what was asked and answered."""

    server: Any

    def do_GET(self) -> None:
        """Hand on a question about the server."""
        self._answer(httpx.get(self.server.target + self.path, timeout=30))

    def do_POST(self) -> None:
        """Hand on a question for the model, and keep it."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        came = httpx.post(
            self.server.target + self.path, content=body, timeout=300, headers={"Content-Type": "application/json"}
        )
        query = json.loads(body)["messages"][-1]["content"]
        self.server.seen.append((query, came.json()["choices"][0]["message"]["content"]))
        self._answer(came)

    def _answer(self, came: httpx.Response) -> None:
        try:
            self.send_response(came.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(came.content)))
            self.end_headers()
            self.wfile.write(came.content)
        except OSError:  # who asked was killed
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def proxies() -> Iterator[dict[str, Any]]:
    """A server before each real one that keeps what passes."""
    found = {}
    for model, port in REAL.items():
        target = f"http://127.0.0.1:{port}"
        try:
            httpx.get(f"{target}/health", timeout=5).raise_for_status()
        except httpx.HTTPError:
            pytest.skip("the real language models do not run: servers.sh setup-real, then start-real")
        server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
        server.target, server.seen = target, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found[model] = server
    yield found
    for server in found.values():
        server.shutdown()
        server.server_close()


def command(proxies: dict[str, Any], out: Path) -> list[str]:
    small, large = (
        f"openai:{model}@http://127.0.0.1:{server.server_address[1]}/v1" for model, server in proxies.items()
    )
    return [
        sys.executable, "-m", "hybrid_llm.cli", "run", str(QUESTIONS), "--small", small, "--large", large,
        "--grader", "contains", "--system", "Answer in a few words.", "--max-tokens", "24",
        "--price", "real-large=2.5:10", "--budget", "1", "--yes", "--json", "--out", str(out),
    ]  # fmt: skip


def test_sixty_prompts_killed_once_are_each_asked_once_and_stored_as_they_were_answered(
    proxies: dict[str, Any], tmp_path: Path
) -> None:
    environment = {**os.environ, "OPENAI_API_KEY": "none"}
    first = subprocess.Popen(command(proxies, tmp_path / "pair"), env=environment, stdout=subprocess.PIPE)
    passed = lambda: sum(len(server.seen) for server in proxies.values())  # noqa: E731
    while passed() < ASKED_BEFORE_THE_KILL:
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.wait()
    in_flight = len(proxies)  # one request at a time for each of these local servers
    done = subprocess.run(command(proxies, tmp_path / "pair"), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    verdict = json.loads(done.stdout)
    assert (verdict["n"], verdict["graded"]) == (60, 60)
    assert verdict["verdict"] in ("measured", "more_needed")
    assert 0 < verdict["spent_usd"] < 1
    questions = {json.loads(line)["query"] for line in QUESTIONS.read_text(encoding="utf-8").splitlines()}
    again = 0
    with sqlite3.connect(tmp_path / "pair" / "pair.sqlite") as database:
        for model, server in proxies.items():
            asked = Counter(query for query, _ in server.seen if query in questions)
            assert asked.keys() == questions
            again += sum(times - 1 for times in asked.values())
            stored = dict(
                database.execute(
                    "SELECT prompts.query, answers.text FROM answers JOIN prompts ON prompts.id = answers.prompt "
                    "WHERE answers.model = ? AND answers.error IS NULL",
                    (model,),
                )
            )
            assert stored.keys() == questions
            answered = {(query, text) for query, text in server.seen}
            assert set(stored.items()) <= answered
    assert again <= in_flight  # only what was under way when it was killed is asked for once more

    table = QualityTable.read(tmp_path / "pair" / "table.jsonl.gz")
    assert len(table) == 60
    logprobs = table.responses[0]["real-small"][0].logprobs
    assert logprobs is not None
    assert len(logprobs) > 0
    if verdict["router"]:
        router = Router.load(tmp_path / "pair" / "router")
        assert router.certificate is None
        assert router.record is not None
        assert router.record.all_rows
