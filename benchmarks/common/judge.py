"""Intervals for figures and for differences between routers, from the same resamples of the rows.

A difference is *paired*: both routers are judged on the same resample, so that what makes the rows easy or hard
cancels out. Several pairs of models that share rows share the resample as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.metrics import bootstrap, tradeoff_curve

Floats = NDArray[np.float64]
Figures = dict[str, float]

APGR = "apgr"
SHARES = (0.1, 0.2, 0.4)
FIGURES = (APGR, *(f"drop at {share:g}" for share in SHARES))


@dataclass(frozen=True, eq=False)
class Judged:
    """One pair of models judged on rows: several routers, each with one or more scores of every row.

    Args:
        ids: Ids of the n rows.
        small: Shape (n,), mean quality of the small model.
        large: Shape (n,), mean quality of the large model.
        scores: Router -> shape (r, n), one row of scores a repetition.
    """

    ids: Sequence[str]
    small: Floats
    large: Floats
    scores: Mapping[str, Floats]


def figures(scores: Floats, small: Floats, large: Floats, weights: Floats | None = None) -> Figures:
    """Return APGR and the relative drop at 10, 20 and 40 % cost advantage, each the mean over repetitions."""
    rows = []
    for repetition in scores:
        curve = tradeoff_curve(repetition, small, large, weights)
        rows.append([curve.apgr, *(curve.drop_at(share) for share in SHARES)])
    return dict(zip(FIGURES, np.mean(rows, axis=0).tolist(), strict=True))


def compare(
    pairs: Sequence[Judged],
    differences: Sequence[tuple[str, str]],
    repetitions: int,
    of: Callable[[Floats, Floats, Floats, Floats | None], Figures] = figures,
) -> dict[str, dict[str, Any]]:
    """Return figures of every router, and paired differences, as means over the pairs, with 95 % intervals.

    Args:
        pairs: The pairs of models, all with the same routers.
        differences: (a, b): the figures of a minus those of b, under the name ``"a - b"``.
        repetitions: Bootstrap resamples of the rows.
        of: The figures of one router on one pair; see :func:`figures`.

    Returns:
        Router or difference -> {figure: {"value": ..., "ci": [low, high]}}.
    """
    union = sorted(set().union(*(pair.ids for pair in pairs)))
    place = {i: number for number, i in enumerate(union)}
    rows = [np.array([place[i] for i in pair.ids]) for pair in pairs]

    def statistic(weights: Floats | None) -> dict[str, Figures]:
        found: dict[str, Figures] = {}
        for router in pairs[0].scores:
            each = [
                of(pair.scores[router], pair.small, pair.large, None if weights is None else weights[index])
                for pair, index in zip(pairs, rows, strict=True)
            ]
            found[router] = {key: float(np.mean([one[key] for one in each])) for key in each[0]}
        for a, b in differences:
            found[f"{a} - {b}"] = {key: found[a][key] - found[b][key] for key in found[a]}
        return found

    values = statistic(None)
    intervals = bootstrap(statistic, len(union), repetitions)
    return {
        name: {key: {"value": value, "ci": intervals[name][key]} for key, value in of_router.items()}
        for name, of_router in values.items()
    }


def apgr_only(scores: Floats, small: Floats, large: Floats, weights: Floats | None = None) -> Figures:
    """Return the APGR alone, mean over repetitions."""
    return {APGR: float(np.mean([tradeoff_curve(row, small, large, weights).apgr for row in scores]))}
