"""From the results of ``run`` to the section *Which head* of ``docs/measured/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.judge import APGR
from benchmarks.common.numbers import clear, listed, signed
from benchmarks.common.places import MEASURED
from benchmarks.heads.candidates import HEADS, OURS, WEIGHTS
from benchmarks.heads.study import AVERAGES
from benchmarks.paper_figures.skeleton import prepare

PAGE: Final = MEASURED / "benchmarks.md"


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write the section."""
    prepare(file)
    write_between(file, "heads", report(results))


def report(results: Mapping[str, Any]) -> str:
    """Return the two tables: means over the pairs with differences to ours, and each pair."""
    names, found, pairs = [*HEADS, *AVERAGES], results["found"], results["pairs"]
    rows = []
    for name in names:
        weights = [found.get(f"{name} @ {weight:g}") for weight in WEIGHTS]
        difference = found.get(f"{OURS} - {name}")
        rows.append(
            [
                name,
                str(results["settings"].get(name, "")),
                *(f"{one[APGR]['value']:.4f}" if one else "" for one in weights),
                f"{found[name][APGR]['value']:.4f}",
                signed(difference[APGR], 4) if difference else "",
            ]
        )
    columns = ["settings", *(f"gap weight {weight:g}" for weight in WEIGHTS), "chosen", "ours minus it"]
    each = [[name, *(f"{pair[name]:.3f}" for pair in pairs.values())] for name in names]
    return "\n\n".join([verdict(found), markdown(["head", *columns], rows), markdown(["head", *pairs], each)])


def verdict(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Say which heads ours clearly beats, and whether an average beats ours."""
    minus = {name: found[f"{OURS} - {name}"][APGR] for name in (*HEADS, *AVERAGES) if name != OURS}
    behind = [name for name in HEADS if name != OURS and clear(minus[name]) and minus[name]["value"] > 0]
    ahead = [name for name in minus if clear(minus[name]) and minus[name]["value"] < 0]
    best = max(AVERAGES, key=lambda name: float(found[name][APGR]["value"]))
    return (
        f"Ours clearly beats {len(behind)} of the {len(HEADS) - 1} other heads. Clearly better than ours: "
        f"{listed(ahead)}; the best average, *{best}*, gains {-minus[best]['value']:+.4f}."
    )
