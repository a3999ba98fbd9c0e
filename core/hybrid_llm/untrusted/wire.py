"""The wire format of Protocol Buffers, as far as a look at a message needs it: its fields, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from hybrid_llm.untrusted.files import BadFileError

FIELDS: Final = 1_000_000
"""Fields that are looked at, at most: about a second. The shipped encoder has ten thousand."""
VARINT: Final = 0
LENGTH: Final = 2
_FIXED: Final = {1: 8, 5: 4}


class Field(NamedTuple):
    """One field of a message.

    Args:
        number: Its number.
        kind: Its wire type: :data:`VARINT`, :data:`LENGTH`, or 1 and 5 for eight and four bytes.
        value: The number, of a varint.
        start: Where its content begins.
        end: Where its content ends.
    """

    number: int
    kind: int
    value: int
    start: int
    end: int


class Wire:
    """A message, looked at within a budget of fields.

    Args:
        content: The whole file.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content
        self._left = FIELDS

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """Yield the fields of the message between two places.

        Raises:
            BadFileError: It is no message, or there are too many fields.
        """
        at = start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise BadFileError(f"holds more than {FIELDS:,} fields")
            tag, at = self.varint(at, end)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise BadFileError("is no ONNX graph")
            value, begin = 0, at
            if kind == VARINT:
                value, at = self.varint(at, end)
            elif kind == LENGTH:
                size, begin = self.varint(at, end)
                at = begin + size
            elif kind in _FIXED:
                at += _FIXED[kind]
            else:
                raise BadFileError("is no ONNX graph")
            if at > end:
                raise BadFileError("is no whole ONNX graph")
            yield Field(number, kind, value, begin, at)

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """Return a number of seven bits a byte, and the place after it."""
        value = shift = 0
        content = self.content
        while at < end and shift < 70:
            byte = content[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, at
            shift += 7
        raise BadFileError("is no whole ONNX graph")

    def varints(self, field: Field) -> Iterator[int]:
        """Yield the numbers of a field that may hold one or, packed, several."""
        if field.kind == VARINT:
            yield field.value
        at = field.start
        while field.kind == LENGTH and at < field.end:
            value, at = self.varint(at, field.end)
            yield value

    def text(self, field: Field) -> str:
        """Return a field as text."""
        return self.content[field.start : field.end].decode("utf-8", "backslashreplace")
