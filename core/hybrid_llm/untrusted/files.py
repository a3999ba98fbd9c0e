"""The bytes of one file: a regular one, no link, no longer than its kind may be."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO that takes the file's place meanwhile does not hold us up
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class BadFileError(ValueError):
    """What is wrong with a file, in words that follow its name: "is a link"; whoever knows the name catches it."""


def read_regular(path: Path, limit: int) -> bytes:
    """Read a regular file whole, its size first.

    Args:
        path: The file.
        limit: Bytes that it may have.

    Raises:
        BadFileError: It is a link, no regular file, or too long.
        OSError: It cannot be opened.
    """
    _refuse_other(path.lstat())
    with os.fdopen(os.open(path, _FLAGS), "rb") as stream:
        status = os.fstat(stream.fileno())
        _refuse_other(status)
        _refuse_long(status.st_size, limit)
        content = stream.read(limit + 1)
    _refuse_long(len(content), limit)  # it grew meanwhile, or its size is made up as below /proc
    return content


def _refuse_other(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise BadFileError("is a link, and links are not followed; put the file itself there")
    if not stat.S_ISREG(status.st_mode):
        raise BadFileError("is no regular file")


def _refuse_long(size: int, limit: int) -> None:
    if size > limit:
        raise BadFileError(f"has {size:,} bytes, more than the {limit:,} that such a file may have")
