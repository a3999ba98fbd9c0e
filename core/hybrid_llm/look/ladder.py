"""The family of paths that a level chooses from: rungs of (gate, threshold), each keeping all that the one above keeps.

A rung says: ask small when p(x) >= gate, and show its answer when s(x, a) >= threshold. Gates and thresholds fall from
rung to rung, so that an answer is first kept at one rung and then at all below. That rung is its *height*, one number
in [0, 1] per answer, and a path is then calibrated, certified and judged like a score: kept if and only if height >=
the rung's own height. The ladder comes from training rows alone; which rung a level gets, from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError

FloatArray = NDArray[np.float64]

RUNGS: Final = 200
SPARED: Final = 0.05
"""Share of the answers that reach a rung's threshold and that its gate may turn away, unseen."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs of a path, from the strictest down.

    Args:
        gates: Shape (k,), falling (or level).
        thresholds: Shape (k,), falling (or level).

    Raises:
        DamagedFolderError: There is no rung, or the rungs do not fall.
    """

    gates: tuple[float, ...]
    thresholds: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that each rung keeps what the one above keeps."""
        columns = (self.gates, self.thresholds)
        sound = (
            len(self.gates) == len(self.thresholds) > 0
            and all(type(value) in (int, float) and 0 <= value <= 2 for column in columns for value in column)
            and all(high >= low for column in columns for high, low in pairwise(column))
        )
        if not sound:
            raise DamagedFolderError("The rungs of the second look are damaged; train it again.")

    @property
    def heights(self) -> FloatArray:
        """Shape (k,): the height of each rung, falling from 1, above 0."""
        return 1.0 - np.arange(len(self.gates)) / len(self.gates)

    def rung(self, height: float) -> int | None:
        """Return the rung of a height; ``None`` for one above all rungs: always large."""
        if height > 1.0:
            return None
        return min(round((1.0 - height) * len(self.gates)), len(self.gates) - 1)

    def height_of(self, p: FloatArray | None, s: FloatArray) -> FloatArray:
        """Return the height of n answers, shape (n,); 0 where no rung keeps one.

        Args:
            p: Shape (n,), the queries' scores; ``None`` where no gate stands before the look.
            s: Shape (n,), the looks' scores.
        """
        first = _first_at_most(self.thresholds, s)
        if p is not None:
            first = np.maximum(first, _first_at_most(self.gates, p))
        return np.append(self.heights, 0.0)[first]

    def passes(self, p: FloatArray | None, s: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return of n answers the first rung that looks at each and the first that keeps it; k where none does.

        Args:
            p: As in :meth:`height_of`.
            s: Shape (n,).
        """
        looked = np.zeros(len(s), dtype=np.intp) if p is None else _first_at_most(self.gates, p)
        return looked, np.maximum(looked, _first_at_most(self.thresholds, s))

    @classmethod
    def fit(cls, p: FloatArray | None, s: FloatArray, *, gate: bool = True) -> Ladder:
        """Make the rungs from training rows, each scored by fits that left it out.

        The thresholds are quantiles of s. The gate of a rung is the highest that spares all but a few of the answers
        that reach its threshold: it saves the calls that would hardly be kept, and never lowers the bar for an answer.
        (A gate that may trade one for the other looks better on known tasks, and fails on new ones, where the query's
        score says little.)

        Args:
            p: Shape (n,), the queries' scores; ``None`` for a look without a gate.
            s: Shape (n,), the looks' scores.
            gate: Whether there is one.
        """
        thresholds = cls.level(s).thresholds
        if p is None or not gate:
            return cls((0.0,) * RUNGS, thresholds)
        reached = (p[s >= threshold] for threshold in thresholds)
        found = [float(np.quantile(kept, SPARED, method="lower")) for kept in reached]
        return cls(tuple(np.minimum.accumulate(found).tolist()), thresholds)

    @classmethod
    def level(cls, s: Sequence[float] | FloatArray) -> Ladder:
        """Return rungs without gates, at the quantiles of scores, shape (n,)."""
        shares = np.arange(1, RUNGS + 1) / RUNGS
        found = np.quantile(np.asarray(s, dtype=np.float64), 1 - shares, method="lower")
        return cls((0.0,) * RUNGS, tuple(np.minimum.accumulate(found).tolist()))

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"gates": list(self.gates), "thresholds": list(self.thresholds)}


def _first_at_most(falling: Sequence[float], values: FloatArray) -> NDArray[np.intp]:
    """Return for each value the first of the falling numbers that it reaches; their count where it reaches none."""
    return np.searchsorted(-np.asarray(falling), -np.asarray(values), side="left")
