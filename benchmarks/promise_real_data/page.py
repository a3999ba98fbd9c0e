"""From the results on real pairs to ``docs/measured/promise.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.places import MEASURED
from benchmarks.promise_real_data.study import RULES, Cell

PAGE: Final = MEASURED / "promise.md"


def table(cells: list[Cell]) -> str:
    """Return the table of docs/measured/promise.md: the draws, with the splits' broken share beside them."""
    splits = {(c["pair"], c["max_drop"]): c for c in cells if c["way"] == "splits"}
    rows = []
    for c in cells:
        if c["way"] == "draws":
            other = splits[c["pair"], c["max_drop"]]
            rows.append(
                [
                    f"{c['pair']}, {c['calibration']:,} queries",
                    f"{c['max_drop']:.0%}",
                    percent(c["best"], 0),
                    *(
                        text
                        for rule in RULES
                        for text in (
                            percent(c[rule]["cost_advantage"], 0),
                            percent(c[rule]["broken"]),
                            percent(other[rule]["broken"]),
                        )
                    ),
                ]
            )
    header = ["pair", "max_drop", "best possible"]
    for rule in ("ours", "empirical, 500"):
        header += [f"{rule}: cost advantage", "broken, draws", "broken, splits"]
    return markdown(header, rows)


def write_page(file: Path, results: list[Cell]) -> None:
    """Write the part of the page that is about real pairs."""
    write_between(file, "real-data", table(results))
