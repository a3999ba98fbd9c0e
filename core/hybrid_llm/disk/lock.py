"""A lock between processes: held by whoever has the file locked, free when that process is gone."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_CANNOT: Final = frozenset({errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})
"""What a file system says that has no locks."""
_FAR: Final = 1 << 30
"""Windows locks bytes, and keeps others from reading them: one that no file of ours has."""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock; the file is there only meanwhile, and one that a dead process left is taken over.

    Raises:
        BlockingIOError: Somebody else holds it.
        OSError: The file cannot be written.
    """
    while True:
        stream = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666), "r+")
        try:
            _lock(stream.fileno())
        except BaseException:
            stream.close()
            raise
        if _is(stream.fileno(), file):
            break
        stream.close()  # who held it has just removed it
    try:
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
    finally:
        if os.name == "nt":  # an open file cannot be removed there
            stream.close()
        with suppress(OSError):
            file.unlink()
        stream.close()


def holder(file: Path) -> str:
    """Return the number of the process that holds a lock, in words."""
    try:
        number = int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return "another process"
    return "another thread" if number == os.getpid() else f"another process ({number})"


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        os.lseek(handle, 0, os.SEEK_SET)
        return
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def _is(handle: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), file.stat())
    except FileNotFoundError:
        return False
