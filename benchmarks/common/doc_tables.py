"""Tables in the documentation that a benchmark writes: between ``<!-- begin: name -->`` and ``<!-- end: name -->``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

IDLE: Final = 0.5
"""A load average up to this is a machine that does nothing else."""


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(share: float, digits: int = 1) -> str:
    """Write a fraction as a percentage."""
    return f"{100 * share:.{digits}f} %"


def shared(load: float) -> str:
    """Say how busy the machine was before times were taken, by its load average."""
    return f"load average before it began {load:.1f}{', shared with other programs' if load > IDLE else ''}"


def write_between(page: Path, name: str, text: str) -> None:
    """Replace what stands between the two markers of a page.

    Raises:
        ValueError: The page does not have both markers.
    """
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} needs the lines {begin} and {end}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
