"""What a second look is worth on the rows of a pair: the same figures as for a router, for the whole path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm import metrics
from hybrid_llm.errors import LevelError
from hybrid_llm.level import Level
from hybrid_llm.look import LookRows, PathCalibration, SecondLook
from hybrid_llm.metrics import Curve
from hybrid_llm.report.levels import OperatingPoint
from hybrid_llm.report.spent import ArmSpent, spent_on
from hybrid_llm.router import judges, look_rows

if TYPE_CHECKING:
    from hybrid_llm.router import Router
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Looked:
    """What a second look is worth on the rows of a pair, as it is served: unfamiliar queries skip the gate.

    Args:
        look: The look.
        rows: n answers of small.
        heights: Shape (n,), from which height on each is kept.
        looked: Shape (n,), from which height on each is looked at.
        figures: What :func:`hybrid_llm.metrics.evaluate` finds of the heights.
        curve: Their trade-off.
        both_run_at_drop: At each drop of ``figures["cost_advantage_at_drop"]`` the share of queries on which both ran.
        points: What the quality levels do, the strictest first; none where nothing was measured.
        seconds: Mean seconds of a request: ``large`` alone, and ``look`` at the strictest of the points that keeps
            anything; empty where the table does not say.
    """

    look: SecondLook
    rows: LookRows
    heights: FloatArray
    looked: FloatArray
    figures: Mapping[str, Any]
    curve: Curve
    both_run_at_drop: Mapping[str, float]
    points: tuple[OperatingPoint, ...]
    seconds: Mapping[str, float]

    def at(self, quality: float) -> OperatingPoint | None:
        """Return what a quality level does, if it was looked at."""
        return next((point for point in self.points if abs(point.quality - quality) < 1e-9), None)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values: the figures, with ``both_run_at_drop``."""
        return {**self.figures, "both_run_at_drop": dict(self.both_run_at_drop), "checkers": list(self.look.checkers)}


def evaluate_look(
    router: Router,
    pair: PairTable,
    *,
    scores: FloatArray | None = None,
    heights: tuple[FloatArray, FloatArray] | None = None,
    levels: Sequence[float] = (),
    repetitions: int = 1000,
) -> Looked | None:
    """Judge the second look of a router on the rows of a pair; None where it has none, or they say too little.

    Args:
        router: The router.
        pair: m rows.
        scores: Shape (m,), the queries' scores where they are known already.
        heights: From which height on each answer is looked at and kept, by fits that did not see it.
        levels: Quality levels to look at.
        repetitions: Resamples for the 95 % intervals; 0 for none.
    """
    look = router.second_look
    if look is None or not judges(look, pair):
        return None
    rows = look_rows(router, pair, look, scores)
    measured = look.paths[look.columns].calibration if heights is not None else None
    looked, kept = heights if heights is not None else look.along(rows)
    figures = metrics.evaluate(kept, rows.small, rows.large, repetitions=repetitions, queries=rows.query)
    curve = metrics.tradeoff_curve(kept, rows.small, rows.large, metrics.counted_once(rows.query))
    spent, weights = spent_on(pair), rows.weights
    points = tuple(_points_measured(measured, levels) if measured else _points(look, rows, levels, spent))
    return Looked(
        look=look,
        rows=rows,
        heights=kept,
        looked=looked,
        figures=figures,
        curve=curve,
        both_run_at_drop={str(drop): _both(curve, drop, looked, kept, weights) for drop in metrics.DROPS},
        points=points,
        seconds=_seconds(points, pair, look.checkers),
    )


def _both(curve: Curve, drop: float, looked: FloatArray, kept: FloatArray, weights: FloatArray) -> float:
    height = float(curve.thresholds[curve.cut_within(drop)])
    return float(np.average((looked >= height) & (kept < height), weights=weights))


def _points(
    look: SecondLook, rows: LookRows, levels: Sequence[float], spent: Mapping[str, ArmSpent]
) -> list[OperatingPoint]:
    points = []
    for quality in levels:
        try:
            plan = look.plan(Level("quality", quality))
        except LevelError:
            return []
        asked, shown = look.served(rows, plan)
        weights, large = rows.weights, float(np.average(rows.large, weights=rows.weights))
        lost = float(np.average(np.where(shown, rows.large - rows.small, 0.0), weights=weights))
        point = OperatingPoint(
            quality=quality,
            threshold=plan.gate,
            certified=plan.certified,
            cost_advantage=float(np.average(shown, weights=weights)),
            drop=lost / large if large > 0 else None,
            drop_points=lost,
            both_run=float(np.average(asked & ~shown, weights=weights)),
        )
        points.append(_billed(point, rows, asked, shown, spent))
    return points


def _points_measured(measured: PathCalibration, levels: Sequence[float]) -> list[OperatingPoint]:
    """Return what the levels did where they were measured, on answers that the heads had left out."""
    cuts = [(quality, measured.cut(Level("quality", quality))) for quality in levels]
    return [
        OperatingPoint(
            quality, cut.height, False, cut.cost_advantage, cut.drop, cut.drop_points or 0.0, both_run=cut.both_run
        )
        for quality, cut in cuts
    ]


def _billed(
    point: OperatingPoint,
    rows: LookRows,
    asked: BoolArray,
    shown: BoolArray,
    spent: Mapping[str, ArmSpent],
) -> OperatingPoint:
    """Return a point with its bill: small is paid where it was asked, large where small's answer was not shown."""
    if not {"small", "large"} <= spent.keys():
        return point
    small, large = spent["small"].usd[rows.query], spent["large"].usd[rows.query]
    known = np.isfinite(small) & np.isfinite(large)
    if not known.any():
        return point
    paid = np.where(asked, small, 0.0) + np.where(shown, 0.0, large)
    weights = rows.weights[known]
    usd, alone = (1000 * float(np.average(column[known], weights=weights)) for column in (paid, large))
    return replace(point, usd_per_1000=usd, saved_usd_per_1000=alone - usd)


def _seconds(points: Sequence[OperatingPoint], pair: PairTable, checkers: Sequence[str]) -> dict[str, float]:
    """Return the mean seconds of a request, where the table tells those of all models.

    Small and its checkers run side by side, so that an answer that is looked at takes as long as the slowest of them.
    """
    point = next((point for point in points if point.cost_advantage > 0), None)
    beside = [_mean_seconds(pair, model) for model in (pair.small, *checkers)]
    large = _mean_seconds(pair, pair.large)
    if point is None or large is None or None in beside:
        return {}
    looked = max(seconds for seconds in beside if seconds is not None)
    asked = point.cost_advantage + point.both_run
    return {"large": large, "look": asked * looked + (1 - point.cost_advantage) * large}


def _mean_seconds(pair: PairTable, model: str) -> float | None:
    told = [one.seconds for row in pair.responses for one in row.get(model, ()) if one.seconds is not None]
    return sum(told) / len(told) if told else None
