"""Soft labels from sampled scores: how likely is the small model's response as good as the large one's?

The quality gap of a query is H = q(small response) - q(large response); with several sampled responses of each model
every cross pair is one observation of H. Three labels (section 3 of arXiv 2404.14618) and the relaxation t* of Eq. 3:

- ``det``: 1 if H >= 0 for the first response of each model, else 0;
- ``prob``: Pr[H >= 0] over all cross pairs;
- ``trans``: Pr[H >= -t], with the t* that spreads the labels most.

Throughout, ``small`` and ``large`` are n sequences of scores, one sequence a query: lists of lists, lists of arrays or
an array (n, m). Their lengths may differ from query to query and between the models. Scores are finite numbers of any
range, higher is better. Gaps that differ by at most 1e-9 count as equal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_llm.errors import LabelError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LabelKind = Literal["det", "prob", "trans"]
Samples = Sequence[ArrayLike] | NDArray[np.float64]

TOLERANCE: Final = 1e-9
"""Gaps that differ by at most this count as equal."""


def det_labels(small: Samples, large: Samples) -> FloatArray:
    """Return 1 where the first response of the small model scores at least as high as the large model's, else 0.

    Args:
        small: n sequences of scores of the small model's responses.
        large: The same of the large model.

    Returns:
        Labels of shape (n,), each 0 or 1.

    Raises:
        LabelError: The sequences do not match in number, or one is empty or holds something not finite.

    Example:
        >>> det_labels([[0.5, 1.0], [0.2]], [[0.5], [0.9]])
        array([1., 0.])
    """
    s, g = _both(small, large)
    return (g.values[g.starts] - s.values[s.starts] <= TOLERANCE).astype(np.float64)


def prob_labels(small: Samples, large: Samples) -> FloatArray:
    """Return Pr[H >= 0] of each query, over all pairs of a small and a large response.

    Args:
        small: n sequences of scores of the small model's responses.
        large: The same of the large model.

    Returns:
        Labels of shape (n,) in [0, 1].

    Raises:
        LabelError: The sequences do not match in number, or one is empty or holds something not finite.

    Example:
        >>> prob_labels([[0.5, 1.0], [0.2]], [[0.5, 0.9], [0.9]])
        array([0.75, 0.  ])
    """
    return trans_labels(small, large, 0.0)


def trans_labels(small: Samples, large: Samples, t: float) -> FloatArray:
    """Return Pr[H >= -t] of each query, over all pairs of a small and a large response.

    Args:
        small: n sequences of scores of the small model's responses.
        large: The same of the large model.
        t: By how much the small model may be worse, in the unit of the scores; t >= 0. :func:`optimal_t` finds it.

    Returns:
        Labels of shape (n,) in [0, 1].

    Raises:
        LabelError: The sequences do not match in number, one is empty or holds something not finite, or t is negative
            or not finite.

    Example:
        >>> trans_labels([[0.5, 1.0], [0.2]], [[0.5, 0.9], [0.9]], t=0.4)
        array([1., 0.])
    """
    _check_t(t)
    return _labels(_cross_gaps(small, large), t)


def optimal_t(small: Samples, large: Samples) -> float:
    """Return t*, the smallest t >= 0 whose ``trans`` labels differ most from each other (Eq. 3 of arXiv 2404.14618).

    The labels change only where t passes an observed positive gap q(large) - q(small), so the objective is known
    exactly when it is known at 0 and at those gaps; all of them are evaluated, in integer arithmetic, so that ties
    are ties. The time grows with (number of pairs) log (number of pairs) and with (number of queries) x (number of
    different values that a label can take: 100 for 10 x 10 samples, more when the sample counts vary).

    Args:
        small: n sequences of scores of the small model's responses.
        large: The same of the large model.

    Returns:
        t*, which is 0 or an observed gap; 0.0 when no t makes the labels differ.

    Raises:
        LabelError: The sequences do not match in number, or one is empty or holds something not finite.

    Example:
        >>> small, large = [[0.1, 0.2], [0.5, 0.6]], [[0.9], [0.9]]
        >>> round(optimal_t(small, large), 6)
        0.4
        >>> trans_labels(small, large, t=0.4)
        array([0., 1.])
    """
    gaps = _cross_gaps(small, large)
    candidates = np.concatenate([[0.0], np.unique(gaps.values[gaps.values > 0.0])])
    return float(candidates[np.argmax(_spread_at(candidates, gaps))])


def t_objective(small: Samples, large: Samples, t: float) -> float:
    """Return (1/n^2) sum |y_i - y_j| of the ``trans`` labels at t, the objective of Eq. 3 of arXiv 2404.14618.

    It is (n - 1)/n times Gini's mean difference, computed from the sorted labels.

    Args:
        small: n sequences of scores of the small model's responses.
        large: The same of the large model.
        t: By how much the small model may be worse; t >= 0.

    Returns:
        A number in [0, 0.5].

    Raises:
        LabelError: As in :func:`trans_labels`.
    """
    labels = np.sort(trans_labels(small, large, t))
    n = len(labels)
    return float(2.0 * np.sum((2.0 * np.arange(1, n + 1) - n - 1.0) * labels) / n**2)


def grid_t(small: Samples, large: Samples, n: int = 50) -> float:
    """Return the best t of n evenly spaced values from 0 to the largest gap: the paper's search, for comparison only.

    Args:
        small: n sequences of scores of the small model's responses.
        large: The same of the large model.
        n: Number of values tried; the paper does not say how many it used.

    Returns:
        The smallest of the best values.

    Raises:
        LabelError: As in :func:`prob_labels`.
    """
    grid = np.linspace(0.0, max(0.0, float(_cross_gaps(small, large).values.max())), n)
    return float(grid[np.argmax([t_objective(small, large, float(t)) for t in grid])])


def make_labels(kind: LabelKind, small: Samples, large: Samples, t: float | None = None) -> tuple[FloatArray, float]:
    """Return labels of a kind, and the t that they were made with.

    Args:
        kind: ``"det"``, ``"prob"`` or ``"trans"``.
        small: n sequences of scores of the small model's responses.
        large: The same of the large model.
        t: For ``trans``, the relaxation; None finds t*. For the other kinds None or 0.

    Returns:
        The labels of shape (n,), and t (0 for ``det`` and ``prob``).

    Raises:
        LabelError: The kind is unknown, t is given to a kind that has none, or as in :func:`trans_labels`.
    """
    if kind not in get_args(LabelKind):
        raise LabelError(f"There is no label {kind!r}; use one of {', '.join(get_args(LabelKind))}.")
    if kind == "trans":
        t = optimal_t(small, large) if t is None else t
        return trans_labels(small, large, t), float(t)
    if t:
        raise LabelError(f"The label {kind!r} has no t; use the label 'trans' with t={t:g}, or leave t out.")
    return (det_labels if kind == "det" else prob_labels)(small, large), 0.0


class _Ragged(NamedTuple):
    """Numbers of n queries, one query after the other; those of query i begin at ``starts[i]``."""

    values: FloatArray
    starts: IntArray
    counts: IntArray


def _cross_gaps(small: Samples, large: Samples) -> _Ragged:
    """Return q(large) - q(small) of every cross pair of each query."""
    s, g = _both(small, large)
    counts = s.counts * g.counts
    starts = np.cumsum(counts) - counts
    within = np.arange(counts.sum()) - np.repeat(starts, counts)
    of_small, of_large = np.divmod(within, np.repeat(g.counts, counts))
    of_small += np.repeat(s.starts, counts)
    of_large += np.repeat(g.starts, counts)
    return _Ragged(g.values[of_large] - s.values[of_small], starts, counts)


def _labels(gaps: _Ragged, t: float) -> FloatArray:
    """Return the share of each query's gaps that are at most t."""
    good = np.add.reduceat(gaps.values <= t + TOLERANCE, gaps.starts, dtype=np.int64)
    return np.asarray(good / gaps.counts, dtype=np.float64)


def _spread_at(candidates: FloatArray, gaps: _Ragged) -> NDArray[np.generic]:
    """Return the objective of Eq. 3 at each candidate t, up to one factor and one constant, as exact integers.

    Let 0 = v_0 < v_1 < ... < v_L = 1 be the values that labels can take, and C_l(t) the number of labels that are at
    most v_l. Then sum |y_i - y_j| = 2 sum_l (v_{l+1} - v_l) C_l (n - C_l). Label i is at most v_l as long as t has not
    reached one certain gap of query i: in increasing order its gap number floor(v_l c_i), where c_i is the number of
    its pairs. So each level l has n events, one a query. The event of rank r lowers C_l from n - r to n - r - 1 and
    changes C_l (n - C_l) by n - 1 - 2r. The changes of all levels are added up at the candidates where they happen.
    """
    n = len(gaps.counts)
    distinct, kind = np.unique(gaps.counts, return_inverse=True)
    counts = [int(count) for count in distinct]
    unit = math.lcm(*counts)  # labels are whole multiples of 1/unit
    levels = sorted({k * (unit // count) for count in counts for k in range(count)})
    widths = [end - start for start, end in itertools.pairwise([*levels, unit])]
    # No sum of changes exceeds unit * n^2 / 4; Python's own integers where that could overflow 64 bits.
    exact = np.int64 if unit * n * n < 4 * 2**63 else np.object_
    change = np.zeros(len(candidates), dtype=exact)
    by_rank = (n - 1 - 2 * np.arange(n)).astype(exact)
    passed = _first_candidate(candidates, gaps)
    for level, width in zip(levels, widths, strict=True):
        number = np.array([level * count // unit for count in counts])[kind]
        events = np.sort(passed[gaps.starts + number])
        np.add.at(change, events, width * by_rank)
    return np.cumsum(change)


def _first_candidate(candidates: FloatArray, gaps: _Ragged) -> IntArray:
    """Return for each gap the number of the first candidate t that reaches it, sorted within each query."""
    order = np.argsort(gaps.values)
    first = np.empty(len(order), dtype=np.int64)
    first[order] = np.searchsorted(candidates + TOLERANCE, gaps.values[order])
    query = np.repeat(np.arange(len(gaps.counts)), gaps.counts) * len(candidates)
    return np.sort(first + query) - query


def _both(small: Samples, large: Samples) -> tuple[_Ragged, _Ragged]:
    """Check both models' scores and lay them out flat."""
    if len(small) != len(large):
        raise LabelError(f"small has {len(small)} rows and large {len(large)}; both need one for each query.")
    if len(small) == 0:
        raise LabelError("There are no rows to label; check the table and its split.")
    return _ragged("small", small), _ragged("large", large)


def _ragged(name: str, samples: Samples) -> _Ragged:
    """Check one model's scores and lay them out flat."""
    rows = [_row(name, number, row) for number, row in enumerate(samples)]
    counts = np.array([len(row) for row in rows], dtype=np.int64)
    scores = np.concatenate(rows)
    starts = np.cumsum(counts) - counts
    if not np.isfinite(scores).all():
        first = int(np.flatnonzero(~np.isfinite(scores))[0])
        row = int(np.searchsorted(starts, first, side="right")) - 1
        raise LabelError(f"{name}, row {row}: {scores[first]} is not a score; leave the query out or score it again.")
    return _Ragged(scores, starts, counts)


def _row(name: str, number: int, row: ArrayLike) -> FloatArray:
    """Check the scores of one query."""
    try:
        scores = np.asarray(row)
    except ValueError:
        scores = np.empty(0, dtype=np.object_)
    if scores.ndim == 1 and scores.size == 0 and scores.dtype.kind != "O":
        raise LabelError(f"{name}, row {number}: no score; each query needs at least one response of each model.")
    if scores.ndim != 1 or scores.dtype.kind not in "biuf":
        raise LabelError(f"{name}, row {number}: {row!r:.60} is not a sequence of numbers; give one per response.")
    return scores.astype(np.float64, copy=False)


def _check_t(t: float) -> None:
    if not (math.isfinite(t) and t >= 0.0):
        raise LabelError(f"t={t} is out of range; t is how much worse the small model may be, a finite number >= 0.")
