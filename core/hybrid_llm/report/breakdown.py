"""Where a router's figures come from: the gaps between both arms, the honesty of the score, and the tasks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.labels import TOLERANCE, LabelKind, make_labels

if TYPE_CHECKING:
    from hybrid_llm.report.evaluation import Evaluation
    from hybrid_llm.report.levels import OperatingPoint
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]

STEPS: Final = 5
"""Bars of the gap histogram on each side of "equal"."""
TASKS: Final = 12
"""Tasks shown on their own; the smaller ones are put together."""
FEW: Final = 30
"""A task of fewer rows says little."""
_BINS: Final = 10
_ROWS_A_BIN: Final = 20
_Z: Final = 1.959964


@dataclass(frozen=True)
class GapBar:
    """Rows whose quality gap H = q(small) - q(large) lies between two values; both 0: the gap is 0."""

    low: float
    high: float
    count: int
    share: float


@dataclass(frozen=True)
class ScoreBin:
    """Rows with neighbouring scores: what the score says, and what was found.

    Args:
        low: Lowest score.
        high: Highest score.
        count: Rows.
        score: Mean score.
        found: Share of the rows on which small was good enough.
        interval: Where ``found`` lies with 95 % confidence (Wilson).
    """

    low: float
    high: float
    count: int
    score: float
    found: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class TaskRow:
    """One task at one quality level.

    Args:
        name: The task.
        count: Rows.
        small_quality: Mean quality of always-small.
        large_quality: Mean quality of always-large.
        cost_advantage: Share of its rows that small answers; None without a level.
        drop_points: Quality lost there, in points; None without a level.
    """

    name: str
    count: int
    small_quality: float
    large_quality: float
    cost_advantage: float | None
    drop_points: float | None


def gap_bars(pair: PairTable) -> list[GapBar]:
    """Return how many rows have which gap between the mean qualities of both arms, from -1 to 1.

    Example:
        >>> from hybrid_llm import QualityTable
        >>> rows = [{"query": f"q{i}", "quality": {"tiny": i % 2, "big": 1}} for i in range(4)]
        >>> [(bar.low, bar.high, bar.count) for bar in gap_bars(QualityTable.from_rows(rows).pair("tiny", "big"))
        ...  if bar.count]
        [(-1.0, -0.8, 2), (0.0, 0.0, 2)]
    """
    gaps = pair.mean_small - pair.mean_large
    size = np.ceil(np.abs(gaps) * STEPS - TOLERANCE).clip(1, STEPS)
    place = np.where(np.abs(gaps) <= TOLERANCE, 0, np.sign(gaps) * size).astype(int)
    counts = np.bincount(place + STEPS, minlength=2 * STEPS + 1)
    return [
        GapBar(
            low=(bar if bar < 0 else max(bar - 1, 0)) / STEPS,
            high=(bar if bar > 0 else min(bar + 1, 0)) / STEPS,
            count=int(count),
            share=float(count) / len(pair),
        )
        for bar, count in zip(range(-STEPS, STEPS + 1), counts, strict=True)
    ]


def score_bins(evaluation: Evaluation) -> list[ScoreBin]:
    """Return what the score promises beside what was found, in up to ten bins of about equally many rows.

    "Good enough" means what the router was trained to predict: the label and its t of the training record, and
    otherwise Pr[H >= 0].
    """
    record, pair = evaluation.parts.record, evaluation.pair
    kind, t = (record.label, record.t) if record is not None else ("prob", 0.0)
    labels, _ = make_labels(cast("LabelKind", kind), pair.q_small, pair.q_large, t if kind == "trans" else None)
    order = np.argsort(evaluation.scores, kind="stable")
    scores, labels = evaluation.scores[order], labels[order]
    wanted = max(1, min(_BINS, len(scores) // _ROWS_A_BIN))
    ends = np.linspace(0, len(scores), wanted + 1).round().astype(int)[1:]
    ends = np.unique(np.searchsorted(scores, scores[ends - 1], side="right"))  # equal scores stay together
    starts = np.concatenate([[0], ends[:-1]])
    return [_bin(scores[start:end], labels[start:end]) for start, end in zip(starts, ends, strict=True)]


def calibration_error(bins: list[ScoreBin]) -> float:
    """Return by how much the score and what was found differ on average, bins counting by their rows."""
    counts = np.array([one.count for one in bins])
    return float(np.average([abs(one.score - one.found) for one in bins], weights=counts))


def task_rows(evaluation: Evaluation, point: OperatingPoint | None) -> list[TaskRow]:
    """Return the tasks, the largest first; the smaller ones put together, and those without a name.

    Args:
        evaluation: The rows and their scores.
        point: The level to judge them at, if there is one.

    Returns:
        Nothing when the table names no task, or one alone.
    """
    names = np.array([name or "" for name in evaluation.pair.tasks], dtype=object)
    kinds, counts = np.unique(names.astype(str), return_counts=True)
    if len(kinds) < 2:
        return []
    by_size = [str(kinds[i]) for i in np.lexsort((kinds, -counts)) if kinds[i]]
    shown = by_size[:TASKS] if len(by_size) > TASKS + 1 else by_size
    rows = [_task(evaluation, name, names == name, point) for name in shown]
    others = ~np.isin(names.astype(str), [*shown, ""])
    if others.any():
        rows.append(_task(evaluation, f"{len(by_size) - len(shown)} other tasks", others, point))
    if (names == "").any():
        rows.append(_task(evaluation, "without a task", names == "", point))
    return rows


def _task(evaluation: Evaluation, name: str, mask: NDArray[np.bool_], point: OperatingPoint | None) -> TaskRow:
    small, large = evaluation.pair.mean_small[mask], evaluation.pair.mean_large[mask]
    kept = evaluation.kept(point)[mask] if point is not None else None
    return TaskRow(
        name=name,
        count=int(mask.sum()),
        small_quality=float(small.mean()),
        large_quality=float(large.mean()),
        cost_advantage=float(kept.mean()) if kept is not None else None,
        drop_points=float(np.where(kept, large - small, 0.0).mean()) if kept is not None else None,
    )


def _bin(scores: FloatArray, labels: FloatArray) -> ScoreBin:
    found = float(labels.mean())
    return ScoreBin(
        low=float(scores[0]),
        high=float(scores[-1]),
        count=len(scores),
        score=float(scores.mean()),
        found=found,
        interval=_wilson(found, len(scores)),
    )


def _wilson(share: float, n: int) -> tuple[float, float]:
    middle, spread = share + _Z**2 / (2 * n), _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    scale = 1 + _Z**2 / n
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)
