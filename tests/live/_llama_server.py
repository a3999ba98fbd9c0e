"""A llama-server of a test's own, to kill and to stop; and a transport that knows when it is busy."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx


@dataclass
class LlamaServer:
    """One llama-server of the run's own.

    Args:
        home: The folder of the live servers: programs and models.
        model: Which model.
        port: Where it listens.
    """

    home: Path
    model: str
    port: int
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        program, weights = self.home / "llama" / "llama-server", self.home / "models" / f"{self.model}.gguf"
        options = ["-m", weights, "--alias", self.model, "--host", "127.0.0.1", "--port", self.port]
        self._process = subprocess.Popen(
            [*map(str, [program, *options, "-c", 2048, "-n", 128, "-t", 1, "-np", 1, "--jinja"])],
            env={**os.environ, "LD_LIBRARY_PATH": str(self.home / "llama"), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=1, trust_env=False).is_success:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"{self.model} did not start.")

    def kill(self) -> None:
        """Kill it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop it in its own way: it ends what it says."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.kill()


@contextlib.contextmanager
def look_servers(home: Path, ports: tuple[int, int]) -> Iterator[tuple[LlamaServer, LlamaServer]]:
    """Start a small and a large server, and kill them at the end."""
    servers = LlamaServer(home, "tiny-random", ports[0]), LlamaServer(home, "tiny-large", ports[1])
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.kill()


class Busy(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Hands requests on, and knows how many are under way."""

    def __init__(self) -> None:
        self._sync, self._async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()
        self._lock = threading.Lock()
        self.n = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.count(1)
        try:
            response = self._sync.handle_request(request)
        except BaseException:
            self.count(-1)
            raise
        response.stream = _Counted(response.stream, self)
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.count(1)
        try:
            response = await self._async.handle_async_request(request)
        except BaseException:
            self.count(-1)
            raise
        response.stream = _Counted(response.stream, self)
        return response

    def count(self, n: int) -> None:
        """Note that requests have begun, or ended."""
        with self._lock:
            self.n += n

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


class _Counted(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose end is noticed."""

    def __init__(self, stream: Any, busy: Busy) -> None:
        self._stream, self._busy, self._open = stream, busy, True

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    async def __aiter__(self) -> Any:
        async for part in self._stream:
            yield part

    def close(self) -> None:
        self._end()
        self._stream.close()

    async def aclose(self) -> None:
        self._end()
        await self._stream.aclose()

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._busy.count(-1)
