"""How figures, intervals and names are written in a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """Write a number, without a minus before zeros; ``n/a`` when it is not defined."""
    if value is None:
        return "n/a"
    return f"{round(value, digits) + 0.0:{'+' if sign else ''}.{digits}f}"


def with_interval(value: float | None, interval: list[float] | None, digits: int = 3, scale: float = 1.0) -> str:
    """Write a number with its interval."""
    if value is None or interval is None:
        return number(value and scale * value, digits)
    low, high = (number(scale * end, digits) for end in interval)
    return f"{number(scale * value, digits)} [{low}, {high}]"


def cell(figure: Mapping[str, Any], digits: int = 3, scale: float = 1.0) -> str:
    """Write ``{"value": ..., "ci": ...}``."""
    return with_interval(figure["value"], figure["ci"], digits, scale)


def signed(figure: Mapping[str, Any], digits: int = 3, scale: float = 1.0) -> str:
    """Write a difference with its sign, in bold when its interval leaves out zero."""
    text = number(scale * figure["value"], digits, sign=True)
    if figure["ci"] is None:
        return text
    low, high = (number(scale * end, digits, sign=True) for end in figure["ci"])
    return f"**{text}** [{low}, {high}]" if clear(figure) else f"{text} [{low}, {high}]"


def clear(figure: Mapping[str, Any]) -> bool:
    """Return whether the interval of a difference leaves out zero."""
    return figure["ci"] is not None and not figure["ci"][0] <= 0 <= figure["ci"][1]


def listed(names: Sequence[str]) -> str:
    """Write names as a list, ``none`` when there are none."""
    return ", ".join(f"*{name}*" for name in names) if names else "none"
