"""The reading of a folder that somebody may be writing at this moment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from hybrid_llm.disk.beside import Beside
from hybrid_llm.disk.lock import locked
from hybrid_llm.errors import HybridLLMError

T = TypeVar("T")

_TRIES: Final = 40
_PAUSE: Final = 0.05
"""Seconds to wait for the second of two renames."""


def steadily(path: Path, read: Callable[[], T]) -> T:
    """Read a folder, and read it again when another took its place meanwhile, so that nothing is half and half.

    A folder that is away, because its writer stands between two renames or was killed there, is waited for or put
    back; see :mod:`hybrid_llm.disk.beside`.

    Args:
        path: The folder.
        read: Reads it.

    Raises:
        HybridLLMError: What ``read`` raised of a folder that stayed as it was.
    """
    for _ in range(_TRIES):
        before = _identity(path)
        try:
            found = read()
        except HybridLLMError:
            # in this order: a folder that comes back after the first look is another one to the second
            if not _is_away(path) and _identity(path) == before:
                raise
        else:
            if _identity(path) == before:
                return found
    return read()


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return what differs between two folders of one name; the number of a removed folder may be used again."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def _is_away(path: Path) -> bool:
    """Return whether the folder is between two renames; put it back if nobody is about to do the second."""
    beside = Beside(Path(os.path.realpath(path)))
    if beside.place.exists() or not beside.old.exists():
        return False
    try:
        with locked(beside.lock):
            beside.tidy()
    except OSError:  # its writer is there, or it is not ours to write
        time.sleep(_PAUSE)
    return True
