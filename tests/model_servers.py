"""An Ollama and an OpenAI-compatible server without a network, which remember what they were asked."""

from __future__ import annotations

import json
from typing import Any

import httpx

DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 1}
DETAILS = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


class ModelServer:
    """Answers every request for a chat, a completion or a response with the same text.

    Args:
        text: What it answers.
        asked: The bodies of the requests, oldest first.
    """

    def __init__(self, text: str = "yes") -> None:
        self.text = text
        self.asked: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if request.url.path == "/api/show":
            return httpx.Response(200, json={"model_info": {"llama.context_length": 2048}})
        self.asked.append(body)
        message = {"role": "assistant", "content": self.text}
        if request.url.path == "/api/chat":
            return httpx.Response(200, text=json.dumps({"model": "m", "message": message, **DONE}) + "\n")
        if request.url.path.endswith("/responses"):
            part = {"type": "output_text", "text": self.text, "annotations": []}
            counts = {"usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2, **DETAILS}}
            output = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
            return httpx.Response(
                200, json={"id": "r", "object": "response", "model": "m", "output": [output], **counts}
            )
        choice: dict[str, Any] = {"index": 0, "finish_reason": "stop"}
        if not request.url.path.endswith("/chat/completions"):
            return httpx.Response(200, json={"id": "1", "choices": [{**choice, "text": self.text}], "usage": USAGE})
        if body.get("stream"):
            chunk = {"id": "1", "object": "chat.completion.chunk", "choices": [{**choice, "delta": message}]}
            return httpx.Response(200, text=f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n")
        return httpx.Response(200, json={"id": "1", "choices": [{**choice, "message": message}], "usage": USAGE})

    @property
    def last(self) -> dict[str, Any]:
        """The last request without what every one has, and without what is empty."""
        usual = {"model", "messages", "prompt", "input", "stream", "stream_options"}
        return {key: value for key, value in self.asked[-1].items() if key not in usual and value not in (None, [])}
