"""From signals to s(x, a): one logistic step with weights that never turn against a signal.

    s = 1 / (1 + exp(-(bias + sum_j weight_j * column_j))),    weight_j >= 0

The columns are the log-odds of the query's score, the log-odds of the geometric mean of the tokens' probabilities, and
for each checker the share of its answers that agree. A larger one never lowers s. More quantiles and free signs fit
known tasks a little better and can be worse than nothing on a task that no row came from
(docs/measured/second_look.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.look.signals import AGREEMENT, CERTAIN, LOGPROBS, QUERY

LARGEST: Final = 1e3
"""No weight comes near."""
_AGREES: Final = 8.0
_TIE: Final = 0.25
"""Untrained, a checker that agrees outweighs the tie breaker's whole range: 8 > 0.25 * 2 * log(1e6)."""


@dataclass(frozen=True, slots=True)
class LookHead:
    """A logistic step over some columns.

    Args:
        columns: Names of the columns that it reads.
        weights: One for each, at least 0.
        bias: What is added.

    Raises:
        DamagedFolderError: A number is not as it should be.

    Example:
        >>> round(LookHead(("logprobs",), (1.0,)).score({"logprobs": 0.0}), 3)
        0.5
    """

    columns: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers; others cannot come from training."""
        numbers = (*self.weights, self.bias)
        if not (
            len(self.columns) == len(self.weights) > 0
            and all(isinstance(name, str) for name in self.columns)
            and all(type(number) in (int, float) and abs(number) < LARGEST for number in numbers)
            and min(self.weights) >= 0
        ):
            raise DamagedFolderError("The weights of the second look are damaged; train it again.")

    def score(self, seen: Mapping[str, float]) -> float:
        """Return s of one answer.

        Args:
            seen: The columns; others than those of the head are ignored.
        """
        total = self.bias + math.fsum(
            weight * seen[name] for name, weight in zip(self.columns, self.weights, strict=True)
        )
        return CERTAIN + (1 - 2 * CERTAIN) / (1 + math.exp(-min(max(total, -30.0), 30.0)))

    def scores(self, columns: Mapping[str, Any]) -> Any:
        """Return s of n answers, shape (n,).

        Args:
            columns: By name arrays of shape (n,).
        """
        import numpy as np

        total = sum(
            (weight * columns[name] for name, weight in zip(self.columns, self.weights, strict=True)), start=self.bias
        )
        return CERTAIN + (1 - 2 * CERTAIN) / (1 + np.exp(-np.clip(total, -30.0, 30.0)))

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"columns": list(self.columns), "weights": list(self.weights), "bias": self.bias}


def logprobs_head() -> LookHead:
    """Return the untrained look at log-probabilities: s is the geometric mean of the tokens' probabilities."""
    return LookHead((LOGPROBS,), (1.0,))


def agreement_head(checkers: Sequence[str], tie: str) -> LookHead:
    """Return the untrained look at agreement: the more checkers agree the better, ties broken by another column.

    Args:
        checkers: Their names.
        tie: ``"logprobs"`` or ``"query"``.
    """
    if tie not in (LOGPROBS, QUERY):
        raise ValueError(f"Ties are broken by {LOGPROBS} or {QUERY}, not by {tie!r}.")
    columns = (*(f"{AGREEMENT}{name}" for name in checkers), tie)
    return LookHead(columns, (*[_AGREES] * len(checkers), _TIE), bias=-_AGREES * len(checkers) / 2)
