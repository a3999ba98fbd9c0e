"""Calibration queries drawn from real rows again and again, for the whole path and for the query alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.pairs import Tables
from benchmarks.promise_simulation.study import walk
from hybrid_llm.certify import LEVELS, Evidence
from hybrid_llm.certify.betting import mixed
from hybrid_llm.router.looking import look_rows, shows
from hybrid_llm.scoring import Encoder
from hybrid_llm.table import normal_text
from hybrid_llm.training import train_and_score, train_second_look

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]
Cell = dict[str, Any]

DROPS = (0.01, 0.02, 0.05, 0.10)
SIZES = (100, 300, 1000, 3000)
REPETITIONS = 500
CONFIDENCE = 0.95
MENUS: Final = {"look": 2 * len(LEVELS), "query": len(LEVELS)}
"""Promises that hold at once: with a look those of the path and of the queries. All of :data:`DROPS` are usual levels.
"""


@dataclass(frozen=True)
class LookPair:
    """One pair of models whose answers a table holds."""

    name: str
    files: tuple[str, ...]
    small: str
    large: str
    checkers: tuple[str, ...] = ()


PAIRS: Final = (
    LookPair(
        "gsm8k + math_l5, gemma-2-9b",
        ("gsm8k", "math_l5"),
        "gemma-2-9b-it",
        "gpt-4o-2024-08-06",
        ("Meta-Llama-3.1-8B-Instruct",),
    ),
    LookPair(
        "mmlu_pro, Llama-3.1-8B",
        ("mmlu_pro",),
        "Meta-Llama-3.1-8B-Instruct",
        "gemini-1.5-pro-002",
        ("mathstral-7B", "Phi-3-mini-4k-instruct"),
    ),
    LookPair("plain, Qwen2.5-Coder-0.5B", ("plain",), "Qwen2.5-Coder-0.5B", "Qwen2.5-Coder-1.5B"),
)


@dataclass(frozen=True, eq=False)
class Judged:
    """One way to decide, on n rows of distinct queries.

    Args:
        heights: Shape (n,): the height of each answer on the ladder, or the score of each query.
        eligible: Shape (n,): which may go to small.
        small: Shape (n,), quality of small.
        large: Shape (n,), quality of large.
        thresholds: The fixed sequence, falling.
    """

    heights: Floats
    eligible: Bools
    small: Floats
    large: Floats
    thresholds: Floats

    def evidence(self, rows: Ints) -> Evidence:
        """Gather some of the rows."""
        return Evidence.gather(
            self.heights[rows], self.small[rows], self.large[rows], self.thresholds, None, self.eligible[rows]
        )

    def along(self, rows: Ints) -> tuple[Floats, Floats]:
        """Return the cost advantage and the drop of each threshold on some of the rows; the last is always large."""
        found = self.evidence(rows)
        return np.append(found.cost_advantage, 0.0), np.append(found.drop, 0.0)


@dataclass(frozen=True, eq=False)
class PathScores:
    """A pair on rows that neither router nor look saw: the whole path, and the query alone on the same rows."""

    name: str
    look: Judged
    query: Judged
    left_out: int = 0


def path_scores(data_dir: Path, cache: Path | None = None) -> Iterable[PathScores]:
    """Train a router with a second look for each pair and score what it never saw, one row per distinct query."""
    encoder, tables = CachedEncoder(Encoder.load(), cache), Tables(data_dir)
    for spec in PAIRS:
        if not tables.has(spec.files):
            continue
        pair = tables.pair(spec.files, spec.small, spec.large)
        router, scores = train_and_score(pair, encoder=encoder)
        router = train_second_look(router, pair, checkers=spec.checkers, scores=scores)
        look = router.second_look
        assert router.record is not None
        assert look is not None
        unseen = np.flatnonzero(np.isin(pair.row_splits, ["validation", "test"]))
        _, first = np.unique([normal_text(pair.queries[row]) for row in unseen], return_index=True)
        judged = pair.rows(unseen[np.sort(first)])
        rows = look_rows(router, judged, look)
        there = shows(look, rows)
        left_out, rows = int((~there).sum()), rows.take(there)
        heights = look.heights(rows)
        grid = np.asarray(router.record.thresholds)
        yield PathScores(
            spec.name,
            Judged(
                heights, (heights > 0) & rows.known, rows.small, rows.large, look.paths[look.columns].ladder.heights
            ),
            Judged(rows.p, np.ones(len(rows), dtype=bool), rows.small, rows.large, np.unique(grid)[::-1]),
            left_out,
        )


def proved(rows: Evidence, max_drop: float, menu: int) -> tuple[int, int]:
    """Return the places of the certified thresholds, alone and in a menu of so many promises; -1 for none."""
    if rows.small_quality >= rows.large_quality:  # routing needs no promise then
        return -1, -1
    wealth = mixed(rows.log_wealth(max_drop))
    found = [walk(wealth >= math.log(together / (1 - CONFIDENCE))) for together in (1, menu)]
    alone, among = (at if at >= 0 and rows.routed[at] else -1 for at in found)
    return alone, among


def empirical(rows: Evidence, max_drop: float) -> int:
    """Return the place of the lowest threshold whose measured drop is within the limit, -1 for none."""
    within = np.flatnonzero((rows.drop <= max_drop) & (rows.routed > 0))
    return int(within[-1]) if within.size else -1


RULES: Final = ("look", "look in a menu", "query", "query in a menu", "look, empirical")


def chosen(of_look: Evidence, of_query: Evidence, max_drop: float) -> dict[str, int]:
    """Return the place that each rule takes."""
    look, query = (proved(rows, max_drop, MENUS[kind]) for kind, rows in (("look", of_look), ("query", of_query)))
    return dict(zip(RULES, (*look, *query, empirical(of_look, max_drop)), strict=True))


def study(
    pair: PathScores, sizes: tuple[int, ...] = SIZES, repetitions: int = REPETITIONS, seed: int = 0
) -> list[Cell]:
    """Draw calibration queries both ways; one record per way, size and limit."""
    n = pair.look.heights.size
    everything = np.arange(n)
    truth = {"look": pair.look.along(everything), "query": pair.query.along(everything)}
    found: dict[tuple[str, int, float, str], list[tuple[float, float]]] = {}
    for i in range(repetitions):
        rng = np.random.default_rng([seed, i])
        order = rng.permutation(n)
        half, rest = order[: n // 2], order[n // 2 :]
        judged = {"look": pair.look.along(rest), "query": pair.query.along(rest)}
        ways = [("draws", size, rng.integers(n, size=size), truth) for size in sizes]
        for way, size, rows, verdict in [*ways, ("splits", n // 2, half, judged)]:
            of_look, of_query = pair.look.evidence(rows), pair.query.evidence(rows)
            for max_drop in DROPS:
                for rule, at in chosen(of_look, of_query, max_drop).items():
                    shares, drops = verdict[rule.split()[0].rstrip(",")]
                    found.setdefault((way, size, max_drop, rule), []).append((float(drops[at]), float(shares[at])))
    return [
        {
            "pair": pair.name,
            "rows": n,
            "left_out": pair.left_out,
            "way": way,
            "n": size,
            "max_drop": max_drop,
            "best": {name: float(shares[drops <= max_drop + 1e-12].max()) for name, (shares, drops) in truth.items()},
            **{rule: summary(found[way, size, max_drop, rule], max_drop) for rule in RULES},
        }
        for way, size in [*(("draws", size) for size in sizes), ("splits", n // 2)]
        for max_drop in DROPS
    ]


def summary(outcomes: list[tuple[float, float]], max_drop: float) -> dict[str, float]:
    """Return the share of broken promises, the mean cost advantage, and how often anything is promised."""
    drops, shares = np.array(outcomes).T
    return {
        "broken": float((drops > max_drop + 1e-12).mean()),
        "cost_advantage": float(shares.mean()),
        "feasible": float((shares > 0).mean()),
    }


# ---- what the page says ---------------------------------------------------------------------------------------------
