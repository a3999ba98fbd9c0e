"""What the answers of each arm cost and how long they took, as far as the table says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ArmSpent:
    """What the answers of one arm to n queries cost and took.

    Args:
        model: Name of the model.
        answers: How many answers the table tells something of.
        usd: Shape (n,), mean dollars of an answer to each query; NaN where the table does not say.
        usd_total: Dollars of all answers whose price is known.
        seconds: Shape (m,), seconds of each answer that says so, rising.
        input_tokens: Mean tokens read for an answer; None when unknown.
        output_tokens: Mean tokens written; None when unknown.
    """

    model: str
    answers: int
    usd: FloatArray
    usd_total: float
    seconds: FloatArray
    input_tokens: float | None
    output_tokens: float | None

    @property
    def usd_per_1000(self) -> float | None:
        """What 1,000 answers cost on average; None when unknown."""
        known = self.usd[np.isfinite(self.usd)]
        return 1000 * float(known.mean()) if known.size else None

    def seconds_at(self, share: float) -> float | None:
        """Return within how many seconds this share of the answers came; None when unknown."""
        return float(np.quantile(self.seconds, share)) if self.seconds.size else None


def spent_on(pair: PairTable) -> dict[str, ArmSpent]:
    """Return what the answers of ``small`` and ``large`` cost and took; an arm of which nothing is known is left out.

    Args:
        pair: n rows.
    """
    arms = {"small": _arm(pair, pair.small), "large": _arm(pair, pair.large)}
    return {name: arm for name, arm in arms.items() if arm is not None}


def bills(kept: NDArray[np.bool_], spent: Mapping[str, ArmSpent]) -> list[tuple[float | None, float | None]]:
    """Return what 1,000 queries cost at each of k levels, and what that saves against asking large always.

    Args:
        kept: Shape (k, n), which rows small answers.
        spent: What each arm's answers cost; only rows where both are known count.
    """
    unknown: list[tuple[float | None, float | None]] = [(None, None)] * len(kept)
    if not {"small", "large"} <= spent.keys():
        return unknown
    small, large = spent["small"].usd, spent["large"].usd
    known = np.isfinite(small) & np.isfinite(large)
    if not known.any():
        return unknown
    small, large, kept = small[known], large[known], kept[:, known]
    paid = np.where(kept, small, large).mean(axis=1)
    saved = np.where(kept, large - small, 0.0).mean(axis=1)  # exactly nothing where nothing goes to small
    return [(1000 * float(one), 1000 * float(other)) for one, other in zip(paid, saved, strict=True)]


def _arm(pair: PairTable, model: str) -> ArmSpent | None:
    rows = [row.get(model, ()) for row in pair.responses]
    answers = [answer for row in rows for answer in row]
    costs = [[answer.cost_usd for answer in row if answer.cost_usd is not None] for row in rows]
    seconds = [answer.seconds for answer in answers if answer.seconds is not None]
    read = [answer.input_tokens for answer in answers if answer.input_tokens is not None]
    written = [answer.output_tokens for answer in answers if answer.output_tokens is not None]
    if not (any(costs) or seconds or read or written):
        return None
    return ArmSpent(
        model=model,
        answers=len(answers),
        usd=np.array([float(np.mean(row)) if row else np.nan for row in costs]),
        usd_total=float(sum(sum(row) for row in costs)),
        seconds=np.sort(np.array(seconds, dtype=np.float64)),
        input_tokens=float(np.mean(read)) if read else None,
        output_tokens=float(np.mean(written)) if written else None,
    )
