"""A server that takes connections and never answers, and what is left of those who called it."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

OURS = ("hybrid-llm-small", "hybrid-llm-wake", "hybrid-llm-closer")


@contextmanager
def silent_server() -> Iterator[Path]:
    """Run one on a Unix socket, which is no network; yield its path."""
    loop = asyncio.new_event_loop()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while await reader.read(65536):
                pass
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "silent"
        server = loop.run_until_complete(asyncio.start_unix_server(never_answer, path))
        thread = threading.Thread(target=loop.run_forever, name="silent-server")
        thread.start()
        try:
            yield path
        finally:
            loop.call_soon_threadsafe(server.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0.01))
            loop.close()
            settled(2)
            # clients that are not closed go now, not in the middle of a later test, which would be blamed for them
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


def to(path: Path) -> httpx.HTTPTransport:
    """Return the way to a server on a Unix socket for an HTTP client."""
    return httpx.HTTPTransport(uds=str(path))


def ato(path: Path) -> httpx.AsyncHTTPTransport:
    """Do what :func:`to` does for an async client."""
    return httpx.AsyncHTTPTransport(uds=str(path))


def threads(*names: str) -> int:
    """Return how many threads of the library run, or of these names."""
    return sum(thread.name in (names or OURS) for thread in threading.enumerate())


def descriptors() -> int:
    """Return how many files and sockets the process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def settled(seconds: float = 5.0) -> int:
    """Wait for the library's threads to end; return how many do not."""
    deadline = time.monotonic() + seconds
    while threads() and time.monotonic() < deadline:
        time.sleep(0.02)
    return threads()
