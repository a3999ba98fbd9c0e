"""Calls that were given up on and still run in their threads: their connections are closed, and they are counted.

Nothing in Python ends a thread that waits for a server. What can be done is to shut the socket that it waits at down:
then its client finds the connection lost, and the thread comes to its end. Where there is none to be found (a client
that is not written in Python, a function that waits for something else) the thread stays, so there is a limit.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress
from typing import Final

MOST: Final = 8
"""Calls that may be left behind at a time before an arm is called no more."""
_FIRST: Final = 0.05
_LAST: Final = 1.0
"""Seconds between two tries to end them, the first and the longest."""


class LeftBehind:
    """The threads of one arm that were given up on; safe to use from many threads.

    Args:
        most: How many may run at a time before :attr:`full` says so, >= 1.

    Example:
        >>> LeftBehind().full
        False
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._pause = _FIRST

    @property
    def full(self) -> bool:
        """Whether so many still run that no more may follow."""
        return len(self._threads) >= self.most and len(self._running()) >= self.most

    def add(self, thread: threading.Thread) -> None:
        """Note a thread that was given up on, and close what it waits at: now, and as long as it runs.

        A thread may not have come to its connection yet, and a client that tries again has a new one.
        """
        with self._lock:
            self._threads.append(thread)
            self._pause = _FIRST
            starts, self._closing = not self._closing, True
        hang_up(thread)
        if starts:
            threading.Thread(target=self._close, daemon=True, name="hybrid-llm-closer").start()

    def _close(self) -> None:
        """Hang up on all of them, again and again, until none runs."""
        while True:
            with self._lock:
                pause, self._pause = self._pause, min(2 * self._pause, _LAST)
            time.sleep(pause)
            running = self._running()
            with self._lock:
                if not self._threads:
                    self._closing = False
                    return
            for thread in running:
                hang_up(thread)

    def _running(self) -> list[threading.Thread]:
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            return list(self._threads)


def hang_up(thread: threading.Thread) -> bool:
    """Shut down the connection that a thread waits at; return whether there was one.

    A connection that many requests share (HTTP/2) is left alone.
    """
    waits_at = _socket_of(thread)
    if waits_at is None:
        return False
    with suppress(OSError):  # it was closed in this very moment
        socket.socket.shutdown(waits_at, socket.SHUT_RDWR)  # not TLS's own, which says goodbye first
    return True


def _socket_of(thread: threading.Thread) -> socket.socket | None:
    """Return the socket of the innermost function of a thread that has one, by what Python's HTTP clients call it."""
    frame = sys._current_frames().get(thread.ident or 0)
    found: socket.socket | None = None
    while frame is not None:
        holder = frame.f_locals.get("self")
        if "HTTP2" in type(holder).__name__:
            return None
        for held in (holder, getattr(holder, "_sock", None), frame.f_locals.get("sock")):
            if found is None and isinstance(held, socket.socket):
                found = held
        frame = frame.f_back
    return found
