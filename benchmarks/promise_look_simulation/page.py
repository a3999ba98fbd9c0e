"""From the results of the simulation to ``docs/measured/promise_look.md``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.places import MEASURED
from benchmarks.promise_look_simulation.study import RULES, THIN, Cell
from benchmarks.promise_look_simulation.worlds import DROPS, texts

PAGE: Final = MEASURED / "promise_look.md"


def validity_table(cells: list[Cell]) -> str:
    """Broken promises of each world, over the cells where a promise can be broken at all."""
    rows = []
    for kind, text in texts().items():
        mine = [c for c in cells if (c["world"] == kind or c["world"].startswith(f"{kind} ")) and c["breakable"]]
        worst = max(mine, key=lambda c: c["betting"]["broken"])
        where = f"{percent(worst['betting']['broken'])} (n {worst['n']:,}, {worst['max_drop']:.0%})"
        mean = {rule: float(np.mean([c[rule]["broken"] for c in mine])) for rule in RULES}
        at500 = float(np.mean([c["empirical"]["broken"] for c in mine if c["n"] == 500]))
        rows.append(
            [
                f"`{kind}`: {text}",
                percent(mean["betting"]),
                where if worst["betting"]["broken"] else "0.0 %",
                percent(mean["empirical"]),
                percent(at500),
            ]
        )
    header = ["world", "ours, mean", "ours, worst cell", "empirical rule, mean", "with 500 queries"]
    return markdown(header, rows)


def power_table(cells: list[Cell], n: int) -> str:
    """Mean cost advantage of each rule beside the best possible one."""
    rows = [
        [
            f"`{c['world']}`",
            f"{c['max_drop']:.0%}",
            percent(c["best"], 0),
            percent(c["betting"]["cost_advantage"], 0),
            f"{percent(c['empirical']['cost_advantage'], 0)} ({percent(c['empirical']['broken'], 0)} broken)",
        ]
        for c in cells
        if c["n"] == n and c["max_drop"] >= 0.02 and c["best"] > 0
    ]
    return markdown(["world", "max_drop", "best possible", "ours", "empirical rule"], rows)


def buys_table(cells: list[Cell], world: str) -> str:
    """Mean certified cost advantage of one world: calibration queries down, limit across."""
    mine = {(c["n"], c["max_drop"]): c for c in cells if c["world"] == world}
    sizes = sorted({n for n, _ in mine})
    rows = [[f"{n:,}", *(percent(mine[n, d]["betting"]["cost_advantage"], 0) for d in DROPS)] for n in sizes]
    rows.append(["best possible", *(percent(mine[sizes[0], d]["best"], 0) for d in DROPS)])
    return markdown(["calibration queries", *(f"{d:.0%}" for d in DROPS)], rows)


def page(cells: list[Cell]) -> str:
    """Return what stands between the markers ``simulation`` of docs/measured/promise_look.md."""
    sizes = sorted({c["n"] for c in cells})
    thin = [c for c in cells if THIN in c and c["breakable"]]
    worst = max(thin, key=lambda c: c[THIN]["broken"])
    return f"""
{cells[0]["repetitions"]:,} repetitions in each cell; n from {sizes[0]:,} to {sizes[-1]:,} queries; limits
{", ".join(f"{d:.0%}" for d in DROPS)}; confidence 95 %, so that 5 % may break. Cells in which no rung breaks the limit
are left out. The worst cell of all breaks {percent(max(c["betting"]["broken"] for c in cells))}.

{validity_table(cells)}

Answers that do not show all that the look reads are left out of the proof. Were they counted as large's instead,
`gaps` would break {percent(float(np.mean([c[THIN]["broken"] for c in thin])))} of its promises on average, and
{percent(worst[THIN]["broken"])} at worst (n {worst["n"]:,}, {worst["max_drop"]:.0%}): the traffic shows what the rows
lack. The price is paid in `missing`, where the traffic lacks it too: less is promised there than could be.

### What the proof costs

Mean cost advantage with 3,000 calibration queries.

{power_table(cells, 3000)}

### What n buys in a simulated world

Mean certified cost advantage in `gates`, one promise at 95 % (0 where nothing can be promised).

{buys_table(cells, "gates")}

The same with three answers a query (`samples`, with a look that was fitted anew).

{buys_table(cells, "samples")}
"""


def write_page(file: Path, results: list[Cell]) -> None:
    """Write the part of the page that is about the simulation."""
    write_between(file, "simulation", page(results))
