"""Why the disk refuses, in one line, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from hybrid_llm.errors import HybridLLMError

_WRITABLE: Final = "it and the folder above it must be writable"
_ROOM: Final = "make room and run the same command, what was there is as it was"
_INSIDE: Final = "it is a mounted folder or in use, choose a folder inside it"
_FILE: Final = "something on the way to it is a file, choose another --out"
_REMEDIES: Final = {
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.EROFS: "choose another --out",
    errno.ENOSPC: _ROOM,
    getattr(errno, "EDQUOT", errno.ENOSPC): _ROOM,  # Windows has none
    errno.EBUSY: _INSIDE,
    errno.EXDEV: _INSIDE,
    errno.ENOTDIR: _FILE,
    errno.EEXIST: _FILE,
}


@contextmanager
def as_ours(path: Path, error: type[HybridLLMError]) -> Iterator[None]:
    """Turn what the disk refuses while a folder is written into an error of ours.

    Args:
        path: The folder.
        error: What to raise.

    Raises:
        HybridLLMError: The disk refused.
    """
    try:
        yield
    except OSError as refusal:
        said = f"Cannot write {path}: {refusal.strerror or refusal}"
        remedy = _REMEDIES.get(refusal.errno or 0)
        raise error(f"{said}; {remedy}." if remedy else f"{said}.") from refusal
