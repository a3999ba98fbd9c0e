"""From the results of ``run`` to ``docs/measured/fine_tuning.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.places import MEASURED
from benchmarks.full.speed import BATCH

PAGE: Final = MEASURED / "fine_tuning.md"
COLUMNS: Final = (
    "",
    "APGR on test",
    "minus head",
    "average with head, minus head",
    "training, one core",
    "peak memory",
    "epoch kept",
)


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write the tables of gain and speed into the page."""
    write_between(file, "gain", markdown(COLUMNS, results["gain"]))
    write_between(file, "speed", table_of_speed(results["speed"]))


def table_of_speed(found: Sequence[Mapping[str, Any]]) -> str:
    """Return rows a second, ours and the Trainer's."""
    rows: list[list[Any]] = [
        [
            one["pair"],
            str(one["max_length"]),
            f"{one['tokens']:.0f}",
            f"{one['padded_plain']:.2f}",
            f"{one['padded_ours']:.2f}",
            f"{one['plain']:.1f}",
            f"{one['ours']:.1f}",
            f"{one['ours'] / one['plain']:.2f} x",
        ]
        for one in found
    ]
    columns = ["queries of", "max length", "mean tokens", "computed for each, Trainer", "ours"]
    columns += ["rows/s, Trainer", "ours", "ratio"]
    return f"Batches of {BATCH}, one epoch, MiniLM, one core, seconds of CPU time.\n\n{markdown(columns, rows)}"
