"""Fakes for your own tests: a chain or an agent with a router inside, without a model or a network.

Example:
    >>> from hybrid_llm import Router
    >>> router = Router(FixedScorer({"easy": 0.9, "hard": 0.2}))
    >>> [d.route for d in router.decide_many(["easy", "hard"], threshold=0.5)]
    ['small', 'large']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class FixedScorer:
    """Scores that you choose, and a record of what was asked.

    Args:
        scores: One score for everything, or a score for each query.
        default: Score of a query that ``scores`` does not name.
        id: Becomes ``Decision.router_id``.

    Attributes:
        calls: The batches that were scored, in order: one entry is one pass.
    """

    scores: float | Mapping[str, float] = 0.5
    default: float = 0.5
    id: str = "fixed"
    calls: list[list[str]] = field(default_factory=list, init=False, repr=False)

    def score(self, queries: Sequence[str]) -> NDArray[np.float64]:
        """Return the chosen scores, shape (n,)."""
        self.calls.append(list(queries))
        if isinstance(self.scores, Mapping):
            return np.array([self.scores.get(query, self.default) for query in queries], dtype=np.float64)
        return np.full(len(queries), self.scores, dtype=np.float64)


@dataclass
class FailingScorer:
    """A scorer that always raises, to see what your program does then.

    Args:
        error: What is raised.
        id: Becomes ``Decision.router_id``.
    """

    error: Exception = field(default_factory=lambda: RuntimeError("the scorer is broken"))
    id: str = "failing"

    def score(self, queries: Sequence[str]) -> NDArray[np.float64]:
        """Raise the chosen error."""
        raise self.error
