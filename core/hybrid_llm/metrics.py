"""How good a router is: the trade-off curve and the figures read off it, with intervals.

A *cut* sends the queries with the highest scores to small and the others to large. Queries with equal scores are
never split by a cut, so nothing here depends on the order of the rows. Between two cuts a figure is interpolated,
which is what breaking the tie at random gives on average.

Sources: cost advantage and quality drop, section 4.1 of arXiv 2404.14618; performance gap recovered (PGR), APGR and
CPT, section 3 of arXiv 2406.18665, here exact over all cuts instead of ten points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_llm.errors import TableError
from hybrid_llm.level import ALWAYS_LARGE, ALWAYS_SMALL

FloatArray = NDArray[np.float64]

COST_ADVANTAGES: Final = (0.1, 0.2, 0.4)
DROPS: Final = (0.0, 0.01, 0.02, 0.05)
SLACK: Final = 1e-12
"""Rounding that a comparison with a limit forgives."""


@dataclass(frozen=True)
class Curve:
    """Quality of the routed mix at every cut, from "always large" to "always small".

    Args:
        thresholds: Shape (k,), falling; cut i sends scores >= thresholds[i] to small.
        cost_advantage: Shape (k,), rising from 0 to 1.
        quality: Shape (k,), mean quality of the mix.
    """

    thresholds: FloatArray
    cost_advantage: FloatArray
    quality: FloatArray

    @property
    def large_quality(self) -> float:
        """Mean quality when every query goes to large."""
        return float(self.quality[0])

    @property
    def small_quality(self) -> float:
        """Mean quality when every query goes to small."""
        return float(self.quality[-1])

    @property
    def drop_points(self) -> FloatArray:
        """Shape (k,): quality lost against always-large, in units of quality."""
        return self.large_quality - self.quality

    @property
    def drop(self) -> FloatArray:
        """Shape (k,): quality lost as a share of the quality of always-large (NaN when that is 0)."""
        if self.large_quality <= 0:
            return np.full_like(self.quality, np.nan)
        return self.drop_points / self.large_quality

    def drop_at(self, cost_advantage: float) -> float:
        """Return the quality drop at a cost advantage, interpolated between cuts."""
        return float(np.interp(cost_advantage, self.cost_advantage, self.drop))

    def drop_points_at(self, cost_advantage: float) -> float:
        """Return the numerator of :meth:`drop_at`."""
        return float(np.interp(cost_advantage, self.cost_advantage, self.drop_points))

    def cut_within(self, max_drop: float) -> int:
        """Return the index of the cut with the largest cost advantage whose drop is at most ``max_drop``.

        Cut 0 (always large) has no drop, so there is always one for ``max_drop >= 0``.
        """
        within = np.flatnonzero(self.drop_points <= max_drop * self.large_quality + SLACK)
        return int(within[-1]) if within.size else 0

    def cost_advantage_at(self, max_drop: float) -> float:
        """Return the largest cost advantage of a cut whose drop is at most ``max_drop``."""
        return float(self.cost_advantage[self.cut_within(max_drop)])

    @property
    def apgr(self) -> float:
        """Area under PGR over the share of large calls; 0.5 for random routing, NaN when large is not better."""
        gap = self.large_quality - self.small_quality
        if gap <= SLACK:
            return float("nan")
        recovered = (self.quality - self.small_quality) / gap
        return float(np.trapezoid(recovered, self.cost_advantage))

    def cpt(self, share: float) -> float:
        """Return the smallest share of large calls that recovers ``share`` of the gap (NaN without a gap)."""
        gap = self.large_quality - self.small_quality
        if gap <= SLACK:
            return float("nan")
        recovers = np.flatnonzero(self.quality - self.small_quality >= share * gap - SLACK)
        return float(1.0 - self.cost_advantage[recovers[-1]])


def _columns(*columns: ArrayLike) -> tuple[FloatArray, ...]:
    arrays = tuple(np.asarray(column, dtype=np.float64) for column in columns)
    if any(a.ndim != 1 or a.shape != arrays[0].shape for a in arrays) or arrays[0].size == 0:
        shapes = ", ".join(str(a.shape) for a in arrays)
        raise TableError(f"Scores and qualities must be arrays of the same length (n,), n >= 1; got shapes {shapes}.")
    if not all(np.isfinite(a).all() for a in arrays):
        raise TableError("Scores and qualities must be finite; there is a NaN or an infinity in them.")
    return arrays


def tradeoff_curve(
    scores: ArrayLike, q_small: ArrayLike, q_large: ArrayLike, weights: ArrayLike | None = None
) -> Curve:
    """Compute the quality of the mix at every cut.

    Args:
        scores: Shape (n,), any finite scale; high means small is good enough.
        q_small: Shape (n,), mean quality of the small model's responses.
        q_large: Shape (n,), the same for the large model.
        weights: Shape (n,), how often each row counts (default: once).

    Raises:
        TableError: Lengths differ, n is 0, or a value is not finite.

    Example:
        >>> curve = tradeoff_curve([0.9, 0.5, 0.1], [1.0, 0.5, 0.0], [1.0, 1.0, 1.0])
        >>> curve.cost_advantage_at(0.0)
        0.3333333333333333
    """
    s, small, large = _columns(scores, q_small, q_large)
    w = np.ones_like(s) if weights is None else _columns(weights, s)[0]
    order = np.argsort(-s, kind="stable")
    s, gain, w = s[order], ((small - large) * w)[order], w[order]
    ends = np.flatnonzero(np.append(s[1:] != s[:-1], True))
    return Curve(
        thresholds=np.concatenate([[ALWAYS_LARGE], _between(s, ends)]),
        cost_advantage=np.concatenate([[0.0], np.cumsum(w)[ends] / w.sum()]),
        quality=np.average(large, weights=w[np.argsort(order)])
        + np.concatenate([[0.0], np.cumsum(gain)[ends] / w.sum()]),
    )


def _between(falling: FloatArray, ends: NDArray[np.intp]) -> FloatArray:
    """Thresholds half-way between neighbouring scores, so that rounding cannot flip a decision."""
    last = falling[ends]
    below = np.append(falling[ends[:-1] + 1], ALWAYS_SMALL)
    middle = (last + below) / 2
    middle = np.where(middle > below, middle, last)
    middle[-1] = min(ALWAYS_SMALL, last[-1])
    return middle


def random_curve(q_small: ArrayLike, q_large: ArrayLike, weights: FloatArray | None = None) -> Curve:
    """Return the expectation of routing at random: a straight line with n + 1 cuts."""
    small, large = _columns(q_small, q_large)
    share = np.linspace(0.0, 1.0, small.size + 1)
    of_small, of_large = (float(np.average(quality, weights=weights)) for quality in (small, large))
    return Curve(ALWAYS_LARGE * (1 - share), share, of_large + share * (of_small - of_large))


def oracle_curve(q_small: ArrayLike, q_large: ArrayLike, weights: FloatArray | None = None) -> Curve:
    """Return the best curve that any router can reach: it knows every gap H beforehand."""
    small, large = _columns(q_small, q_large)
    w = np.ones_like(small) if weights is None else _columns(weights, small)[0]
    order = np.argsort(large - small, kind="stable")
    gain, w = ((small - large) * w)[order], w[order]
    share = np.linspace(0.0, 1.0, small.size + 1) if weights is None else np.append(0.0, np.cumsum(w)) / w.sum()
    quality = np.average(large, weights=weights) + np.append(0.0, np.cumsum(gain)) / w.sum()
    return Curve(ALWAYS_LARGE * (1 - share), share, quality)


def auc(scores: ArrayLike, positive: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return the probability that a positive row scores higher than a negative one, ties counting half.

    Args:
        scores: Shape (n,).
        positive: Shape (n,), true where H >= 0, that is where small is good enough.
        weights: Shape (n,), how often each row counts.

    Returns:
        A number in [0, 1]; NaN when one of the two classes is empty.
    """
    s, y = _columns(scores, np.asarray(positive, dtype=np.float64))
    w = np.ones_like(s) if weights is None else _columns(weights, s)[0]
    _, place = np.unique(s, return_inverse=True)
    good, bad = np.bincount(place, w * y), np.bincount(place, w * (1 - y))
    if good.sum() <= 0 or bad.sum() <= 0:
        return float("nan")
    below = np.cumsum(bad) - bad
    return float((good * (below + bad / 2)).sum() / (good.sum() * bad.sum()))


def figures(curve: Curve, auc_value: float) -> dict[str, Any]:
    """Return the figures of one curve under their public names (the keys of ``evaluate --json``)."""
    return {
        "auc": auc_value,
        "apgr": curve.apgr,
        "cpt50": curve.cpt(0.5),
        "cpt80": curve.cpt(0.8),
        "drop_at_cost_advantage": {str(c): curve.drop_at(c) for c in COST_ADVANTAGES},
        "drop_points_at_cost_advantage": {str(c): curve.drop_points_at(c) for c in COST_ADVANTAGES},
        "cost_advantage_at_drop": {str(d): curve.cost_advantage_at(d) for d in DROPS},
    }


def evaluate(
    scores: ArrayLike,
    q_small: ArrayLike,
    q_large: ArrayLike,
    *,
    repetitions: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    queries: ArrayLike | None = None,
) -> dict[str, Any]:
    """Compute every figure of a router on one table, beside random and oracle, with bootstrap intervals.

    Args:
        scores: Shape (n,), p(x) of each query.
        q_small: Shape (n,), mean quality of the small model's responses.
        q_large: Shape (n,), the same for the large model.
        repetitions: Bootstrap resamples of the rows; 0 leaves the intervals out.
        confidence: Coverage of the (percentile) intervals.
        seed: Seed of the bootstrap; the result does not depend on the order of the rows.
        queries: Shape (n,), a whole number for the query of each row, where one may have several rows: they are drawn
            together, since several answers to a query say little more than one, and count as one query.

    Returns:
        Plain JSON values; a figure that is not defined is ``None``. Shares are fractions.
    """
    asked = np.arange(np.size(scores)) if queries is None else queries
    s, small, large, query = canonical_order(scores, q_small, q_large, asked)
    good = small - large >= -1e-9
    place = in_order_of_appearance(query)
    once = counted_once(place)
    uneven = once if once.min() < 1 else None
    result: dict[str, Any] = {
        "n": int(s.size),
        "small_quality": float(np.average(small, weights=once)),
        "large_quality": float(np.average(large, weights=once)),
        **figures(tradeoff_curve(s, small, large, once), auc(s, good, once)),
        "random": figures(random_curve(small, large, uneven), 0.5),
        "oracle": figures(oracle_curve(small, large, uneven), auc(good, good, once)),
    }
    if repetitions:

        def resampled(drawn: FloatArray) -> dict[str, Any]:
            weights = drawn[place] * once
            curve = tradeoff_curve(s, small, large, weights)
            means = {"small_quality": curve.small_quality, "large_quality": curve.large_quality}
            return means | figures(curve, auc(s, good, weights))

        result["ci"] = bootstrap(resampled, int(place.max()) + 1, repetitions, confidence, seed)
    cleaned = _json_ready(result)
    assert isinstance(cleaned, dict)
    return cleaned


def in_order_of_appearance(labels: FloatArray) -> NDArray[np.intp]:
    """Number labels from 0 in the order in which they first stand there."""
    _, first, place = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[place], dtype=np.intp)


def counted_once(query: NDArray[np.intp]) -> FloatArray:
    """Return weights of n rows with which each query counts once, however many rows it has; 1 where all have as many.

    Args:
        query: Shape (n,), a whole number for the query of each row.
    """
    rows = np.bincount(query)[query]
    return np.asarray(rows.min() / rows, dtype=np.float64)


def canonical_order(*columns: ArrayLike) -> tuple[FloatArray, ...]:
    """Sort rows by their values, so that a seeded resample is the same whatever order the file had."""
    arrays = _columns(*columns)
    order = np.lexsort(arrays[::-1])
    return tuple(a[order] for a in arrays)


def bootstrap(
    statistic: Callable[[FloatArray], Any], n: int, repetitions: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Any:
    """Return percentile intervals ``[low, high]`` in the shape of what ``statistic(weights)`` returns.

    Args:
        statistic: Maps row weights (n,) to a number or a (nested) dict of numbers.
        n: Number of rows.
        repetitions: Number of resamples.
        confidence: Coverage.
        seed: Seed of the resamples.
    """
    rng = np.random.default_rng(seed)
    draws = [statistic(rng.multinomial(n, np.full(n, 1 / n)).astype(np.float64)) for _ in range(repetitions)]
    tail = (1 - confidence) / 2

    def interval(values: list[Any]) -> Any:
        if isinstance(values[0], dict):
            return {key: interval([v[key] for v in values]) for key in values[0]}
        defined = np.asarray([v for v in values if np.isfinite(v)], dtype=np.float64)
        return [float(q) for q in np.quantile(defined, [tail, 1 - tail])] if defined.size else None

    return interval(draws)


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_ready(item) for key, item in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
