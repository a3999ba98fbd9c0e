"""What the answers of each arm cost and how long they took, as far as the table says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.table import PairTable, QualityTable

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ArmSpent:
    """What one arm's answers cost and took, on n rows; NaN where the table does not say.

    Args:
        usd: Shape (n,), mean dollars of an answer.
        seconds: Shape (n,), mean seconds of an answer.
        input_tokens: Shape (n,), mean tokens read.
        output_tokens: Shape (n,), mean tokens written.
    """

    usd: FloatArray
    seconds: FloatArray
    input_tokens: FloatArray
    output_tokens: FloatArray

    @property
    def known(self) -> bool:
        """Whether anything is known."""
        columns = (self.usd, self.seconds, self.input_tokens, self.output_tokens)
        return any(bool(np.isfinite(column).any()) for column in columns)


def spent_on(table: QualityTable, pair: PairTable) -> dict[str, ArmSpent]:
    """Return what both arms' answers to the rows of a pair cost and took.

    Args:
        table: The table that the pair was taken from.
        pair: n of its rows.

    Returns:
        ``small`` and ``large``; an arm of which nothing is known is left out.
    """
    fields = dict(zip(table.ids, table.extras, strict=True))
    rows = [fields.get(row, {}) for row in pair.ids]
    arms = {"small": _arm(rows, pair.small), "large": _arm(rows, pair.large)}
    return {name: arm for name, arm in arms.items() if arm.known}


def bills(kept: NDArray[np.bool_], spent: Mapping[str, ArmSpent]) -> list[tuple[float | None, float | None]]:
    """Return what 1,000 queries cost at each of k levels, and what that saves against asking large always.

    Args:
        kept: Shape (k, n), which rows small answers.
        spent: What each arm's answers cost; only rows where both are known count.
    """
    if not {"small", "large"} <= spent.keys():
        return [(None, None)] * len(kept)
    small, large = spent["small"].usd, spent["large"].usd
    known = np.isfinite(small) & np.isfinite(large)
    if not known.any():
        return [(None, None)] * len(kept)
    always = float(large[known].mean())
    means = np.where(kept[:, known], small[known], large[known]).mean(axis=1)
    return [(1000 * float(mean), 1000 * (always - float(mean))) for mean in means]


def _arm(rows: Sequence[Mapping[str, Any]], model: str) -> ArmSpent:
    usages = [_of(row.get("usage"), model) for row in rows]
    return ArmSpent(
        usd=_means([_of(row.get("cost_usd"), model) for row in rows]),
        seconds=_means([_of(row.get("seconds"), model) for row in rows]),
        input_tokens=_means([[use.get("input") for use in uses if isinstance(use, Mapping)] for uses in usages]),
        output_tokens=_means([[use.get("output") for use in uses if isinstance(use, Mapping)] for uses in usages]),
    )


def _of(field: Any, model: str) -> list[Any]:
    """Return a model's entries of a field: one for each answer."""
    found = field.get(model) if isinstance(field, Mapping) else None
    if isinstance(found, Mapping):
        return [found]
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else [found]


def _means(rows: Sequence[Sequence[Any]]) -> FloatArray:
    known = [[x for x in row if isinstance(x, (int, float)) and not isinstance(x, bool)] for row in rows]
    return np.array([float(np.mean(row)) if row else np.nan for row in known])
