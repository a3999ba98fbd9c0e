"""What edits, prefixes and the rule for unfamiliar queries do to decisions, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.robustness.edits import CAPITALS, Edit
from benchmarks.robustness.gadgets import with_prefix
from benchmarks.robustness.routers import QUALITIES, Known
from hybrid_llm.metrics import bootstrap
from hybrid_llm.table import PairTable

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Figure = dict[str, Any]
"""``{"value": ..., "ci": [low, high]}``; counts stand beside them where it is a share."""

MOVE, FLIPS, FLIPS_MEDIAN = "mean move of the score", "decisions flipped", "flipped at the median"
KEPT, LOST = "quality kept before", "quality lost"
MEASURES: Final = (MOVE, FLIPS, FLIPS_MEDIAN, KEPT, LOST)
MOVE_LIMIT, FLIP_LIMIT, LOST_LIMIT, LOST_LIMIT_CAPITALS = 0.02, 0.03, 0.01, 0.02


def limits(edit: str) -> dict[str, float]:
    """Return what each measure of an edit should stay below; in capitals only the quality is bounded."""
    if edit == CAPITALS:
        return {LOST: LOST_LIMIT_CAPITALS}
    return {MOVE: MOVE_LIMIT, FLIPS: FLIP_LIMIT, FLIPS_MEDIAN: FLIP_LIMIT, LOST: LOST_LIMIT}


@dataclass(frozen=True, eq=False)
class Moved:
    """One edit of the test rows of one pair, read by one router; all arrays of shape (n,).

    Args:
        move: How far the score moved.
        flipped: Whether the decision at the quality level is another one.
        flipped_median: The same at the median, by the score alone.
        before: Quality of the model that answers the query as it was.
        after: Quality of the one that answers the edited query.
        large: Quality of the large model.
    """

    move: Floats
    flipped: Bools
    flipped_median: Bools
    before: Floats
    after: Floats
    large: Floats

    def measures(self, weights: Floats) -> dict[str, float]:
        """Return the measures of resampled rows."""
        large = weights @ self.large
        kept = weights @ self.before / large
        total = weights.sum()
        return {
            MOVE: float(weights @ self.move / total),
            FLIPS: float(weights @ self.flipped / total),
            FLIPS_MEDIAN: float(weights @ self.flipped_median / total),
            KEPT: float(kept),
            LOST: float(kept - weights @ self.after / large),
        }


def moved(known: Known, rows: PairTable, edit: Edit) -> Moved:
    """Edit every query and see what becomes of the decisions."""
    before, after = known.read(rows.queries), known.read([edit(query) for query in rows.queries])
    small, then = known.small(before), known.small(after)
    return Moved(
        np.abs(after.scores - before.scores),
        small != then,
        known.upper_half(before) != known.upper_half(after),
        np.where(small, rows.mean_small, rows.mean_large),
        np.where(then, rows.mean_small, rows.mean_large),
        rows.mean_large,
    )


def mean_over_pairs(pairs: Sequence[Moved], repetitions: int) -> dict[str, Figure]:
    """Return the measures as means over the pairs of models, which have rows of their own, with 95 % intervals."""
    ends = np.cumsum([len(pair.large) for pair in pairs])

    def statistic(weights: Floats) -> dict[str, float]:
        parts = np.split(weights, ends[:-1])
        each = [pair.measures(part) for pair, part in zip(pairs, parts, strict=True)]
        return {name: float(np.mean([one[name] for one in each])) for name in MEASURES}

    n = int(ends[-1])
    values, intervals = statistic(np.ones(n)), bootstrap(statistic, n, repetitions)
    return {name: {"value": values[name], "ci": intervals[name]} for name in MEASURES}


def share(which: Bools) -> Figure:
    """Return how large the share of a yes is, with its exact (Clopper-Pearson) 95 % interval; none of no rows."""
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    count, n = int(which.sum()), len(which)
    if not n:
        return {"value": None, "ci": None, "n": 0}
    interval = binomtest(count, n).proportion_ci()
    return {"value": count / n, "ci": [float(interval.low), float(interval.high)], "n": n}


def prefixed(known: Known, queries: Sequence[str], prefix: str) -> dict[str, Figure]:
    """Put a prefix before every query: who goes where now, at the quality level and by the score alone."""
    before, after = known.read(queries), known.read([with_prefix(prefix, query) for query in queries])
    found: dict[str, Figure] = {"unfamiliar": share(after.unfamiliar)}
    ways: dict[str, Callable[[Any], Bools]] = {"level": known.small, "median": known.upper_half}
    for name, small in ways.items():
        was, now = small(before), small(after)
        found[f"to large at {name}"] = share(~now[was])
        found[f"to small at {name}"] = share(now[~was])
    return found


def price(known: Known, rows: PairTable, repetitions: int) -> dict[str, dict[str, Figure]]:
    """Return for each quality level what the rule for unfamiliar queries costs on traffic like that of training.

    The figures: share of the queries that small answers with and without the rule, and the paired difference.
    """
    read = known.read(rows.queries)
    found = {}
    for quality in QUALITIES:
        ruled, free = (np.asarray(way(read, quality), dtype=np.float64) for way in (known.small, known.by_score))

        def statistic(weights: Floats, with_rule: Floats = ruled, without: Floats = free) -> dict[str, float]:
            total = weights.sum()
            shares = float(weights @ without / total), float(weights @ with_rule / total)
            return {"without": shares[0], "with": shares[1], "difference": shares[1] - shares[0]}

        values, intervals = statistic(np.ones(len(read.scores))), bootstrap(statistic, len(read.scores), repetitions)
        found[f"{quality:g}"] = {name: {"value": values[name], "ci": intervals[name]} for name in values}
    return found


def missed(edits: Mapping[str, Mapping[str, Figure]]) -> list[tuple[str, str, float, float]]:
    """Return (edit, measure, value, limit) of what is not below its limit."""
    return [
        (edit, measure, found[measure]["value"], limit)
        for edit, found in edits.items()
        for measure, limit in limits(edit).items()
        if found[measure]["value"] >= limit
    ]
