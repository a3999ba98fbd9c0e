"""Safetensors of strangers: the header is believed only where it fits the bytes, and names what we write."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from hybrid_llm.untrusted import BadFileError, read_tensors

GOOD = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(1.5), "none": np.zeros((0,), dtype=np.uint64)}


def made(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype: Any = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_what_safetensors_writes_is_read() -> None:
    read = read_tensors(save(GOOD), GOOD)
    assert read.keys() == GOOD.keys()
    assert all((read[name] == GOOD[name]).all() and read[name].dtype == GOOD[name].dtype for name in GOOD)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "header"),
        (made({}, length=1 << 62), "header that is too long"),
        (made({}, length=(1 << 64) - 1), "header that is too long"),
        (made(b"[]"), "no object"),
        (made(b"[" * 50_000), "deeper"),
        (made({"z\x1b": entry()}, b"1234"), r"an array z\\x1b"),
        (made({"a": entry("BF16", (2,))}, b"1234"), "type BF16"),
        (made({"a": entry(["F32"])}, b"1234"), "type"),
        (made({"a": entry(shape=(1, 1, 1))}, b"1234"), "shape"),
        (made({"a": entry(shape=(-1,))}, b"1234"), "shape"),
        (made({"a": entry(shape=(True,))}, b"1234"), "shape"),
        (made({"a": entry(shape=(1 << 40, 1 << 40))}, b"1234"), "another number of bytes"),
        (made({"a": entry(shape=(1 << 60, 1 << 60))}, b"1234"), "shape"),
        (made({"a": entry(), "b": entry()}, b"1234"), "overlap"),
        (made({"a": entry(offsets=(4, 8))}, b"12345678"), "overlap"),
        (made({"a": entry()}, b"1234 more"), "belong to none"),
        (made({"a": entry()}, b"12"), "belong to none"),
        (made({"a": {"dtype": "F32"}}), "does not say"),
        (made({"__metadata__": {"x": "y"}}), "which none of ours"),
    ],
)
def test_what_does_not_fit_is_refused(content: bytes, wrong: str) -> None:
    with pytest.raises(BadFileError, match=wrong):
        read_tensors(content, ("a", "b"))
