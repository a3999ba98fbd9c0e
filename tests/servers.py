"""Servers that answer as they are told, in this process: what real clients make of it is what an adapter sees."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx


def ollama_lines(*words: str, why: str | None = "stop", **message: Any) -> bytes:
    """Return the lines of an Ollama stream; without the last one when there is no ``why``."""
    lines: list[dict[str, Any]] = [
        {"model": "m", "message": {"role": "assistant", "content": word}, "done": False} for word in words
    ]
    if why:
        last = {"role": "assistant", "content": "", **message}
        lines.append({"model": "m", "message": last, "done": True, "done_reason": why})
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def openai_events(*words: str, why: str | None = "stop") -> bytes:
    """Return the events of an OpenAI stream; without the last one when there is no ``why``."""
    deltas: list[dict[str, Any]] = [{"delta": {"role": "assistant", "content": word}} for word in words]
    if why:
        deltas.append({"delta": {}, "finish_reason": why})
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events = [json.dumps({**head, "choices": [{"index": 0, **delta}]}) for delta in deltas]
    return "".join(f"data: {event}\n\n" for event in [*events, *(["[DONE]"] if why else [])]).encode()


def openai_answer(text: str, why: str = "stop") -> bytes:
    """Return a whole OpenAI answer."""
    choice = {"index": 0, "finish_reason": why, "message": {"role": "assistant", "content": text}}
    return json.dumps(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    ).encode()


class Says(httpx.MockTransport):
    """A transport whose server answers 200 with these bytes, whatever it is asked.

    Args:
        body: The bytes.
        kind: Their content type.
    """

    def __init__(self, body: bytes, kind: str = "application/json") -> None:
        self.body, self.kind = body, kind
        self.asked: list[httpx.Request] = []
        super().__init__(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return httpx.Response(200, headers={"content-type": self.kind}, stream=_Lines(self.body))


class _Lines(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._lines = body.splitlines(keepends=True)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._lines

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for line in self._lines:
            yield line
