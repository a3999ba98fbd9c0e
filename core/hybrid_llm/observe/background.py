"""Work on what requests leave behind, in a thread, so that no request waits for a disk or for a library."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MOST: Final = 10_000
"""Items that wait at most; the oldest are lost first."""
_MOMENT: Final = 0.2
"""Seconds in which items gather, to be worked on together."""
_RETRY: Final = 5.0
"""Seconds after which work that failed is tried again."""
_IDLE: Final = 10.0
"""Seconds without an item after which the thread ends; the next item starts another."""


class Background(Generic[T]):
    """Gathers items and has them worked on a moment later; what still waits when the program ends is done then.

    Args:
        work: Is given items, and how many were lost before them; returns False to get them again later.
        name: Of the thread.

    Example:
        >>> done = []
        >>> background = Background(lambda items, lost: not done.extend(items), "doctest")
        >>> background.put(1)
        >>> background.flush(), done
        (True, [1])
    """

    def __init__(self, work: Callable[[list[T], int], bool], name: str) -> None:
        self._work, self._name = work, name
        self._begin()
        atexit.register(_finish, weakref.ref(self))

    def _begin(self) -> None:
        self._process = os.getpid()
        self._waiting: deque[T] = deque()
        self._lost = 0
        self._working = threading.Lock()
        self._starting = threading.Lock()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        if util := sys.modules.get("multiprocessing.util"):  # a process that it forks ends without atexit
            util.Finalize(None, _finish, (weakref.ref(self),), exitpriority=0)

    def put(self, item: T) -> None:
        """Leave an item: some two microseconds."""
        if os.getpid() != self._process:  # after a fork: what waits is the parent's, and its thread is not here
            self._begin()
        self._waiting.append(item)
        self._trim()
        if not self._woken.is_set():
            self._woken.set()
            self._start()

    def flush(self) -> bool:
        """Work now on what waits; return whether nothing waits any more."""
        with self._working:
            items = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if not items:
                return True
            lost, self._lost = self._lost, 0
            done = False
            try:
                done = self._work(items, lost)
            finally:
                if not done:
                    self._lost += lost
                    self._waiting.extendleft(reversed(items))
                    self._trim()
            return done

    def _trim(self) -> None:
        while len(self._waiting) > MOST:
            with suppress(IndexError):  # the thread has just taken them
                self._waiting.popleft()
                self._lost += 1

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, daemon=True, name=self._name)
                self._thread.start()

    def _run(self) -> None:
        while self._woken.wait(_IDLE):
            time.sleep(_MOMENT)
            self._woken.clear()
            if not self.flush():
                time.sleep(_RETRY)
                self._woken.set()
        with self._starting:
            self._thread = None
        if self._woken.is_set():  # an item came in this very moment
            self._start()


def _finish(background: weakref.ref[Background[T]]) -> None:
    held = background()
    if held is not None and held._process == os.getpid():
        held.flush()
