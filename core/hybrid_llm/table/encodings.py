"""From the bytes of a file to UTF-8: marks, UTF-16 and UTF-32, and what is said of bytes that are no text."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, TextIO

from hybrid_llm.table.code_pages import likely_code_page

HEAD: Final = 1 << 16
"""How many bytes of a file are looked at to tell what it is."""
LONGEST: Final = 1 << 26
"""The longest row that is read: a small packed file can hold one that no memory can."""
TOO_LONG: Final = "a row is longer than 64 MB; write each on a line of its own, or as an element of an array"

_BOM: Final = codecs.BOM_UTF8


def as_utf8(file: io.BufferedReader[Any]) -> io.BufferedReader[Any]:
    """Return the content of a file as UTF-8 without a byte order mark.

    A mark says that a file is UTF-16 or UTF-32; so do zero bytes beside the first letters where the mark
    is missing. All else counts as UTF-8, and is complained of line by line where it is not.

    Raises:
        UnicodeDecodeError: While reading, when UTF-16 or UTF-32 ends within a letter.
    """
    start = file.peek(len(_BOM) + 1)
    if start.startswith(_BOM):
        file.read(len(_BOM))
        return file
    encoding = json.detect_encoding(start[:4])
    return file if encoding == "utf-8" else io.BufferedReader(_Recoded(file, encoding), HEAD)


@contextmanager
def as_text(file: io.BufferedReader[Any]) -> Iterator[TextIO]:
    """Give UTF-8 as text with its own line ends; bytes that are no text stay in it as half surrogates.

    :func:`why_no_text` finds them.
    """
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    try:
        yield text
    finally:
        text.detach()  # who opened the file closes it


def why_no_text(found: str) -> str | None:
    """Say what is wrong with a piece of :func:`as_text`, or nothing when all of it is text."""
    if found.isascii():
        return None
    try:
        found.encode()
    except UnicodeEncodeError:
        return not_utf8(found.encode("utf-8", "surrogateescape"))
    return None


def not_utf8(line: bytes) -> str:
    """Say where bytes are not UTF-8, what they probably are, and how to convert the file."""
    try:
        line.decode()
    except UnicodeDecodeError as error:
        where = f"not UTF-8 (byte {error.start + 1})"
    else:
        return "not UTF-8; save the file as UTF-8"
    page = likely_code_page(line)
    if page is None:
        return f"{where}; save the file as UTF-8"
    return f"{where} but probably {page.title}; convert the file: iconv -f {page.iconv} -t UTF-8 OLD > NEW"


class _Recoded(io.RawIOBase):
    """UTF-16 or UTF-32 as UTF-8, in flat memory."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        # Half of a surrogate pair becomes bytes that are no UTF-8, and so the fault of one line instead of the file's.
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._rest = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer and return how many bytes are in it, 0 at the end."""
        while not self._rest:
            found = self._file.read(HEAD)
            self._rest = self._decoder.decode(found, final=not found).encode("utf-8", "surrogatepass")
            if not found:
                break
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
