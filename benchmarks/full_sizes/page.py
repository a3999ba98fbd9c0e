"""From the results of ``run`` to ``docs/measured/fine_tuning.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.places import MEASURED

PAGE: Final = MEASURED / "fine_tuning.md"
LENGTH: Final = 128
"""Tokens of a row."""
PAPER: Final = 10_000
"""Rows that the paper trains on, for as many epochs as :data:`EPOCHS`."""
EPOCHS: Final = 5


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write the table of sizes into the page."""
    write_between(file, "sizes", table_of(results["costs"], results["batch"]))


def table_of(found: Sequence[Mapping[str, Any]], batch: int) -> str:
    """Return the table, and under it what the paper's run would take."""
    rows = [
        [
            f"deberta-v3-{one['size']}{', checkpointing' if one['checkpointing'] else ''}",
            one["device"],
            one["precision"],
            f"{one['millions']:,.0f} M",
            f"{one['rows_per_second']:.2f}",
            f"{one['gigabytes']:.1f} GB",
            f"{EPOCHS * PAPER / one['rows_per_second'] / 3600:.1f} h",
        ]
        for one in found
    ]
    columns = ["size of", "device", "numbers", "weights", "rows/s", "peak memory", f"{PAPER:,} rows, {EPOCHS} epochs"]
    return f"Batches of {batch} rows, each of {LENGTH} tokens; random weights.\n\n{markdown(columns, rows)}"
