"""Rules that choose a threshold, in worlds whose truth is known: how often each breaks its promise, what it saves."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.promise_simulation.worlds import BINS, Floats, World, worlds
from hybrid_llm.certify import Evidence, certify, certify_menu
from hybrid_llm.certify.betting import mixed

CONFIDENCE = 0.95
SIZES = (100, 300, 500, 1000, 2000, 5000, 20_000)
REPETITIONS = 2000
RULES = ("betting", "bernstein", "hoeffding", "empirical", "skipping")
NAMES = {"betting": "ours", "bernstein": "empirical Bernstein", "hoeffding": "Hoeffding", "empirical": "empirical rule"}

Cell = dict[str, Any]


# ---- rules ----------------------------------------------------------------------------------------------------------


def walk(passed: NDArray[np.bool_], first: int = 0) -> int:
    """Return the last threshold of the unbroken run of passes that begins at ``first``; -1 when there is none."""
    run = int(np.argmin(np.append(passed[first:], False)))
    return first + run - 1 if run else -1


def betting(rows: Evidence, max_drop: float, likely: int) -> NDArray[np.bool_]:
    """Test as :func:`hybrid_llm.certify.certify` does; thresholds beyond ``likely`` only when it gets there."""
    for stop in (likely, rows.thresholds.size):
        passed = mixed(rows.log_wealth(max_drop, slice(0, stop))) >= -math.log(1 - CONFIDENCE)
        if not passed.all():
            break
    return np.append(passed, np.zeros(rows.thresholds.size - stop, dtype=bool))


def moments(rows: Evidence, max_drop: float) -> tuple[Floats, Floats]:
    """Return the mean and the variance of z at each threshold."""
    allowed = max_drop * rows.large
    share = allowed[rows.query]
    change = (rows.after - share) ** 2 - (rows.before - share) ** 2
    square = ((allowed**2).sum() + np.append(0.0, np.cumsum(change))[rows.routed]) / rows.n
    mean = rows.drop_points - max_drop * rows.large_quality
    return mean, np.maximum(square - mean**2, 0.0) * rows.n / (rows.n - 1)


def choices(rows: Evidence, max_drop: float, likely: int) -> dict[str, int]:
    """Return the index of the threshold that each rule takes, -1 for always large."""
    width, delta = 2.0 - max_drop, 1 - CONFIDENCE
    mean, variance = moments(rows, max_drop)
    hoeffding = mean + width * math.sqrt(math.log(1 / delta) / (2 * rows.n)) <= 0
    log2 = math.log(2 / delta)
    # Maurer and Pontil, arXiv 0907.3740, theorem 4
    bernstein = mean + np.sqrt(2 * variance * log2 / rows.n) + 7 * width * log2 / (3 * (rows.n - 1)) <= 0
    within = np.flatnonzero((rows.drop <= max_drop) & (rows.routed > 0))
    passed = betting(rows, max_drop, likely)
    worth = rows.small_quality < rows.large_quality  # certify says "routing needs no promise" otherwise
    return {
        "betting": walk(passed) if worth else -1,
        "skipping": walk(passed, int(np.argmax(rows.routed > 0))) if worth else -1,
        "bernstein": walk(bernstein) if worth else -1,
        "hoeffding": walk(hoeffding) if worth else -1,
        "empirical": int(within[-1]) if within.size else -1,
    }


# ---- one cell -------------------------------------------------------------------------------------------------------


def simulate(world: World, n: int, repetitions: int, rng: np.random.Generator) -> list[Cell]:
    """Let every rule choose ``repetitions`` times; one record per limit."""
    grid = (np.arange(BINS) / BINS)[::-1]
    share, drop = world.truth(grid)
    likely = {
        d: max(1, min(grid.size, int(np.searchsorted(np.maximum.accumulate(drop), 1.3 * d)))) for d in world.drops
    }
    picked = {d: {rule: np.full(repetitions, -1) for rule in RULES} for d in world.drops}
    for i in range(repetitions):
        scores, small, large, groups = world.draw(rng, n)
        rows = Evidence.gather(scores, small, large, groups=groups if world.labels else None)
        for d in world.drops:
            for rule, index in choices(rows, d, likely[d]).items():
                picked[d][rule][i] = index if index >= 0 and rows.routed[index] else -1
    best = {d: float(share[drop <= d + 1e-12].max(initial=0.0)) for d in world.drops}
    # index -1 is "always large": nothing saved, nothing lost
    shares, drops = np.append(share, 0.0), np.append(drop, 0.0)
    return [
        {
            "world": world.name,
            "n": n,
            "max_drop": d,
            "repetitions": repetitions,
            "best": best[d],
            "breakable": bool((drop > d + 1e-12).any()),
            **{
                rule: {
                    "broken": float((drops[index] > d + 1e-12).mean()),
                    "cost_advantage": float(shares[index].mean()),
                    "feasible": float((index >= 0).mean()),
                }
                for rule, index in picked[d].items()
            },
        }
        for d in world.drops
    ]


def run(sizes: tuple[int, ...], repetitions: int, seed: int = 0) -> list[Cell]:
    """Simulate every world at every size; each cell has its own seed, so that one can be repeated alone."""
    cells = []
    for w, world in enumerate(worlds()):
        for n in sizes:
            if n <= world.largest:
                began = time.perf_counter()
                cells += simulate(world, n, repetitions, np.random.default_rng([seed, w, n]))
                print(f"{world.name:10} n={n:<6} {time.perf_counter() - began:6.1f} s", file=sys.stderr)
    return cells


def estimates(repetitions: int, seed: int = 0) -> list[Cell]:
    """Check ``needed_n``: draw that many fresh queries and see whether the cost advantage comes out as estimated."""
    cells = []
    for w, world in enumerate(worlds()[:3]):
        for max_drop, n in ((0.01, 300), (0.02, 100)):
            rng = np.random.default_rng([seed, w, n])
            needed: list[int] = []
            reached: list[float] = []
            for _ in range(repetitions):
                first = certify(*world.draw(rng, n)[:3], max_drop=max_drop)
                if first.needed_n is None or first.needed_cost_advantage is None:
                    continue
                again = certify(*world.draw(rng, min(first.needed_n, 50_000))[:3], max_drop=max_drop)
                needed.append(first.needed_n)
                reached.append(again.cost_advantage / first.needed_cost_advantage)
            some = np.array(reached or [math.nan], dtype=np.float64)
            cells.append(
                {
                    "world": world.name,
                    "n": n,
                    "max_drop": max_drop,
                    "estimates": len(needed),
                    "median_needed_n": float(np.median(needed) if needed else math.nan),
                    "feasible_then": float(np.mean(some > 0)),
                    "median_share_reached": float(np.median(some)),
                }
            )
    return cells


def menu_costs(repetitions: int, seed: int = 0) -> list[Cell]:
    """Compare one promise alone with the same promise on a menu of the five usual levels and itself."""
    cells = []
    for w, world in enumerate(worlds()[:2]):
        for n in (500, 2000, 10_000):
            rng = np.random.default_rng([seed, w, n])
            alone, menu = [], []
            for _ in range(repetitions):
                columns = world.draw(rng, n)[:3]
                alone.append(certify(*columns, max_drop=0.04).cost_advantage)
                menu.append(certify_menu(*columns, max_drop=0.04).asked.cost_advantage)
            means = {"alone": float(np.mean(alone)), "menu": float(np.mean(menu))}
            cells.append({"world": world.name, "n": n, "max_drop": 0.04, **means})
    return cells


def told(cells: list[Cell]) -> list[Cell]:
    """Leave out the world in which the groups are kept from the rules: nothing is promised there."""
    return [cell for cell in cells if cell["world"] != "ungrouped"]


def powered(cells: list[Cell]) -> list[Cell]:
    """Return the cells that the claim about power is for; ``misled`` is shown, but no walk can pass a bad top."""
    easy = ("easy", "hard", "graded", "rare", "ties", "groups")
    return [c for c in cells if c["world"] in easy and c["n"] >= 2000 and c["max_drop"] >= 0.03]


def claims(cells: list[Cell]) -> dict[str, bool]:
    """Return the claims of docs/measured/promise.md, each with whether this run bears it out."""
    repetitions = cells[0]["repetitions"]
    limit = 0.05 + 2 * math.sqrt(0.05 * 0.95 / repetitions)
    empirical = np.mean([c["empirical"]["broken"] for c in told(cells) if c["breakable"]])
    return {
        f"ours breaks at most {limit:.4f} in every cell": all(c["betting"]["broken"] <= limit for c in told(cells)),
        f"the empirical rule breaks {empirical:.3f}, more than 0.20": bool(empirical > 0.20),
        "ours reaches half of the best cost advantage": all(
            c["betting"]["cost_advantage"] >= c["best"] / 2 for c in powered(cells)
        ),
    }
