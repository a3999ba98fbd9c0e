"""Rules that choose a rung, in worlds whose truth is known: how often each breaks its promise, what it saves."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.promise_look_simulation.worlds import LookWorld, worlds

CONFIDENCE = 0.95
SIZES = (100, 500, 1000, 3000)
REPETITIONS = 2000
ROWS = 200_000
"""Answers that are drawn at once: what a few hundred megabytes hold."""
RULES = ("betting", "empirical")
THIN = "gaps as large"
"""The rule that leaves no answer out: tried where the rows lack what the traffic shows."""

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
