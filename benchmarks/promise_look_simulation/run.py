"""Does the promise for the second look hold, and what does it cost? A simulation in which the truth is known.

    python -m benchmarks.promise_look_simulation.run # minutes on one core
    python -m benchmarks.promise_look_simulation.run --quick    # seconds, few repetitions, writes nothing

Each world is a population of answers whose drop is known exactly at every rung of the ladder. A repetition draws
calibration queries from it, lets several rules choose a rung, and looks up what that rung does to the population. A
promise is broken when the true drop exceeds the limit. Exits with 1 when a claim of docs/measured/promise_look.md does
not hold.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.promise_look_simulation.worlds import DROPS, LookWorld, worlds

CONFIDENCE = 0.95
SIZES = (100, 500, 1000, 3000)
REPETITIONS = 2000
ROWS = 200_000
"""Answers that are drawn at once: what a few hundred megabytes hold."""
RULES = ("betting", "empirical")
THIN = "gaps as large"
"""The rule that leaves no answer out: tried where the rows lack what the traffic shows."""
ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "promise_look_simulation.json"
PAGE = ROOT / "docs" / "measured" / "promise_look.md"

Cell = dict[str, Any]


def simulate(world: LookWorld, n: int, repetitions: int, rng: np.random.Generator) -> list[Cell]:
    """Let every rule choose ``repetitions`` times; one record per limit."""
    share, drop = world.truth()
    worst = np.maximum.accumulate(drop)
    likely = {d: max(1, min(drop.size, int(np.searchsorted(worst, 1.3 * d)))) for d in world.drops}
    picked: dict[tuple[float, str], list[NDArray[np.intp]]] = {}
    most = max(1, ROWS // (n * world.samples))
    for size in [most] * (repetitions // most) + [repetitions % most] * (repetitions % most > 0):
        draws = world.draw(rng, size, n)
        batch = world.batch(*draws)
        thin = world.batch(*draws, gaps_as_large=True) if world.gaps else None
        for d in world.drops:
            picked.setdefault((d, "betting"), []).append(batch.proved(d, CONFIDENCE, likely[d]))
            picked.setdefault((d, "empirical"), []).append(batch.empirical(d))
            if thin is not None:
                picked.setdefault((d, THIN), []).append(thin.proved(d, CONFIDENCE))
    # index -1 is "always large": nothing saved, nothing lost
    shares, drops = np.append(share, 0.0), np.append(drop, 0.0)
    found = {key: np.concatenate(places) for key, places in picked.items()}
    return [
        {
            "world": world.name,
            "n": n,
            "max_drop": d,
            "repetitions": repetitions,
            "best": float(share[drop <= d + 1e-12].max(initial=0.0)),
            "breakable": bool((drop > d + 1e-12).any()),
            **{
                rule: {
                    "broken": float((drops[index] > d + 1e-12).mean()),
                    "cost_advantage": float(shares[index].mean()),
                    "feasible": float((index >= 0).mean()),
                }
                for (limit, rule), index in found.items()
                if limit == d
            },
        }
        for d in world.drops
    ]


def run(sizes: tuple[int, ...], repetitions: int, seed: int = 0) -> list[Cell]:
    """Simulate every world at every size; each cell has its own seed, so that one can be repeated alone."""
    cells = []
    for w, world in enumerate(worlds()):
        began = time.perf_counter()
        for n in sizes:
            cells += simulate(world, n, repetitions, np.random.default_rng([seed, w, n]))
        print(f"{world.name:10} {time.perf_counter() - began:6.1f} s", file=sys.stderr)
    return cells


# ---- what the page says ---------------------------------------------------------------------------------------------


def powered(cells: list[Cell]) -> list[Cell]:
    """Return the cells that the claim about power is for: in the others half of the rows or the top rungs are bad."""
    hard = ("gaps", "misled", "edge")
    return [c for c in cells if c["world"].split()[0] not in hard and c["n"] >= 2000 and c["max_drop"] >= 0.05]


def claims(cells: list[Cell]) -> dict[str, bool]:
    """Return the claims of docs/measured/promise_look.md, each with whether this run bears it out."""
    limit = 0.05 + 2 * math.sqrt(0.05 * 0.95 / cells[0]["repetitions"])
    empirical = float(np.mean([c["empirical"]["broken"] for c in cells if c["breakable"]]))
    thin = max(c[THIN]["broken"] for c in cells if THIN in c)
    return {
        f"ours breaks at most {limit:.4f} in every cell": all(c["betting"]["broken"] <= limit for c in cells),
        f"the empirical rule breaks {empirical:.3f}, more than 0.20": empirical > 0.20,
        f"with gaps counted as large's ours would break {thin:.3f}, more than 0.20": thin > 0.20,
        "ours reaches half of the best cost advantage": all(
            c["betting"]["cost_advantage"] >= c["best"] / 2 for c in powered(cells)
        ),
    }


def validity_table(cells: list[Cell]) -> str:
    """Broken promises of each world, over the cells where a promise can be broken at all."""
    texts = {world.name.removesuffix(f" {world.drops[0]:.0%}"): world.text for world in worlds()}
    rows = []
    for kind, text in texts.items():
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


def main() -> int:
    """Run, write the results and the page, and say which claims hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions and sizes; write nothing")
    quick = parser.parse_args().quick
    cells = run((300, 2000), 40) if quick else run(SIZES, REPETITIONS)
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(cells, indent=1) + "\n", encoding="utf-8")
        write_between(PAGE, "simulation", page(cells))
    verdicts = claims(cells)
    for claim, holds in verdicts.items():
        print(f"{'holds' if holds else 'FAILS'}: {claim}")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
