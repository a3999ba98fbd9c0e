"""The one way to write a file: beside its place, flushed, and switched in at once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hybrid_llm.disk.beside import flush

_PART = ".part"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file so that its place holds the old one or the new one at every moment, and never a part.

    Several may write the same file at once, on one machine or on several that share the folder: each writes one of its
    own, and the last one stays.

    Args:
        path: The file.

    Yields:
        A file to write. It takes the place of the old one when the block ends without an error.

    Raises:
        OSError: The disk refuses.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_PART}")
    try:
        yield part
        flush(part)
        part.replace(path)
        flush(path.parent)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove what killed writers left in a folder; nobody may be writing in it."""
    for part in folder.glob(f".*{_PART}"):
        part.unlink(missing_ok=True)
