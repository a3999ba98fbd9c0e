"""From the results of the simulation to ``docs/measured/promise.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.places import MEASURED
from benchmarks.promise_simulation.study import NAMES, SIZES, Cell, told
from benchmarks.promise_simulation.worlds import DROPS, worlds

PAGE: Final = MEASURED / "promise.md"


def validity_table(cells: list[Cell]) -> str:
    """Broken promises of each world, over the cells where a promise can be broken at all."""
    rows = []
    kinds = {world.name.split()[0]: world.text for world in worlds()}
    for kind, text in kinds.items():
        mine = [c for c in cells if c["world"].split()[0] == kind and c["breakable"]]
        worst = max(mine, key=lambda c: c["betting"]["broken"])
        where = f"{percent(worst['betting']['broken'])} (n {worst['n']:,}, {worst['max_drop']:.0%})"
        mean = {rule: np.mean([c[rule]["broken"] for c in mine]) for rule in ("betting", "bernstein", "empirical")}
        at500 = [c["empirical"]["broken"] for c in mine if c["n"] == 500]
        rows.append(
            [
                f"`{kind}`: {text}",
                percent(float(mean["betting"])),
                where if worst["betting"]["broken"] else "0.0 %",
                percent(float(mean["bernstein"])),
                percent(float(mean["empirical"])),
                percent(float(np.mean(at500))) if at500 else "",
            ]
        )
    header = ["world", "ours, mean", "ours, worst cell", "Bernstein, mean", "empirical rule, mean", "with 500 samples"]
    return markdown(header, rows)


def power_table(cells: list[Cell], n: int) -> str:
    """Mean cost advantage of each rule beside the best possible one."""
    rows = [
        [
            f"`{c['world']}`",
            f"{c['max_drop']:.0%}",
            percent(c["best"], 0),
            *(percent(c[rule]["cost_advantage"], 0) for rule in ("betting", "bernstein", "hoeffding")),
            f"{percent(c['empirical']['cost_advantage'], 0)} ({percent(c['empirical']['broken'], 0)} broken)",
        ]
        for c in told(cells)
        if c["n"] == n and c["max_drop"] >= 0.03 and c["best"] > 0
    ]
    return markdown(["world", "max_drop", "best possible", *NAMES.values()], rows)


def buys_table(cells: list[Cell], world: str) -> str:
    """Mean certified cost advantage of one pair: calibration queries down, limit across."""
    mine = {(c["n"], c["max_drop"]): c for c in cells if c["world"] == world}
    sizes = sorted({n for n, _ in mine})
    rows = [[f"{n:,}", *(percent(mine[n, d]["betting"]["cost_advantage"], 0) for d in DROPS)] for n in sizes]
    rows.append(["best possible", *(percent(mine[sizes[0], d]["best"], 0) for d in DROPS)])
    return markdown(["calibration queries", *(f"{d:.0%}" for d in DROPS)], rows)


def estimate_table(cells: list[Cell]) -> str:
    """How good ``needed_n`` is."""
    rows = [
        [
            f"`{c['world']}`, {c['n']} queries, {c['max_drop']:.0%}",
            f"{c['median_needed_n']:,.0f}",
            percent(c["feasible_then"], 0),
            percent(c["median_share_reached"], 0),
        ]
        for c in cells
    ]
    return markdown(
        ["asked with", "median `needed_n`", "feasible with that many", "of the estimated cost advantage"], rows
    )


def menu_table(cells: list[Cell]) -> str:
    """What it costs that six promises hold at once."""
    rows = [[f"`{c['world']}`, {c['n']:,} queries", percent(c["alone"]), percent(c["menu"])] for c in cells]
    return markdown(["max_drop 4 %, confidence 95 %", "one promise alone", "the same on a menu of six"], rows)


def page(cells: list[Cell], guesses: list[Cell], menus: list[Cell]) -> str:
    """Return what stands between the markers of docs/measured/promise.md."""
    limits, last = ", ".join(f"{d:.0%}" for d in DROPS), f"{SIZES[-1]:,}"
    skipped = max(c["skipping"]["cost_advantage"] - c["betting"]["cost_advantage"] for c in told(cells))
    return f"""
### Broken promises

{cells[0]["repetitions"]:,} repetitions in each cell; n from {SIZES[0]} to {last}; limits {limits}; confidence 95 %, so
that 5 % may break. Cells in which no threshold breaks the limit are left out. All rules but the empirical one walk the
same fixed sequence. In `ungrouped`, repeated queries are passed off as independent ones: nothing is promised there.

{validity_table(cells)}

### What the proof costs

Mean cost advantage with 2,000 calibration queries.

{power_table(cells, 2000)}

### What n buys

Mean certified cost advantage, one promise at 95 % (0 where nothing can be promised).

An easy pair (`easy`: always-small loses 16 %):

{buys_table(cells, "easy")}

A hard pair (`hard`: always-small loses 51 %):

{buys_table(cells, "hard")}

### What a menu costs

Mean cost advantage.

{menu_table(menus)}

### How good `needed_n` is

Ask with few queries; when the answer is "not feasible", draw as many fresh queries as it estimates.

{estimate_table(guesses)}

### Testing the thresholds that no calibration row reaches

Skipping them, which the proof does not allow, would raise the mean cost advantage by at most {100 * skipped:.2f} points
in any cell.
"""


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write the part of the page that is about the simulation."""
    write_between(file, "simulation", page(results["cells"], results["estimates"], results["menus"]))
