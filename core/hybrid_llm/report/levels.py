"""What a quality level does on the rows of a pair: its share, its drop with an interval, and its bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm import metrics
from hybrid_llm.level import Level
from hybrid_llm.report.spent import ArmSpent, bills
from hybrid_llm.router import resolve

if TYPE_CHECKING:
    from hybrid_llm.router import RouterParts
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]

MENU: Final = (0.99, 0.98, 0.97, 0.95, 0.9, 0.8)
"""The quality levels of a table for people."""


@dataclass(frozen=True)
class OperatingPoint:
    """What one quality level does on the rows (shares are fractions).

    Args:
        quality: The level: the share of the large model's quality to keep.
        threshold: The score from which on a query goes to small.
        certified: Whether the threshold comes with a proof.
        cost_advantage: Share of the rows that small answers.
        drop: The relative quality drop; None with a large model that scores 0 everywhere.
        drop_points: The same in points of quality.
        drop_interval: Where ``drop`` lies in 95 % of the resamples of the rows.
        usd_per_1000: What 1,000 queries cost; None where the table does not say.
        saved_usd_per_1000: What that saves against asking large always.
        both_run: Share of the queries on which both arms run: none without a second look.
    """

    quality: float
    threshold: float
    certified: bool
    cost_advantage: float
    drop: float | None
    drop_points: float
    drop_interval: tuple[float, float] | None = None
    usd_per_1000: float | None = None
    saved_usd_per_1000: float | None = None
    both_run: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def dial(pair: PairTable, parts: RouterParts) -> list[float]:
    """Return the quality levels of a dial, falling from 1 to about what small alone keeps, certified ones among them.

    Args:
        pair: The rows; their mean qualities say how far the dial goes.
        parts: The router.
    """
    large = float(pair.mean_large.mean())
    alone = float(pair.mean_small.mean()) / large if large > 0 else 1.0
    low = min(0.8, max(0.05, np.floor(alone * 20) / 20))
    step = 0.005 if low >= 0.5 else 0.01
    even = (round(float(quality), 3) for quality in np.arange(1.0, low - step / 2, -step))
    return sorted({*even, *menu_levels(parts)}, reverse=True)


def menu_levels(parts: RouterParts) -> list[float]:
    """Return the quality levels of a table for people: some round ones and those of the certificate, falling."""
    proved = parts.certificate.certificates if parts.certificate else ()
    return sorted({*MENU, *(certificate.quality for certificate in proved)}, reverse=True)


def thresholds_of(parts: RouterParts, pair: PairTable, levels: Sequence[float]) -> list[tuple[float, float, bool]]:
    """Return (quality, threshold, certified) of each level; none where the router has no thresholds of the pair.

    Args:
        parts: The router.
        pair: The rows.
        levels: The quality levels, each in (0, 1].
    """
    measured = parts.calibration
    if measured is None or (measured.small, measured.large) != (pair.small, pair.large):
        return []
    if measured.features != parts.features:  # measured on scores that the router no longer gives
        return []
    found = [(quality, resolve(Level("quality", quality), measured, parts.certificate)) for quality in levels]
    return [(quality, threshold.value, threshold.certified) for quality, threshold in found]


def points_of(
    thresholds: Sequence[tuple[float, float, bool]],
    scores: FloatArray,
    familiar: NDArray[np.bool_],
    pair: PairTable,
    spent: Mapping[str, ArmSpent],
    repetitions: int,
    confidence: float,
) -> tuple[OperatingPoint, ...]:
    """Return what each level does on the rows.

    Args:
        thresholds: (quality, threshold, certified) of k levels.
        scores: Shape (n,).
        familiar: Shape (n,), false where a query goes to large whatever its score.
        pair: The n rows.
        spent: What each arm's answers cost, row by row, if that is known.
        repetitions: Resamples for the intervals; 0 for none.
        confidence: Their coverage.
    """
    if not thresholds:
        return ()
    kept = (scores >= np.array([[threshold] for _, threshold, _ in thresholds])) & familiar  # (k, n)
    lost = np.where(kept, pair.mean_large - pair.mean_small, 0.0)
    large = float(pair.mean_large.mean())
    points = lost.mean(axis=1)
    intervals = _intervals(lost, pair.mean_large, repetitions, confidence) if repetitions and large > 0 else None
    money = bills(kept, spent)
    return tuple(
        OperatingPoint(
            quality=quality,
            threshold=threshold,
            certified=certified,
            cost_advantage=float(kept[i].mean()),
            drop=float(points[i]) / large if large > 0 else None,
            drop_points=float(points[i]),
            drop_interval=intervals[i] if intervals else None,
            usd_per_1000=money[i][0],
            saved_usd_per_1000=money[i][1],
        )
        for i, (quality, threshold, certified) in enumerate(thresholds)
    )


def _intervals(lost: FloatArray, large: FloatArray, repetitions: int, confidence: float) -> list[tuple[float, float]]:
    """Return the interval of each level's relative drop; the order of the rows does not matter."""
    order = np.lexsort((*lost, large))
    lost, large = lost[:, order], large[order]

    def resampled(weights: FloatArray) -> dict[int, float]:
        return dict(enumerate(lost @ weights / max(float(large @ weights), metrics.SLACK)))

    found = metrics.bootstrap(resampled, large.size, repetitions, confidence)
    return [(found[i][0], found[i][1]) for i in range(len(lost))]
