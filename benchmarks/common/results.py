"""What a run measured, kept in ``benchmarks/results``: five significant digits, no more than one line a record."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from benchmarks.common.places import RESULTS

DIGITS: Final = 5
"""Significant digits of every number, which is more than a page shows."""
WIDTH: Final = 240
"""What fits into so many characters stands on one line; so does a list of numbers, however long."""


def file_of(study: str) -> Path:
    """Return where the results of a study are kept."""
    return RESULTS / f"{study}.json"


def read(file: Path) -> Any:
    """Return what was kept."""
    return json.loads(file.read_text(encoding="utf-8"))


def keep(file: Path, results: Any) -> Any:
    """Write results, and return them as a page will read them: rounded."""
    kept = rounded(results)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(lines(kept) + "\n", encoding="utf-8")
    return json.loads(json.dumps(kept))


def rounded(value: Any) -> Any:
    """Return plain JSON values with :data:`DIGITS` significant digits, and None for what is not finite."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(each) for each in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def lines(value: Any, depth: int = 0) -> str:
    """Write a value as JSON: what is short on one line, the rest with a line for each of its parts."""
    text = json.dumps(value, ensure_ascii=False)
    plain = isinstance(value, list) and not any(isinstance(each, (dict, list)) for each in value)
    if len(text) <= WIDTH or plain or not isinstance(value, (dict, list)):
        return text
    space = " " * (depth + 1)
    if isinstance(value, dict):
        parts = [f"{space}{lines(key)}: {lines(each, depth + 1)}" for key, each in value.items()]
        return "{\n" + ",\n".join(parts) + "\n" + " " * depth + "}"
    return "[\n" + ",\n".join(space + lines(each, depth + 1) for each in value) + "\n" + " " * depth + "]"
