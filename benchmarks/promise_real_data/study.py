"""Calibration queries drawn from real rows again and again: how often a promise breaks, and what it saves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.pairs import PAIRS, Tables
from hybrid_llm.certify import certify
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.scoring import Encoder
from hybrid_llm.table import normal_text
from hybrid_llm.training import train

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Cell = dict[str, Any]

DROPS = (0.01, 0.02, 0.05, 0.10)
REPETITIONS = 500
EMPIRICAL_SAMPLES = 500  # section 4.5 of arXiv 2404.14618


@dataclass(frozen=True)
class PairScores:
    """One pair of models on rows that the router never saw, one row per distinct query.

    Args:
        name: As the table shows it.
        scores: Shape (n,), the router's p(x).
        small: Shape (n,), mean quality of the small model's responses.
        large: Shape (n,), the same for the large model.
        thresholds: The router's fixed sequence (quantiles of its training scores); ``None`` for the even grid.
    """

    name: str
    scores: Floats
    small: Floats
    large: Floats
    thresholds: Floats | None = None


def pair_scores(data_dir: Path, cache: Path | None = None) -> Iterable[PairScores]:
    """Train a router for each pair and score the rows that it never saw, one row per distinct query."""
    encoder, tables = CachedEncoder(Encoder.load(), cache), Tables(data_dir)
    for spec in PAIRS:
        if not tables.has(spec.files):
            continue
        pair = tables.of(spec)
        router = train(pair, encoder=encoder)
        assert router.record is not None
        unseen = pair.rows(np.isin(pair.row_splits, ["validation", "test"]))
        columns = (router.score(unseen.queries), unseen.mean_small, unseen.mean_large)
        yield PairScores(spec.name, *_distinct(unseen.queries, columns), thresholds=router.record.thresholds)


def _distinct(queries: Sequence[str], columns: Sequence[Floats]) -> list[Floats]:
    _, group = np.unique([normal_text(query) for query in queries], return_inverse=True)
    return [np.bincount(group, column) / np.bincount(group) for column in columns]


@dataclass(frozen=True)
class Verdicts:
    """What thresholds do to a set of rows."""

    scores: Floats
    small: Floats
    large: Floats

    def drop(self, threshold: float) -> float:
        """Return the relative drop of a threshold on the rows."""
        lost = np.where(self.scores >= threshold, self.large - self.small, 0.0).mean()
        return float(lost / self.large.mean())

    def cost_advantage(self, threshold: float) -> float:
        """Return the share of the rows that a threshold sends to small."""
        return float((self.scores >= threshold).mean())


def proved(pair: PairScores, rows: Ints, max_drop: float) -> float:
    """Return the certified threshold."""
    columns = (pair.scores[rows], pair.small[rows], pair.large[rows])
    return certify(*columns, max_drop, thresholds=pair.thresholds).threshold


def empirical(pair: PairScores, rows: Ints, max_drop: float) -> float:
    """Return the paper's threshold: the largest cost advantage whose drop on 500 samples is within the limit."""
    some = rows[:EMPIRICAL_SAMPLES]
    curve = tradeoff_curve(pair.scores[some], pair.small[some], pair.large[some])
    return float(curve.thresholds[curve.cut_within(max_drop)])


RULES: dict[str, Callable[[PairScores, Ints, float], float]] = {"ours": proved, "empirical": empirical}


def study(pair: PairScores, repetitions: int = REPETITIONS, seed: int = 0) -> list[Cell]:
    """Draw calibration queries both ways; one record per way and limit."""
    n = pair.scores.size
    everything = Verdicts(pair.scores, pair.small, pair.large)
    curve = tradeoff_curve(pair.scores, pair.small, pair.large)
    found: dict[tuple[str, float, str], list[tuple[float, float]]] = {}
    for i in range(repetitions):
        rng = np.random.default_rng([seed, i])
        order = rng.permutation(n)
        half, rest = order[: n // 2], order[n // 2 :]
        judged = Verdicts(pair.scores[rest], pair.small[rest], pair.large[rest])
        for way, rows, verdict in (("draws", rng.integers(n, size=n // 2), everything), ("splits", half, judged)):
            for max_drop in DROPS:
                for rule, choose in RULES.items():
                    threshold = choose(pair, rows, max_drop)
                    outcome = (verdict.drop(threshold), verdict.cost_advantage(threshold))
                    found.setdefault((way, max_drop, rule), []).append(outcome)
    return [
        {
            "pair": pair.name,
            "way": way,
            "calibration": n // 2,
            "max_drop": max_drop,
            "best": curve.cost_advantage_at(max_drop),
            "always_small_drop": everything.drop(0.0),
            **{rule: summary(found[way, max_drop, rule], max_drop) for rule in RULES},
        }
        for way in ("draws", "splits")
        for max_drop in DROPS
    ]


def summary(outcomes: list[tuple[float, float]], max_drop: float) -> dict[str, float]:
    """Return the share of broken promises, by how much, and the mean cost advantage."""
    drops, shares = np.array(outcomes).T
    broken = drops > max_drop + 1e-12
    return {
        "broken": float(broken.mean()),
        "worst_drop": float(drops.max()),
        "cost_advantage": float(shares.mean()),
        "always_large": float((shares == 0).mean()),
    }
