"""From the results on real pairs to ``docs/measured/promise_look.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.places import MEASURED
from benchmarks.promise_look_real_data.study import DROPS, REPETITIONS, Cell

PAGE: Final = MEASURED / "promise_look.md"


def in_short(cells: list[Cell]) -> str:
    """Say what a few hundred and a thousand queries promise, and where the query alone promises more."""
    draws = [c for c in cells if c["way"] == "draws"]
    lines = []
    for max_drop in (0.01, 0.05):
        for n in (300, 1000):
            of_each = "; ".join(
                f"{c['pair']} {percent(c['look']['cost_advantage'], 0)} "
                f"(query only {percent(c['query']['cost_advantage'], 0)})"
                for c in draws
                if (c["n"], c["max_drop"]) == (n, max_drop)
            )
            lines.append(f"- {max_drop:.0%} drop, {n:,} queries, one promise alone: {of_each}.")
    behind = [c for c in draws if c["query"]["cost_advantage"] > c["look"]["cost_advantage"] + 0.005]
    named = "; ".join(f"{c['pair']}, {c['n']:,} queries, {c['max_drop']:.0%}" for c in behind)
    return "\n".join(
        [*lines, f"- The query alone promises more in {len(behind)} of {len(draws)} cells: {named or 'none'}."]
    )


def buys_table(cells: list[Cell]) -> str:
    """What n buys for one pair: look and query, alone and in the menu."""
    mine = {(c["n"], c["max_drop"]): c for c in cells if c["way"] == "draws"}
    sizes = sorted({n for n, _ in mine})

    def line(name: str, n: int, rule: str) -> list[str]:
        return [f"{name}, {n:,} queries", *(percent(mine[n, d][rule]["cost_advantage"], 0) for d in DROPS)]

    rows = []
    for kind, name in (("look", "second look"), ("query", "query only")):
        for n in sizes:
            rows.append(line(name, n, kind))
            rows.append(line(f"{name}, in a menu", n, f"{kind} in a menu"))
        best = [percent(mine[sizes[0], d]["best"][kind], 0) for d in DROPS]
        rows.append([f"{name}, best possible", *best])
    return markdown(["", *(f"{d:.0%}" for d in DROPS)], rows)


def broken_table(cells: list[Cell]) -> str:
    """Broken promises of each pair: the worst over sizes of draws, and on splits."""
    rows = []
    for name in dict.fromkeys(c["pair"] for c in cells):
        for d in DROPS:
            mine = [c for c in cells if c["pair"] == name and c["max_drop"] == d]
            draws, splits = ([c for c in mine if c["way"] == way] for way in ("draws", "splits"))
            rows.append(
                [
                    f"{name}",
                    f"{d:.0%}",
                    percent(max(c["look"]["broken"] for c in draws)),
                    percent(float(np.mean([c["look, empirical"]["broken"] for c in draws]))),
                    *(percent(c["look"]["cost_advantage"], 0) for c in splits),
                    *(percent(c["look"]["broken"]) for c in splits),
                    *(percent(c["look, empirical"]["broken"]) for c in splits),
                ]
            )
    header = ["pair", "max_drop", "broken, draws, worst n", "empirical, draws, mean"]
    return markdown([*header, "cost advantage, splits", "broken, splits", "empirical, splits"], rows)


def page(cells: list[Cell]) -> str:
    """Return what stands between the markers ``real-data`` of docs/measured/promise_look.md."""
    sections = []
    for name in dict.fromkeys(c["pair"] for c in cells):
        mine = [c for c in cells if c["pair"] == name]
        gone = f"; {mine[0]['left_out']} answers with gaps are left out" if mine[0]["left_out"] else ""
        sections.append(
            f"**{name}** ({mine[0]['rows']:,} queries that nothing was fitted to{gone}):\n\n{buys_table(mine)}"
        )
    tables = "\n\n".join(sections)
    return f"""
Mean certified cost advantage at four limits, 95 % confidence, over {REPETITIONS} draws; 0 where nothing can be
promised. *In a menu*: all five usual levels hold at once, with a second look those of the path and of the queries
both. *Query only*: the scores of a router without a look, on the same rows.

{in_short(cells)}

{tables}

### Broken promises on real pairs

*Draws* are judged against all rows, which is the exact truth for such traffic. In *splits* a random half calibrates
and the other half judges: the verdict itself is noisy, and even a rung that is exactly right looks broken half of the
time.

{broken_table(cells)}
"""


def write_page(file: Path, results: list[Cell]) -> None:
    """Write the part of the page that is about real pairs."""
    write_between(file, "real-data", page(results))
