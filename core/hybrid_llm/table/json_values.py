"""JSON that is not one object a line: a big array, or objects spread over many lines, read in flat memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final, TextIO

from hybrid_llm.errors import TableError
from hybrid_llm.table.encodings import HEAD, LONGEST, TOO_LONG, why_no_text

_SPACE: Final = re.compile(r"[ \t\r\n\ufeff]*")  # the mark stands in the middle where files were put together
_REST_OF_A_NUMBER: Final = ("", ".", "e", "E")
_LONGEST_WORD: Final = 16
"""Nothing but a text is cut by the end of what was read further back than this."""


def json_values(source: str, file: TextIO) -> Iterator[tuple[str, Any]]:
    """Yield the elements of one array, or the values that follow one another.

    Args:
        source: What messages call the file.
        file: The text, from :func:`~hybrid_llm.table.encodings.as_text`.

    Yields:
        A place ("rows.json row 3, line 17") and a value, or a TableError where a value holds what is no text.

    Raises:
        TableError: What follows cannot be read.
    """
    reader = _Reader(source, file)
    if reader.next_sign() != "[":
        while reader.next_sign():
            yield reader.value()
        return
    reader.at += 1
    if reader.next_sign() != "]":
        while True:
            yield reader.value()
            if reader.next_sign() != ",":
                break
            reader.at += 1
            if reader.next_sign() == "]":
                raise TableError(f"{reader.place()}: not valid JSON (a comma before the closing ']'); remove the comma")
    if reader.next_sign() != "]":
        what = "the closing ']' is missing: the file was cut short" if not reader.next_sign() else "',' is missing"
        raise TableError(f"{reader.place()}: not valid JSON ({what})")
    reader.at += 1
    if reader.next_sign():
        raise TableError(f"{reader.place()}: something follows the array; put all rows into one array, or one a line")


class _Reader:
    """A window on the text, from the value that comes next to the end of what was read."""

    def __init__(self, source: str, file: TextIO) -> None:
        self.at = 0
        self._source = source
        self._file = file
        self._text = ""
        self._line = 1
        self._number = 0
        self._decode = json.JSONDecoder().raw_decode

    def place(self) -> str:
        """Say where the next value stands."""
        return f"{self._source} row {self._number + 1}, line {self._line}"

    def next_sign(self) -> str:
        """Skip white space and return the sign behind it, nothing at the end."""
        while True:
            found = _SPACE.match(self._text, self.at)
            assert found is not None
            self._line += self._text.count("\n", self.at, found.end())
            self.at = found.end()
            if self.at < len(self._text) or not self._read_on():
                return self._text[self.at : self.at + 1]

    def value(self) -> tuple[str, Any]:
        """Take the next value."""
        place = self.place()
        while True:
            try:
                value, end = self._decode(self._text, self.at)
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self._text) - _LONGEST_WORD or error.msg.startswith("Unterminated string")
                if not (cut and self._read_on()):
                    line = self._line + self._text.count("\n", self.at, error.pos)
                    raise TableError(f"{place}: not valid JSON ({error.msg}, line {line})") from None
            except (ValueError, RecursionError) as error:
                raise TableError(f"{place}: not valid JSON ({error})") from None
            else:
                # A number may go on behind what was read; what ends with a bracket or a quote does not.
                if self._text[end - 1] in '}]"' or self._text[end : end + 1] not in _REST_OF_A_NUMBER:
                    break
                if not self._read_on():
                    break
        spelled = self._text[self.at : end]
        self._number += 1
        self._line += spelled.count("\n")
        self.at = end
        wrong = why_no_text(spelled)
        return place, TableError(f"{place}: {wrong}") if wrong else value

    def _read_on(self) -> bool:
        """Read as much again as nobody has taken yet, so that long values cost no more; False at the end."""
        left = self._text[self.at :]
        if len(left) > LONGEST:
            raise TableError(f"{self.place()}: {TOO_LONG}")
        found = self._file.read(max(HEAD, len(left)))
        self._text, self.at = left + found, 0
        return bool(found)
