"""From the results of ``run`` to ``docs/measured/own_pair_sizes.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common.doc_tables import markdown, percent
from benchmarks.common.places import MEASURED
from benchmarks.own_pair_sizes.study import QUALITY

PAGE: Final = MEASURED / "own_pair_sizes.md"
TEXT: Final = """\
# What 100, 300 and 1,000 graded prompts buy

`python -m benchmarks.own_pair_sizes.run DATA_DIR` writes this page. Rows of public tables, used as
[`hybrid-llm run`](../guide/your-own-pair.md) uses graded prompts, several draws of each size; the last two columns say
what the 5 % level did on the rows that were not drawn. *Measured* is what goes to small where nothing was certified.

{table}
"""


def write_page(file: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write the page."""
    columns = ("pair", "graded prompts", "certified", "to small then", "measured: to small", "real drop", "beyond 5 %")
    file.write_text(TEXT.format(table=markdown(columns, map(_line, results))), encoding="utf-8")


def _line(found: Mapping[str, Any]) -> Sequence[str]:
    draws = found["draws"]
    tried = [one for one in draws if one["certified"] is not None]
    certified = [one["to_small"] for one in draws if one["certified"]]
    measured = [one["to_small"] for one in draws if not one["certified"]]
    drops = [one["drop"] for one in draws]
    return (
        found["pair"],
        f"{found['prompts']:,}",
        f"{len(certified)} of {len(tried)}" if tried else "never",
        percent(float(np.mean(certified)), 0) if certified else "",
        percent(float(np.mean(measured)), 0) if measured else "",
        f"{100 * min(drops):.1f} to {100 * max(drops):.1f} %",
        f"{sum(drop > 1 - QUALITY for drop in drops)} of {len(draws)}",
    )
