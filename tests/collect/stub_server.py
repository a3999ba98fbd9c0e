"""A server on loopback that speaks as Ollama and OpenAI do, answers as it is told, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Says = str | dict[str, Any] | tuple[int, dict[str, Any]]
"""A text, fields that the answer has besides, or a status with a body."""


@dataclass
class Stub:
    """What the server does.

    Args:
        says: What it answers to a text; a text, more fields of the answer, or a status and a body.
        refuses: The models that it does not answer for: {name: status and body}.
        models: What ``/api/tags`` lists: {name: more fields}.
        shown: What ``/api/show`` says of each.
        seconds: How long it takes over an answer.
        asked: The bodies of the requests for an answer, oldest first.
        keys: The ``Authorization`` of each of them.
        at_once: The most requests that it had at a time.
    """

    says: Callable[[str], Says] = lambda text: f"You said: {text}"
    refuses: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=lambda: {"tiny": {}})
    shown: dict[str, Any] = field(default_factory=lambda: {"capabilities": ["completion"], "model_info": {}})
    seconds: float = 0.0
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    at_once: int = 0
    now: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def texts(self) -> list[str]:
        """What was asked, the doctor's question left out."""
        return [text for body in self.asked if "numbers from 1" not in (text := body["messages"][-1]["content"])]

    def ollama(self, name: str = "tiny") -> str:
        """Return the name of a model that this server has, in Ollama's way."""
        return f"ollama:{name}@{self.url}"

    def openai(self, name: str = "big") -> str:
        """Return the name of a model that this server has, in OpenAI's way."""
        return f"openai:{name}@{self.url}/v1"


@contextmanager
def stub_server(**more: Any) -> Iterator[Stub]:
    """Serve until the block ends."""
    stub = Stub(**more)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": stub}))
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for the client to say that it has the headers

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/api/tags":
            listed = [{"name": name, "model": name, "digest": f"sha-{name}", **more} for name, more in self.models()]
            self.reply(200, {"models": listed})
        elif self.path == "/v1/models":
            self.reply(200, {"data": [{"id": "big", "meta": {"n_ctx": 4096}}]})
        else:
            self.reply(404, {"error": "no such page"})

    def models(self) -> list[tuple[str, dict[str, Any]]]:
        return list(self.stub.models.items())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/show":
            self.reply(200, self.stub.shown)
            return
        with self.stub.lock:
            self.stub.asked.append(body)
            self.stub.keys.append(self.headers.get("Authorization"))
            self.stub.now += 1
            self.stub.at_once = max(self.stub.at_once, self.stub.now)
        time.sleep(self.stub.seconds)
        says = self.stub.refuses.get(body["model"]) or self.stub.says(body["messages"][-1]["content"])
        with self.stub.lock:
            self.stub.now -= 1
        if isinstance(says, tuple):
            self.reply(*says)
            return
        more = {"content": says} if isinstance(says, str) else dict(says)
        (self.ollamas if self.path == "/api/chat" else self.openais)(more)

    def ollamas(self, more: dict[str, Any]) -> None:
        message = {"role": "assistant", "content": more.pop("content", ""), "thinking": more.pop("thinking", None)}
        done = {"done": True, "done_reason": "stop", "prompt_eval_count": 10, "eval_count": 5, "load_duration": 10**9}
        self.reply(200, {"model": "tiny", "message": message, **done, **more})

    def openais(self, more: dict[str, Any]) -> None:
        message = {"role": "assistant", "content": more.pop("content", "")}
        logprobs = more.pop("logprobs", None)
        choice = {"index": 0, "finish_reason": more.pop("finish", "stop"), "message": message}
        if logprobs is not None:
            choice["logprobs"] = {"content": logprobs}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "big-2026", "choices": [choice]}
        self.reply(200, {**answer, "usage": usage, **more})

    def reply(self, status: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # whoever asked has left
