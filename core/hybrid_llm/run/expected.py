"""What to expect of a level on further prompts, measured and not promised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_llm import metrics
from hybrid_llm.calibration import calibrate
from hybrid_llm.level import Level

FOLDS: Final = 5


@dataclass(frozen=True)
class Forecast:
    """What a quality level does on rows that did not choose its threshold (shares are fractions).

    Args:
        cost_advantage: Share of the rows that small answers.
        drop: The relative quality drop.
        low: Where it lies in 95 % of the resamples of the rows: the lower end.
        high: The upper end.
    """

    cost_advantage: float
    drop: float
    low: float
    high: float


def forecast(
    scores: ArrayLike,
    q_small: ArrayLike,
    q_large: ArrayLike,
    quality: float,
    *,
    repetitions: int = 1000,
    queries: ArrayLike | None = None,
    familiar: ArrayLike | None = None,
) -> Forecast:
    """Judge a quality level without the luck of the rows that choose its threshold.

    A threshold that looks best on some rows has mostly been lucky there. So each fifth of the rows is sent by the
    threshold that the other four choose.

    Args:
        scores: Shape (n,), of rows that the router was not fitted to, or each by a fit that leaves it out.
        q_small: Shape (n,), mean quality of the small model.
        q_large: Shape (n,), the same of the large model, above 0 on average.
        quality: The level, in (0, 1].
        repetitions: Resamples for the interval.
        queries: Shape (n,), a whole number for the query of each row, where one may have several rows: they stay
            together, in the fifths and in the resamples.
        familiar: Shape (n,), false where a quality level sends the query to large whatever its score. All by default.

    Example:
        >>> rows = np.arange(400)
        >>> found = forecast(rows / 400, (rows >= 100) * 1.0, np.ones(400), 0.95)
        >>> round(found.cost_advantage, 1), round(found.drop, 2)
        (0.8, 0.06)
    """
    asked = np.arange(np.size(scores)) if queries is None else queries
    known = np.ones(np.size(scores)) if familiar is None else np.asarray(familiar)
    s, small, large, labels, known = metrics.canonical_order(scores, q_small, q_large, asked, known)
    may = known > 0
    query = metrics.in_order_of_appearance(labels)
    n = int(query.max()) + 1
    fold = (np.random.default_rng(0).permutation(n) % FOLDS)[query]
    kept = np.zeros(s.size, dtype=bool)
    for number in range(FOLDS):
        rest = fold != number
        cut = calibrate(s[rest], small[rest], large[rest], familiar=may[rest]).cut(Level("quality", quality))
        kept[~rest] = (s[~rest] >= cut.threshold) & may[~rest]
    lost, once = np.where(kept, large - small, 0.0), metrics.counted_once(query)

    def drop(weights: NDArray[np.float64]) -> float:
        return float(lost @ weights) / max(float(large @ weights), metrics.SLACK)

    low, high = metrics.bootstrap(lambda drawn: drop(drawn[query] * once), n, repetitions)
    return Forecast(float(np.average(kept, weights=once)), drop(once), float(low), float(high))
