"""From the results of ``run`` to ``docs/measured/quantisation.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.places import MEASURED

PAGE: Final = MEASURED / "quantisation.md"
OF_HEADS: Final = ("APGR", "difference to float32", "other decisions")
OF_WEIGHTS: Final = (
    "MB",
    "cosine, mean",
    "cosine, 1 %",
    "ms, 20 tokens",
    "ms, 128 tokens",
    "cosine, no VNNI to VNNI",
    "overflows per million",
)


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write both tables into the page."""
    heads = [f"{head}: {figure}" for head in results["heads"] for figure in OF_HEADS]
    tables = [
        markdown(["weights", *heads], results["routing"]),
        markdown(["weights", *OF_WEIGHTS], results["cost"]),
    ]
    write_between(file, "quantisation", "\n\n".join([results["setting"], *tables]))
