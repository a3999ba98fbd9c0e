"""The one way to write a folder: beside its place, flushed, checked, and switched in at once."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from hybrid_llm.disk.beside import Beside, flush
from hybrid_llm.disk.kind import Kind
from hybrid_llm.disk.lock import holder, locked
from hybrid_llm.disk.refusal import as_ours
from hybrid_llm.errors import HybridLLMError

_CLAIMED: Final[ContextVar[frozenset[Path]]] = ContextVar("hybrid_llm_claimed", default=frozenset())
"""The folders that the block around us writes; a thread that it starts has none of them."""


@contextmanager
def claimed(path: Path, error: type[HybridLLMError]) -> Iterator[Path]:
    """Keep other writers away from a folder, and clean up first what an interrupted one left beside it.

    Whoever works long on what becomes a folder claims it before: the second of two then hears of it at once.
    :func:`whole_folder` may be used inside.

    Args:
        path: The folder; what is above it is made.
        error: What to raise.

    Yields:
        The folder's path, free of links.

    Raises:
        HybridLLMError: Somebody else has claimed it, or nothing can be written there.
    """
    with ExitStack() as stack:
        with as_ours(path, error):
            place = Path(os.path.realpath(path))
            if place not in _CLAIMED.get():
                beside = Beside(place)
                place.parent.mkdir(parents=True, exist_ok=True)
                try:
                    stack.enter_context(locked(beside.lock))
                except BlockingIOError:
                    raise error(
                        f"{path} is being written by {holder(beside.lock)}; wait for it, or choose another --out."
                    ) from None
                stack.callback(_CLAIMED.reset, _CLAIMED.set(_CLAIMED.get() | {place}))
                beside.tidy()
        yield place


@contextmanager
def whole_folder(path: Path, kind: Kind) -> Iterator[Path]:
    """Write a folder so that its place holds the old one or the new one at every moment, and never a part.

    Neither a signal nor a full disk nor a kill -9 changes that. What one leaves beside the folder is cleaned up when
    it is written again; see :mod:`hybrid_llm.disk.beside`. A link to a folder stays, and the folder is written.

    Args:
        path: The folder; what is above it is made.
        kind: What it is; a place that holds anything else is refused.

    Yields:
        An empty folder to fill. It takes the place of the old one when the block ends without an error.

    Raises:
        HybridLLMError: The place is taken, somebody else is writing there, or the disk refuses.
    """
    kind.refuse(path)
    with claimed(path, kind.error) as place, as_ours(path, kind.error):
        beside = Beside(place)
        if place.exists() and not os.access(place, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            beside.new.mkdir()
            yield beside.new
            _flush_all(beside.new)
            if place.exists():
                shutil.copymode(place, beside.new)
            kind.refuse(path)  # somebody may have put something there meanwhile
            beside.switch()
        finally:
            with suppress(OSError):  # the next writer tidies
                beside.tidy()


def _flush_all(folder: Path) -> None:
    for parent, _, files in os.walk(folder, topdown=False):
        for name in files:
            flush(Path(parent, name))
        flush(Path(parent))
