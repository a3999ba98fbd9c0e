"""Two ways to use what was trained: by the query alone, or with a second look; and which of them pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.certify import Certificate, Menu, certify
from hybrid_llm.run.expected import Forecast, forecast

if TYPE_CHECKING:
    from hybrid_llm.report import Looked
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

QUERY: Final = "query"
LOOK: Final = "second_look"
PAYS: Final = 0.02
"""A second look costs time: it is recommended when it saves so much more of the calls."""


@dataclass(frozen=True, eq=False)
class Way:
    """One way to use a router, on rows that are honest about it.

    Args:
        name: ``"query"`` or ``"second_look"``.
        scores: Shape (n,), of queries, or the heights of answers.
        small: Shape (n,), quality of small.
        large: Shape (n,), mean quality of large.
        expected: What the level that was asked for does on further prompts.
        certificate: That of this level, where it was tested.
        heights: The thresholds that a certificate tests; None for an even grid.
        eligible: Shape (n,), false where large answers whatever the threshold; all may go to small by default.
    """

    name: Literal["query", "second_look"]
    scores: FloatArray
    small: FloatArray
    large: FloatArray
    expected: Forecast
    certificate: Certificate | None = None
    heights: FloatArray | None = None
    eligible: BoolArray | None = None

    @property
    def worth(self) -> tuple[float, float]:
        """Share of the queries that small answers: as proved, and as expected."""
        proved = self.certificate.cost_advantage if self.certificate is not None else 0.0
        return proved, self.expected.cost_advantage

    def estimate(self, max_drop: float, confidence: float) -> Certificate:
        """Return the certificate that these rows would give, for how many more would do."""
        scores = np.clip(self.scores, 0.0, 1.0)
        return certify(scores, self.small, self.large, max_drop, confidence, self.heights, eligible=self.eligible)


def by_query(scores: FloatArray, familiar: BoolArray, rows: PairTable, quality: float, menu: Menu | None) -> Way:
    """Return what the query alone is worth.

    Args:
        scores: Shape (n,).
        familiar: Shape (n,), false where a quality level sends the query to large whatever its score.
        rows: n rows.
        quality: The level that was asked for.
        menu: The certificate, where there is one.
    """
    expected = forecast(scores, rows.mean_small, rows.mean_large, quality, familiar=familiar)
    asked = menu.asked if menu else None
    return Way("query", scores, rows.mean_small, rows.mean_large, expected, asked, eligible=familiar)


def by_look(looked: Looked, quality: float) -> Way:
    """Return what a second look is worth.

    Args:
        looked: The look on the rows.
        quality: The level that was asked for.
    """
    rows, menu = looked.rows, looked.look.certificate
    expected = forecast(looked.heights, rows.small, rows.large, quality, queries=rows.query)
    heights = looked.look.paths[looked.look.columns].ladder.heights
    asked = menu.asked if menu else None
    return Way("second_look", looked.heights, rows.small, rows.large, expected, asked, heights, looked.heights > 0)


def better(query: Way, look: Way | None) -> Way:
    """Return the way to recommend: the look when it saves clearly more, as proved or else as expected."""
    if look is None:
        return query
    proved, expected = (theirs - ours for theirs, ours in zip(look.worth, query.worth, strict=True))
    gain = proved if max(look.worth[0], query.worth[0]) > 0 else expected
    return look if gain >= PAYS else query
