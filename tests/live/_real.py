"""The two real language models of the live tests, each on a llama-server: a small one and a larger one."""

from __future__ import annotations

import json
import os
from typing import Any, Final

import httpx
import pytest

REAL: Final = {"real-small": os.environ.get("SPORT", "18082"), "real-large": os.environ.get("BPORT", "18083")}


def base_url(model: str) -> str:
    """Return where a model is asked."""
    return f"http://127.0.0.1:{REAL[model]}/v1"


def skip_without_real_models() -> None:
    """Skip the test where they do not run."""
    for name, port in REAL.items():
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=10, trust_env=False)
        except httpx.HTTPError:
            pytest.skip(f"{name} does not run: servers.sh setup-real, start-real")


class Hears(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Hands each request on, and keeps what was asked and answered."""

    def __init__(self) -> None:
        self._sync, self._async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()
        self.heard: list[tuple[dict[str, Any], str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._sync.handle_request(request)
        return self._keep(request, response, response.read())

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._async.handle_async_request(request)
        return self._keep(request, response, await response.aread())

    def _keep(self, request: httpx.Request, response: httpx.Response, content: bytes) -> httpx.Response:
        self.heard.append((json.loads(request.content), content.decode()))
        return httpx.Response(response.status_code, headers=response.headers, content=content, request=request)

    async def aclose(self) -> None:
        self._sync.close()
        await self._async.aclose()

    @property
    def text(self) -> str:
        """The text of the last answer, whether it was streamed or not."""
        body, answer = self.heard[-1]
        if not body.get("stream"):
            return str(json.loads(answer)["choices"][0]["message"]["content"])
        events = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: {")]
        deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def logprobs(self) -> list[float]:
        """The log-probabilities of the last answer."""
        return [token["logprob"] for token in json.loads(self.heard[-1][1])["choices"][0]["logprobs"]["content"]]

    @property
    def counted(self) -> tuple[int, int]:
        """The tokens that the server counted in all its answers: read, and written."""
        told = []
        for body, answer in self.heard:
            events = answer.splitlines() if body.get("stream") else [f"data: {answer}"]
            said = [json.loads(line[6:]).get("usage") for line in events if line.startswith("data: {")]
            told += [usage for usage in said if usage][-1:]
        return sum(usage["prompt_tokens"] for usage in told), sum(usage["completion_tokens"] for usage in told)
