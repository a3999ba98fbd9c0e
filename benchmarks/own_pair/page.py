"""From the results of ``run`` to ``docs/measured/own_pair.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.places import MEASURED

PAGE: Final = MEASURED / "own_pair.md"


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write the part of the page that changes."""
    found = results["runs"]
    columns = ("prompts", "verdict", "small's quality", "large's", "small answers, at 95 %", "could certify", "minutes")
    rows = []
    for said in found:
        level = next((level for level in said["levels"] if level["quality"] == 0.95), None)
        share = percent(level["cost_advantage"]) if level else ""
        needed = f"{said['needed_n']:,} prompts" if said["needed_n"] else ""
        qualities = (f"{said['small_quality']:.3f}", f"{said['large_quality']:.3f}")
        rows.append((f"{said['n']:,}", said["verdict"], *qualities, share, needed, f"{said['seconds'] / 60:.0f}"))
    words = "\n\n".join(f"After {said['n']} prompts:\n\n```\n{said['words'].strip()}\n```" for said in found)
    small, large = found[0]["pair"]
    write_between(file, "runs", f"{small} -> {large}; {results['where']}.\n\n{markdown(columns, rows)}\n\n{words}")
