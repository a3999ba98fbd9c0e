"""What each rung of a ladder did on rows that it does not come from, and which rung a level gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.level import Level
from hybrid_llm.look.head import LookHead
from hybrid_llm.look.ladder import FloatArray, Ladder
from hybrid_llm.metrics import SLACK

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PathCut:
    """What one rung did on the calibration rows (shares are fractions).

    Args:
        height: The rung; above 1 for always large.
        cost_advantage: Share of the queries whose small answer is kept.
        both_run: Share of the queries on which both models ran: small was looked at, and large answered.
        drop: Relative quality drop; ``None`` where nobody graded.
        drop_points: The same in points of quality.
    """

    height: float
    cost_advantage: float
    both_run: float
    drop: float | None = None
    drop_points: float | None = None

    @property
    def sound(self) -> bool:
        """Whether all are numbers that can be so."""
        numbers = [self.height, self.cost_advantage, self.both_run]
        figures = [figure for figure in (self.drop, self.drop_points) if figure is not None]
        return (
            all(type(number) in (int, float) and 0 <= number <= 2 for number in numbers)
            and all(type(figure) in (int, float) and math.isfinite(figure) for figure in figures)
            and self.cost_advantage + self.both_run <= 1 + SLACK
        )


NOTHING = PathCut(2.0, 0.0, 0.0, 0.0, 0.0)
"""Always large."""


@dataclass(frozen=True, slots=True)
class PathCalibration:
    """What the rungs of one path did on n rows that neither fitted nor ordered them.

    Args:
        n: Number of rows (of answers, where a query was answered several times).
        cuts: Of each rung, the strictest first.
        graded: Whether the answers were graded; if not, only ``cost_advantage=`` is a level.
        small_quality: Mean quality of small on the rows, if graded.
        large_quality: The same of large.
    """

    n: int
    cuts: tuple[PathCut, ...]
    graded: bool = True
    small_quality: float | None = None
    large_quality: float | None = None

    def cut(self, level: Level) -> PathCut:
        """Return the cut of a level: the lowest rung whose drop (or share) stays within it.

        Args:
            level: A quality, which needs grades, or a cost advantage.
        """
        if level.kind == "quality":
            limit = 1.0 - level.value + SLACK
            within = [cut for cut in self.cuts if cut.drop is not None and cut.drop <= limit]
        else:
            within = [cut for cut in self.cuts if cut.cost_advantage <= level.value + SLACK]
        return max(within, key=lambda cut: cut.cost_advantage, default=NOTHING)

    @classmethod
    def of(
        cls,
        ladder: Ladder,
        p: FloatArray | None,
        s: FloatArray,
        usable: BoolArray,
        weights: FloatArray,
        small: FloatArray | None = None,
        large: FloatArray | None = None,
    ) -> PathCalibration:
        """Measure each rung.

        Args:
            ladder: The rungs.
            p: Shape (n,), the queries' scores; ``None`` where no gate stands before the look.
            s: Shape (n,), the looks' scores.
            usable: Shape (n,), false where a check rejects the answer: looked at, never kept.
            weights: Shape (n,), the share of a query that each row is: one over the number of its answers.
            small: Shape (n,), quality of each answer; ``None`` where nobody graded.
            large: Shape (n,), mean quality of large on its query.
        """
        rungs, total = len(ladder.gates), float(weights.sum())
        looked, first = ladder.passes(p, s)
        first = np.where(usable, first, rungs)

        def along(place: NDArray[np.intp], amount: FloatArray) -> FloatArray:
            return np.cumsum(np.bincount(place, amount, minlength=rungs + 1))[:rungs] / total

        kept = along(first, weights)
        both = np.maximum(along(looked, weights) - kept, 0.0)
        heights = ladder.heights
        if small is None or large is None:
            cuts = tuple(PathCut(*map(float, row)) for row in zip(heights, kept, both, strict=True))
            return cls(len(s), cuts, graded=False)
        points = along(first, (large - small) * weights)
        mean_large = float((large * weights).sum() / total)
        drops = points / mean_large if mean_large > 0 else np.zeros_like(points)
        cuts = tuple(PathCut(*map(float, row)) for row in zip(heights, kept, both, drops, points, strict=True))
        return cls(len(s), cuts, True, float((small * weights).sum() / total), mean_large)


@dataclass(frozen=True, slots=True)
class Path:
    """One way to look: what is seen, the head that reads it, the rungs, and what they did.

    Args:
        head: Reads the columns.
        ladder: The rungs.
        calibration: What they did on other rows; ``None`` before that was measured.
        n_fit: Rows that the head and the rungs come from; 0 for an untrained look.
    """

    head: LookHead
    ladder: Ladder
    calibration: PathCalibration | None = None
    n_fit: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "head": self.head.as_dict(),
            **self.ladder.as_dict(),
            "calibration": asdict(self.calibration) if self.calibration else None,
            "n_fit": self.n_fit,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Path:
        """Read what :meth:`as_dict` wrote.

        Raises:
            DamagedFolderError: A field is missing or not as it should be.
        """
        head = data["head"]
        ladder = Ladder(tuple(data["gates"]), tuple(data["thresholds"]))
        measured = data["calibration"]
        calibration = None
        if measured is not None:
            cuts = tuple(PathCut(**cut) for cut in measured["cuts"])
            if len(cuts) != len(ladder.gates) or not all(cut.sound for cut in cuts):
                raise DamagedFolderError("The levels of the second look are damaged; calibrate again.")
            calibration = PathCalibration(**{**measured, "cuts": cuts})
            qualities = [q for q in (calibration.small_quality, calibration.large_quality) if q is not None]
            if type(calibration.n) is not int or type(calibration.graded) is not bool:
                raise DamagedFolderError("The levels of the second look are damaged; calibrate again.")
            if not all(type(q) in (int, float) and 0 <= q <= 1 for q in qualities) or type(data["n_fit"]) is not int:
                raise DamagedFolderError("The levels of the second look are damaged; calibrate again.")
        return cls(
            LookHead(tuple(head["columns"]), tuple(head["weights"]), head["bias"]), ladder, calibration, data["n_fit"]
        )
