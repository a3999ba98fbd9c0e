"""Calibration rows, checked, and what they say about every threshold.

One concept: a row is a query that the router scored and both models answered. Sorted by falling score, row j is the
j-th query that goes to small as the threshold falls. :mod:`hybrid_llm.certify` judges what is gathered here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_llm.certify.betting import bets, log_wealth_along
from hybrid_llm.errors import CertificateError
from hybrid_llm.level import ALWAYS_LARGE

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Evidence:
    """Checked rows; made by :meth:`gather`.

    Row j changes the loss of its query from ``before[j]`` to ``after[j]``. With one row a query these are 0 and l - s.
    In a group of k rows each row adds its (l - s) / k to what the rows of its group above it have lost.

    Args:
        thresholds: Shape (t,), falling.
        routed: Shape (t,), number of rows with score >= threshold.
        cost_advantage: Shape (t,), share of queries that go to small.
        drop_points: Shape (t,), measured quality drop in units of quality.
        query: Shape (m,), which distinct query a row belongs to.
        before: Shape (m,), in [-1, 1].
        after: Shape (m,), in [-1, 1].
        large: Shape (n,), mean quality of large on each distinct query.
        small_quality: Mean quality of always-small over distinct queries.
        large_quality: Mean quality of always-large over distinct queries, above 0.
    """

    thresholds: FloatArray
    routed: IntArray
    cost_advantage: FloatArray
    drop_points: FloatArray
    query: IntArray
    before: FloatArray
    after: FloatArray
    large: FloatArray
    small_quality: float
    large_quality: float

    @property
    def n(self) -> int:
        """Number of distinct queries."""
        return int(self.large.size)

    @property
    def drop(self) -> FloatArray:
        """Shape (t,): measured relative quality drop."""
        return self.drop_points / self.large_quality

    def lost(self, at: int) -> FloatArray:
        """Shape (n,): what each distinct query loses, r (l - s), at one threshold."""
        rows = slice(0, int(self.routed[at]))
        lost = np.bincount(self.query[rows], weights=self.after[rows] - self.before[rows], minlength=self.n)
        return lost.astype(np.float64)

    def log_wealth(self, max_drop: float, at: slice = slice(None), stakes: FloatArray | None = None) -> FloatArray:
        """Bet, at each threshold, that the mean of z = r (l - s) - max_drop * l is below zero.

        Args:
            max_drop: The limit, in [0, 1).
            at: Which thresholds.
            stakes: Shape (b,), the bets; :func:`hybrid_llm.certify.betting.bets` by default.

        Returns:
            Shape (thresholds, b): the log wealth of each bet. It never falls when ``max_drop`` rises.
        """
        made = self.routed[at]
        rows = slice(0, int(made.max()))
        allowed = max_drop * self.large
        share = allowed[self.query[rows]]
        stakes = bets(self.n) if stakes is None else stakes
        return log_wealth_along(-allowed, self.before[rows] - share, self.after[rows] - share, made, stakes)

    @classmethod
    def gather(
        cls,
        scores: ArrayLike,
        q_small: ArrayLike,
        q_large: ArrayLike,
        thresholds: ArrayLike | None = None,
        groups: Iterable[Any] | None = None,
        eligible: ArrayLike | None = None,
    ) -> Evidence:
        """Check and sort calibration rows; the arguments are those of :func:`hybrid_llm.certify.certify`.

        Raises:
            CertificateError: Lengths differ, a value is missing or out of range, or large scores 0 everywhere.
        """
        p, small, large = _column("scores", scores), _column("q_small", q_small), _column("q_large", q_large)
        label = np.zeros(p.size, dtype=np.intp) if groups is None else _labels(groups)
        if not p.size == small.size == large.size == label.size:
            sizes = f"{p.size}, {small.size}, {large.size}, {label.size}"
            raise CertificateError(f"scores, q_small, q_large and groups need one value per row; got {sizes}.")
        if eligible is not None:
            may = np.asarray(eligible, dtype=bool)
            if may.shape != p.shape:
                raise CertificateError(f"eligible needs one value per row; got {may.shape} for {p.size} rows.")
            p = np.where(may, p, -1.0)  # below every threshold, 0 too
        # an order that depends on values only: the sums below must not see how the file was sorted
        order = np.lexsort((large, small, label, -p))
        p, small, large, label = p[order], small[order], large[order], label[order]
        query = np.arange(p.size) if groups is None else label
        share = 1.0 / np.bincount(query)
        mean_large = np.bincount(query, large) * share
        if mean_large.max() <= 0.0:
            raise CertificateError(
                "The large model scores 0 on every row, so no relative drop exists; check the scores."
            )
        loss = (large - small) * share[query]
        before = _lost_above(loss, query)
        grid = _thresholds(thresholds)
        routed = np.searchsorted(-p, -grid, side="right")
        return cls(
            thresholds=grid,
            routed=routed,
            cost_advantage=_sums(share[query], routed) / share.size,
            drop_points=_sums(loss, routed) / share.size,
            query=query,
            before=before,
            after=before + loss,
            large=mean_large,
            small_quality=float((np.bincount(query, small) * share).mean()),
            large_quality=float(mean_large.mean()),
        )


def _column(name: str, values: ArrayLike) -> FloatArray:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise CertificateError(f"{name} must be numbers, one per row (the mean, where a query has several).") from None
    if column.ndim != 1 or column.size == 0:
        raise CertificateError(f"{name} must have shape (n,) with n >= 1; got {column.shape}.")
    bad = ~((column >= 0.0) & (column <= 1.0))  # NaN is bad too
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise CertificateError(f"{name} must lie in [0, 1]; row {row} has {column[row]}. Rescale or drop such rows.")
    return column


def _labels(groups: Iterable[Any]) -> IntArray:
    labels = list(groups)
    try:
        place = {label: i for i, label in enumerate(sorted(set(labels)))}
    except TypeError:
        raise CertificateError("groups must be labels of one kind, all texts or all numbers.") from None
    return np.array([place[label] for label in labels], dtype=np.intp)


def _thresholds(thresholds: ArrayLike | None) -> FloatArray:
    try:
        grid = np.arange(1000) / 1000 if thresholds is None else np.asarray(thresholds, dtype=np.float64)
    except (TypeError, ValueError):
        raise CertificateError("thresholds must be numbers in [0, 2].") from None
    if grid.ndim != 1 or grid.size == 0 or not ((grid >= 0.0) & (grid <= ALWAYS_LARGE)).all():
        raise CertificateError("thresholds must be numbers in [0, 2], at least one.")
    return np.unique(grid)[::-1]


def _lost_above(loss: FloatArray, query: IntArray) -> FloatArray:
    """Sum, for each row, the loss of the rows of the same query that stand above it."""
    if query.size == query.max() + 1:  # one row a query
        return np.zeros_like(loss)
    by_query = np.argsort(query, kind="stable")
    total = np.cumsum(loss[by_query]) - loss[by_query]
    first = np.append(True, np.diff(query[by_query]) > 0)
    above = np.empty_like(loss)
    above[by_query] = total - total[first][np.cumsum(first) - 1]
    return above


def _sums(values: FloatArray, counts: IntArray) -> FloatArray:
    """Sum the first ``count`` values, for each count."""
    return np.append(0.0, np.cumsum(values))[counts]
