"""Figures of a second look: what it tells apart, and which share of the calls it saves at a drop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from benchmarks.common.judge import APGR, Figures, Floats, Judged, compare
from benchmarks.common.plots import GRID
from benchmarks.second_look.data import Mask
from hybrid_llm.look import AGREEMENT, LOGPROBS, QUERY, LookRows, Path, agreement_head
from hybrid_llm.metrics import auc, bootstrap, oracle_curve, random_curve, tradeoff_curve

AUC: Final = "auc"
DROPS: Final = (0.01, 0.02, 0.05)
SHARES: Final = {drop: f"local at {drop:g}" for drop in DROPS}
QUERY_ONLY, LOOK, ORACLE, RANDOM = "query only", "second look", "oracle", "random"
WITHOUT_QUERY, WITHOUT_AGREEMENT = "log-probabilities and agreement", "query and log-probabilities"
WITHOUT_LOGPROBS, AGREEMENT_ALONE = "query and agreement", "agreement alone"
LOGPROBS_UNTRAINED, AGREEMENT_UNTRAINED = "log-probabilities, untrained", "agreement, untrained"
LOCAL, BOTH, DROP = "local", "both run", "drop"
Paths = Mapping[tuple[str, ...], Path]
Result = dict[str, Any]


def look_figures(scores: Floats, small: Floats, large: Floats, weights: Floats | None = None) -> Figures:
    """Return AUC, APGR and the shares that stay local at some drops, each the mean over the rows of scores."""
    good = small >= large
    found = []
    for repetition in scores:
        curve = tradeoff_curve(repetition, small, large, weights)
        shares = (curve.cost_advantage_at(drop) for drop in DROPS)
        found.append([auc(repetition, good, weights), curve.apgr, *shares])
    return dict(zip((AUC, APGR, *SHARES.values()), np.mean(found, axis=0).tolist(), strict=True))


def judged(
    ids: Sequence[str],
    small: Floats,
    large: Floats,
    scores: Mapping[str, Floats],
    differences: Sequence[tuple[str, str]],
    repetitions: int,
) -> Result:
    """Judge several scores on the same n rows, the oracle beside them.

    Args:
        ids: Of the rows.
        small: Shape (n,), quality of small.
        large: Shape (n,), quality of large.
        scores: By name arrays of shape (n,).
        differences: Pairs of names; the figures of the first minus those of the second, paired.
        repetitions: Resamples of the rows.

    Returns:
        Plain JSON values: ``n``, both qualities, ``figures``, ``random`` (shares alone).
    """
    rows = one(ids, small, large, {**scores, ORACLE: small - large})
    straight = random_curve(small, large)
    return {
        "n": len(ids),
        "small_quality": float(small.mean()),
        "large_quality": float(large.mean()),
        "figures": compare([rows], differences, repetitions, look_figures),
        RANDOM: {name: straight.cost_advantage_at(drop) for drop, name in SHARES.items()},
    }


def one(ids: Sequence[str], small: Floats, large: Floats, scores: Mapping[str, Floats]) -> Judged:
    """Return rows as :func:`benchmarks.common.judge.compare` takes them, in an order that no file changes."""
    order = np.argsort(np.array(ids))
    columns = {name: column[order][None, :] for name, column in scores.items()}
    return Judged([ids[place] for place in order], small[order], large[order], columns)


def drawn(small: Floats, large: Floats, scores: Mapping[str, Floats]) -> dict[str, list[float]]:
    """Return the drop of each score, and of random and the oracle, on a grid of shares, for the picture."""
    curves = {name: tradeoff_curve(column, small, large) for name, column in scores.items()}
    curves |= {RANDOM: random_curve(small, large), ORACLE: oracle_curve(small, large)}
    return {
        name: np.round(np.interp(GRID, curve.cost_advantage, curve.drop), 5).tolist() for name, curve in curves.items()
    }


def seen_scores(paths: Paths, rows: LookRows, only: Sequence[str] | None = None) -> Floats:
    """Return s of n answers, shape (n,): each by the path of the most that is there; 0 without one, or by a check.

    Args:
        paths: As training makes them.
        rows: The answers.
        only: Columns that may be seen; all by default.
    """
    s = np.zeros(len(rows))
    for columns, path in sorted(paths.items(), key=lambda item: len(item[0])):
        if only is None or set(columns) <= set(only):
            there = rows.having(columns)
            s[there] = path.head.scores({name: rows.column(name)[there] for name in columns})
    return np.where(rows.usable, s, 0.0)


def untrained_scores(rows: LookRows, checkers: Sequence[str]) -> dict[str, Floats]:
    """Return what needs no training, arrays of shape (n,): log-probabilities, and agreement with ties broken."""
    found = {}
    logprobs = rows.column(LOGPROBS)
    if there := bool(np.isfinite(logprobs).any()):
        found[LOGPROBS_UNTRAINED] = np.where(rows.usable, np.nan_to_num(logprobs, nan=-99.0), -99.0)
    if checkers:
        tie = LOGPROBS if there else QUERY
        head = agreement_head(checkers, tie)
        s = head.scores({name: np.nan_to_num(rows.column(name), nan=0.0) for name in head.columns})
        found[AGREEMENT_UNTRAINED] = np.where(rows.usable, s, 0.0)
    return found


def all_scores(paths: Paths, rows: LookRows, checkers: Sequence[str]) -> dict[str, Floats]:
    """Return the scores of the query alone, of the second look, of its parts, and of what needs no training.

    Args:
        paths: As training makes them.
        rows: n answers.
        checkers: Names of the checkers.
    """
    logprobs = bool(np.isfinite(rows.column(LOGPROBS)).any())
    agreement = [AGREEMENT + name for name in checkers]
    found = {QUERY_ONLY: rows.p, LOOK: seen_scores(paths, rows)}
    if logprobs and checkers:
        found[WITHOUT_QUERY] = seen_scores(paths, rows, [LOGPROBS, *agreement])
        found[WITHOUT_AGREEMENT] = seen_scores(paths, rows, [QUERY, LOGPROBS])
        found[WITHOUT_LOGPROBS] = seen_scores(paths, rows, [QUERY, *agreement])
    if checkers:
        found[AGREEMENT_ALONE] = seen_scores(paths, rows, agreement)
    return found | untrained_scores(rows, checkers)


def decided(ids: Sequence[str], kept: Mask, looked: Mask, small: Floats, large: Floats, repetitions: int) -> Result:
    """Judge fixed decisions: the shares that stay local and on which both models ran, and the drop, with intervals.

    Args:
        ids: Of the n rows.
        kept: Shape (n,), whether small's answer is shown.
        looked: Shape (n,), whether small is asked.
        small: Shape (n,), quality of small.
        large: Shape (n,), quality of large.
        repetitions: Resamples of the rows.
    """
    order = np.argsort(np.array(ids))
    local, both = (column[order].astype(np.float64) for column in (kept, looked & ~kept))
    lost, all_large = (kept * (large - small))[order], large[order]

    def figures(weights: Floats) -> dict[str, float]:
        total = weights.sum()
        shares = {LOCAL: float(weights @ local / total), BOTH: float(weights @ both / total)}
        return shares | {DROP: float(weights @ lost / (weights @ all_large))}

    intervals = bootstrap(figures, len(ids), repetitions)
    return {name: {"value": value, "ci": intervals[name]} for name, value in figures(np.ones(len(ids))).items()}
