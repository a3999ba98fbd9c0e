"""From a level to a threshold, by the paper's empirical rule.

The rule (section 4.5 of arXiv 2404.14618): on rows that training did not see, take the threshold with the largest
cost advantage whose measured drop stays within the limit. It promises nothing about other rows; a promise is
:mod:`hybrid_llm.certify`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.level import ALWAYS_LARGE, ALWAYS_SMALL, Level
from hybrid_llm.metrics import SLACK, Curve, tradeoff_curve

MAX_CUTS: Final = 500
"""Cuts kept of each kind; more would only make the file larger."""


@dataclass(frozen=True)
class Cut:
    """One threshold with what it did on the calibration rows (shares are fractions)."""

    threshold: float
    cost_advantage: float
    drop: float
    drop_points: float

    @property
    def sound(self) -> bool:
        """Whether all four are numbers that can be so."""
        return (
            _between(self.threshold, ALWAYS_SMALL, ALWAYS_LARGE)
            and _between(self.cost_advantage, 0, 1 + SLACK)
            and _between(self.drop, -math.inf, 1 + SLACK)
            and _between(self.drop_points, -1 - SLACK, 1 + SLACK)
        )


def _between(value: object, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high  # type: ignore[operator]  # it is a number


@dataclass(frozen=True)
class Calibration:
    """Thresholds of one pair, measured on ``n`` rows that training did not see.

    Args:
        small: Name of the small model.
        large: Name of the large model.
        n: Number of calibration rows.
        data_hash: Content hash of the rows.
        small_quality: Mean quality of always-small on the rows.
        large_quality: Mean quality of always-large on the rows.
        frontier: For ``quality=``: the cuts that no other cut beats in both drop and cost advantage, from
            always-large on; drops rise with the cost advantage. Unfamiliar queries count as large's.
        cuts: For ``cost_advantage=``: all cuts, cost advantage rising. (Of each kind at most 500 are kept.)
        note: What the reader of a decision should know (for example "the router's own training domain").
        features: Version of the text features that the scores were made of; 1 where nobody wrote it down.
    """

    small: str
    large: str
    n: int
    data_hash: str
    small_quality: float
    large_quality: float
    frontier: tuple[Cut, ...]
    cuts: tuple[Cut, ...]
    note: str = ""
    features: int = 1

    def cut(self, level: Level) -> Cut:
        """Return the cut that a quality or cost-advantage level stands for.

        ``quality``: the largest cost advantage whose drop is at most 1 - quality. ``cost_advantage``: the largest
        one that is not above the value asked for.
        """
        if level.kind == "quality":
            limit = 1.0 - level.value + SLACK
            return [c for c in self.frontier if c.drop <= limit][-1]
        limit = level.value + SLACK
        return [c for c in self.cuts if c.cost_advantage <= limit][-1]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """Read what :meth:`as_dict` wrote.

        Raises:
            DamagedFolderError: A field is missing or of the wrong kind, or a list of cuts is empty.
        """
        try:
            cuts = {key: tuple(Cut(**cut) for cut in data[key]) for key in ("frontier", "cuts")}
            calibration = cls(**{**data, **cuts})
        except (KeyError, TypeError, AttributeError) as error:
            raise DamagedFolderError(
                f"calibration.json is damaged ({error}); run hybrid-llm calibrate again."
            ) from error
        if not (calibration.frontier and calibration.cuts):
            raise DamagedFolderError("calibration.json has no thresholds; run hybrid-llm calibrate again.")
        if not calibration._sound():
            raise DamagedFolderError("calibration.json says what none does; run hybrid-llm calibrate again.")
        return calibration

    def _sound(self) -> bool:
        """Return whether each level finds its threshold, and each field is of its kind."""
        texts = (self.small, self.large, self.data_hash, self.note)
        shares = (self.small_quality, self.large_quality)
        return (
            all(isinstance(text, str) for text in texts)
            and type(self.n) is type(self.features) is int
            and self.n >= 1
            and all(_between(share, -SLACK, 1 + SLACK) for share in shares)
            and all(cut.sound for cut in (*self.frontier, *self.cuts))
            and self.frontier[0].drop <= SLACK
            and self.cuts[0].cost_advantage <= SLACK
        )


def calibrate(
    scores: ArrayLike,
    q_small: ArrayLike,
    q_large: ArrayLike,
    *,
    small: str = "small",
    large: str = "large",
    data_hash: str = "",
    note: str = "",
    features: int = 1,
    familiar: ArrayLike | None = None,
) -> Calibration:
    """Measure thresholds on calibration rows.

    Args:
        scores: Shape (n,), p(x) of each query.
        q_small: Shape (n,), mean quality of the small model's responses.
        q_large: Shape (n,), the same for the large model.
        small: Name of the small model.
        large: Name of the large model.
        data_hash: Content hash of the rows, kept for the record.
        note: Kept for the reader.
        features: Version of the text features that the scores were made of.
        familiar: Shape (n,), false where a quality level sends the query to large whatever its score. All by default.

    Raises:
        TableError: Lengths differ, there is no row, or a value is not finite.

    Example:
        >>> calibration = calibrate([0.9, 0.5, 0.1], [1, 1, 0], [1, 1, 1])
        >>> calibration.cut(Level("quality", 1.0)).cost_advantage
        0.6666666666666666
    """
    curve = tradeoff_curve(scores, q_small, q_large)
    at_quality = curve if familiar is None else _with_unfamiliar_to_large(scores, q_small, q_large, familiar)
    return Calibration(
        small=small,
        large=large,
        n=int(np.asarray(scores).size),
        data_hash=data_hash,
        small_quality=curve.small_quality,
        large_quality=curve.large_quality,
        frontier=_thinned(_frontier(_cuts_of(at_quality))),
        cuts=_thinned(_cuts_of(curve)),
        note=note,
        features=features,
    )


def _with_unfamiliar_to_large(scores: ArrayLike, q_small: ArrayLike, q_large: ArrayLike, familiar: ArrayLike) -> Curve:
    """Return the trade-off of what is served at a quality level: an unfamiliar query stays with large at every cut."""
    small_may = np.asarray(familiar, dtype=bool)
    served = tradeoff_curve(scores, np.where(small_may, q_small, q_large), q_large)
    sent = tradeoff_curve(scores, small_may.astype(np.float64), np.zeros(small_may.size))
    more = np.append(True, np.diff(sent.quality) > 0)  # a lower threshold that sends no more would only be bolder
    return Curve(served.thresholds[more], sent.quality[more], served.quality[more])


def _cuts_of(curve: Curve) -> list[Cut]:
    # with a large model that scores 0 everywhere no ratio exists, and nothing can be lost either
    drops = curve.drop if curve.large_quality > 0 else np.zeros_like(curve.quality)
    columns = (np.clip(curve.thresholds, ALWAYS_SMALL, ALWAYS_LARGE), curve.cost_advantage, drops, curve.drop_points)
    return [Cut(*(float(value) for value in row)) for row in zip(*columns, strict=True)]


def _frontier(cuts: list[Cut]) -> list[Cut]:
    best: list[Cut] = []
    for cut in cuts:
        while best and best[-1].drop >= cut.drop - SLACK and len(best) > 1:
            best.pop()
        best.append(cut)
    return best


def _thinned(cuts: list[Cut]) -> tuple[Cut, ...]:
    if len(cuts) <= MAX_CUTS:
        return tuple(cuts)
    keep = np.unique(np.linspace(0, len(cuts) - 1, MAX_CUTS).round().astype(int))
    return tuple(cuts[i] for i in keep)
