"""What a router is worth on the rows of a pair: curves with a band, figures, and what each quality level does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm import metrics
from hybrid_llm.errors import HybridLLMError
from hybrid_llm.metrics import Curve
from hybrid_llm.report.levels import OperatingPoint, points_of, thresholds_of
from hybrid_llm.report.looked import Looked, evaluate_look
from hybrid_llm.report.spent import ArmSpent, spent_on
from hybrid_llm.scoring import UNFAMILIAR

if TYPE_CHECKING:
    from hybrid_llm.router import Router, RouterParts
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]

GRID: Final = np.linspace(0.0, 1.0, 41)
"""The cost advantages at which the band stands."""
CONFIDENCE: Final = 0.95


@dataclass(frozen=True, eq=False)
class Band:
    """Where the router's curve lies in 95 % of the resamples of the rows, cost advantage by cost advantage.

    Args:
        cost_advantage: Shape (k,), from 0 to 1.
        low: Shape (k,), the lower end of the quality drop, in points of quality.
        high: Shape (k,), its upper end.
    """

    cost_advantage: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a router is worth on the rows of a pair.

    Args:
        pair: n rows.
        scores: Shape (n,), their scores.
        familiar: Shape (n,), false where a query is unlike those of training: at a quality level it goes to large.
        parts: The router.
        seen: How many of the rows fitting or choosing saw.
        figures: What :func:`hybrid_llm.metrics.evaluate` found.
        curves: The trade-off of the ``router``, of the ``length`` of the query (the shorter ones to small), of
            ``random`` and of the ``oracle``.
        band: The interval of the router's curve; None without resamples.
        points: What the quality levels do, the strictest first; none where the router has no thresholds of the pair.
        spent: What each arm's answers cost and took, by ``small`` and ``large``; empty when the table does not say.
        source: Where the rows came from, in words.
        left_out: Whether each row was scored by a fit that left it out, and not by the router itself.
        looked: What the router's second look is worth on the rows; None where it has none, or they say too little.
    """

    pair: PairTable
    scores: FloatArray
    familiar: NDArray[np.bool_]
    parts: RouterParts
    seen: int
    figures: Mapping[str, Any]
    curves: Mapping[str, Curve]
    band: Band | None = None
    points: tuple[OperatingPoint, ...] = ()
    spent: Mapping[str, ArmSpent] = field(default_factory=dict)
    source: str = ""
    left_out: bool = False
    looked: Looked | None = None

    def at(self, quality: float) -> OperatingPoint | None:
        """Return what a quality level does, if it was looked at."""
        return next((point for point in self.points if abs(point.quality - quality) < 1e-9), None)

    def kept(self, point: OperatingPoint) -> NDArray[np.bool_]:
        """Return for each row whether small answers it at a level, shape (n,)."""
        return (self.scores >= point.threshold) & self.familiar


def evaluate_router(
    router: Router,
    pair: PairTable,
    *,
    scores: FloatArray | None = None,
    levels: Sequence[float] = (),
    repetitions: int = 1000,
    band: bool = True,
    source: str = "",
    computing: Callable[[], None] = lambda: None,
    looked: Looked | None = None,
) -> Evaluation:
    """Judge a router on the rows of a pair.

    Args:
        router: The router.
        pair: n rows; the figures mean most when training did not see them.
        scores: Shape (n,), scores by fits that did not see the row, where the router itself saw all of them; by
            default the router scores the queries.
        levels: The quality levels to look at, each in (0, 1].
        repetitions: Resamples for the 95 % intervals; 0 for none.
        band: Whether the curve gets its interval too, which only a picture needs.
        source: Where the rows came from, in words.
        computing: Called when the queries are scored and the figures come next.
        looked: What the second look is worth, where that is known already.

    Raises:
        HybridLLMError: There is not one score for each row.

    Example:
        >>> from hybrid_llm import QualityTable, Router
        >>> from hybrid_llm.testing import FixedScorer
        >>> queries = [f"{kind} {i}" for i in range(20) for kind in ("easy", "hard")]
        >>> rows = [{"query": q, "quality": {"tiny": float("easy" in q), "big": 1.0}} for q in queries]
        >>> pair = QualityTable.from_rows(rows).pair("tiny", "big")
        >>> router = Router(FixedScorer({q: 0.9 for q in queries if "easy" in q}, default=0.1))
        >>> evaluation = evaluate_router(router.calibrate(pair), pair, levels=[0.95], repetitions=20)
        >>> evaluation.at(0.95).cost_advantage
        0.5
    """
    given = scores is not None
    scores = router.score(pair.queries) if scores is None else np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(pair),):
        raise HybridLLMError(f"{len(pair)} rows need as many scores, got an array of shape {scores.shape}.")
    familiarity = router.familiarity(pair.queries)
    computing()
    familiar = ~(familiarity < UNFAMILIAR)  # where nobody knows (NaN), the score decides
    thresholds = thresholds_of(router.parts, pair, levels)
    spent = spent_on(pair)
    return Evaluation(
        pair=pair,
        scores=scores,
        familiar=familiar,
        parts=router.parts,
        seen=0 if given or router.record is None else router.record.count_seen(pair.ids, pair.queries),
        figures=metrics.evaluate(scores, pair.mean_small, pair.mean_large, repetitions=repetitions),
        curves=curves_of(pair, scores),
        band=_band(scores, pair, repetitions) if band and repetitions else None,
        points=points_of(thresholds, scores, familiar, pair, spent, repetitions, CONFIDENCE),
        spent=spent,
        source=source,
        left_out=given,
        looked=looked
        if looked is not None or given
        else evaluate_look(router, pair, scores=scores, levels=levels, repetitions=repetitions),
    )


def curves_of(pair: PairTable, scores: FloatArray) -> dict[str, Curve]:
    """Return the trade-off of a router beside those of the query's length, of random routing and of an oracle.

    Args:
        pair: n rows.
        scores: Shape (n,), the router's scores.
    """
    small, large = pair.mean_small, pair.mean_large
    return {
        "router": metrics.tradeoff_curve(scores, small, large),
        "length": metrics.tradeoff_curve([-float(len(query)) for query in pair.queries], small, large),
        "random": metrics.random_curve(small, large),
        "oracle": metrics.oracle_curve(small, large),
    }


def _band(scores: FloatArray, pair: PairTable, repetitions: int) -> Band:
    s, small, large = metrics.canonical_order(scores, pair.mean_small, pair.mean_large)

    def resampled(weights: FloatArray) -> dict[int, float]:
        curve = metrics.tradeoff_curve(s, small, large, weights)
        return dict(enumerate(np.interp(GRID, curve.cost_advantage, curve.drop_points)))

    intervals = metrics.bootstrap(resampled, s.size, repetitions, CONFIDENCE)
    low, high = np.array([intervals[i] for i in range(len(GRID))]).T
    return Band(GRID, low, high)
