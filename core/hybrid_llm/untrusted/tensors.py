"""Named arrays in safetensors: the header is checked by itself before the library makes arrays of what it says."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any, Final

from numpy.typing import NDArray

from hybrid_llm.untrusted.files import BadFileError
from hybrid_llm.untrusted.json_text import parse_json, printable

HEADER: Final = 65_536
"""Bytes that the header may have; ours has fewer than two thousand."""
DIMENSIONS: Final = 2
_BYTES: Final = {"F16": 2, "F32": 4, "F64": 8, "I32": 4, "I64": 8, "U8": 1, "U64": 8}
"""The types of number that we write, and how wide each is."""


def read_tensors(content: bytes, known: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a safetensors file.

    Args:
        content: The file.
        known: Names that an array may have.

    Raises:
        BadFileError: The header is too long, an array has a name, type or shape that none of ours has, or the bytes
            are not those that the header tells of.
        ValueError: The header is no JSON.
    """
    from safetensors.numpy import load

    start = 8 + int.from_bytes(content[:8], "little")
    if not 8 < start <= min(8 + HEADER, len(content)):
        raise BadFileError("has a header that is too long for it")
    header = parse_json(content[8:start])
    if not isinstance(header, dict):
        raise BadFileError("has a header that is no object")
    ends = sorted(_place(name, entry, known) for name, entry in header.items())
    if [begin for begin, _ in ends] + [len(content) - start] != [0, *(end for _, end in ends)]:
        raise BadFileError("has arrays that overlap, or bytes that belong to none")
    arrays: dict[str, NDArray[Any]] = load(content)
    return arrays


def _place(name: str, entry: Any, known: Collection[str]) -> tuple[int, int]:
    """Return where an array begins and ends, after a look at what the header says of it."""
    shown = printable(name, 40)
    if name not in known:
        raise BadFileError(f"holds an array {shown}, which none of ours does")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise BadFileError(f"does not say what its array {shown} is")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise BadFileError(f"holds {shown} as numbers of type {printable(dtype, 20)}")
    if not (_sizes(shape) and len(shape) <= DIMENSIONS and _sizes(offsets) and len(offsets) == 2):
        raise BadFileError(f"holds {shown} in a shape that none of ours has")
    if math.prod(shape) * _BYTES[dtype] != offsets[1] - offsets[0]:
        raise BadFileError(f"holds another number of bytes for {shown} than its shape needs")
    return offsets[0], offsets[1]


def _sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 48 for value in values)
