"""A proxy in front of a small server that breaks what it passes on, each request in a way drawn by lot."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

WAYS: Final[Mapping[str, int]] = {
    "pass": 6,
    "cut": 2,
    "break": 2,
    "stall": 1,
    "stall later": 1,
    "close": 1,
    "html": 1,
    "half json": 1,
    "other json": 1,
    "empty": 1,
    "error": 1,
}
"""What becomes of a request, and how often beside the others.

``cut`` ends the answer as if it were whole, after some of its lines; ``break`` closes the connection there; ``stall``
says nothing for ever, ``stall later`` after some lines; ``close`` closes at once; the next four answer 200 with that;
``error`` answers 503.
"""
_BODIES: Final = {
    "html": (b"200 OK", b"text/html", b"<html><body>Welcome to the network</body></html>"),
    "half json": (b"200 OK", b"application/json", b'{"model": "tiny-small", "message": {"role": "assi'),
    "other json": (b"200 OK", b"application/json", b'{"ok": true}\n'),
    "empty": (b"200 OK", b"application/x-ndjson", b""),
    "error": (b"503 Service Unavailable", b"text/plain", b"overloaded"),
}


class Proxy:
    """Listens on a port of its own.

    Args:
        port: Of the server behind it, on this machine.
        seed: Of the lot.

    Attributes:
        port: Its own, once it runs.
        done: How many requests went which way.
    """

    def __init__(self, port: int, seed: int = 0) -> None:
        self.behind = port
        self.port = 0
        self.done: Counter[str] = Counter()
        self.calm = False
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._busy: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Proxy]:
        """Run it in a thread of its own."""
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        thread.start()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            server.close()
            self._loop.run_until_complete(self._stop())
            self._loop.close()

    async def _stop(self) -> None:
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            with contextlib.suppress(OSError, EOFError):
                await self._answer(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._busy.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close: the next one has a lot of its own."""
        head, body = await _message(reader)
        chats = b"/api/chat" in head.split(b"\r\n", 1)[0]
        way = self._random.choices([*WAYS], [*WAYS.values()])[0] if chats and not self.calm else "pass"
        if chats:
            self.done[way] += 1
        if way == "close":
            return
        if way == "stall":
            await reader.read()  # until the client has enough
            return
        if way in _BODIES:
            status, kind, said = _BODIES[way]
            writer.write(b"HTTP/1.1 %b\r\nContent-Type: %b\r\nConnection: close\r\n" % (status, kind))
            writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(said), said))
            await writer.drain()
            return
        await self._pass_on(head, body, reader, writer, way)

    async def _pass_on(
        self, head: bytes, body: bytes, client: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str
    ) -> None:
        """Pass a request on, and its answer as far as the way of breaking lets it."""
        answers, asks = await asyncio.open_connection("127.0.0.1", self.behind)
        try:
            lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
            asks.write(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]) + b"\r\n\r\n" + body)
            answer = await answers.readuntil(b"\r\n\r\n")
            fields = [line for line in answer[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
            streamed = b"chunked" in answer.lower()
            writer.write(b"\r\n".join([*fields, b"Connection: close"]) + b"\r\n\r\n")
            left = self._random.randint(0, 4) if way in ("cut", "break", "stall later") else -1
            while True:
                piece = await (_chunk(answers) if streamed else answers.read(65536))
                if left == 0 or not piece:
                    break
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if streamed else piece[: 20 if left > 0 else None])
                await writer.drain()
                left = left - 1 if streamed else 0 if left > 0 else left
            if way == "stall later" and piece:
                await client.read()
            elif streamed and not (way == "break" and piece):
                writer.write(b"0\r\n\r\n")
                await writer.drain()
        finally:
            asks.close()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Return the head and the body of a request."""
    head = (await reader.readuntil(b"\r\n\r\n"))[:-4]
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    return head, await reader.readexactly(int(fields.get(b"content-length", b"0")))


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    """Return the next chunk of a chunked body; nothing at its end."""
    line = await reader.readline()
    if not line:
        raise EOFError("the server behind was killed")
    size = int(line.split(b";")[0], 16)
    data = await reader.readexactly(size + 2)
    return data[:-2]
