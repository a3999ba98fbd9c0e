"""Rows of a small quality table, and files of them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def row(number: int, **changes: Any) -> dict[str, Any]:
    """A good row, with some fields changed; a field given as ... is left out."""
    fields = {
        "id": f"q{number}",
        "query": f"What is {number} + {number}?",
        "quality": {"tiny": [0.25, 0.75], "big": [1]},
        "split": "train",
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows (mappings, or raw lines of bytes) to a file of the given name."""

    def write_rows(name: str, *rows: dict[str, Any] | bytes) -> Path:
        lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in rows]
        content = b"".join(line + b"\n" for line in lines)
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write_rows


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file of the given name with the given content."""

    def save_content(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return save_content
