"""What the commands work on: the rows of a pair, read and counted, and a router that shows how far it is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_llm.cli.options import check_pair, scale_of
from hybrid_llm.cli.output import say
from hybrid_llm.errors import HybridLLMWarning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hybrid_llm.router import Router, Scorer
    from hybrid_llm.scoring import Progress
    from hybrid_llm.table import PairTable

CHUNK = 128
"""Queries between two movements of the bar."""


@dataclass(frozen=True)
class Material:
    """The rows of a pair, and what was left out on the way to them.

    Args:
        pair: The rows.
        source: Where they came from, in words.
        skipped: Broken rows that ``--skip-bad`` left out.
        leaks_dropped: Training rows that ``--drop-leaks`` left out.
    """

    pair: PairTable
    source: str
    skipped: int
    leaks_dropped: int


def read_pair(
    data: Sequence[Path],
    small: str,
    large: str,
    split: str | None,
    *,
    skip_bad: bool,
    drop_leaks: bool,
    scale: str | None = None,
) -> Material:
    """Read the rows that have both models, and say on standard error what was left out.

    Raises:
        BadParameter: Both models are the same, or the scale is none.
        TableError: A file, a model or the split is not as asked.
    """
    from hybrid_llm.table import QualityTable

    check_pair(small, large)
    table = QualityTable.read(*data, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale_of(scale))
    if table.skipped:
        say(f"note: {_rows(len(table.skipped))} skipped, the first one because {table.skipped[0]}")
    if table.leaks_dropped:
        say(f"note: {_rows(table.leaks_dropped, 'training ')} dropped: their question stands in another split too.")
    if table.leaks.rows:
        say(
            f"note: the question of {_rows(table.leaks.rows, 'training ')} stands in another split too (equal "
            "stem_key); --drop-leaks drops them."
        )
    pair = table.pair(small, large)
    if pair.dropped:
        say(f"note: {_rows(pair.dropped)} left out: no score of {small} or of {large}.")
    source = ", ".join(path.name for path in data) + (f", split {split}" if split else "")
    return Material(pair.split(split) if split else pair, source, len(table.skipped), table.leaks_dropped)


def _rows(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}row{'' if count == 1 else 's'}"


def warn_of_another_pair(router: Router, pair: PairTable) -> None:
    """Give one warning when a router is used on a pair that it was neither trained nor calibrated for."""
    known = [(origin.small, origin.large) for origin in (router.calibration, router.record) if origin is not None]
    if known and (pair.small, pair.large) not in known:
        warnings.warn(
            f"This router is for {known[0][0]} -> {known[0][1]}; its scores may suit {pair.small} -> {pair.large} "
            "less well: evaluate shows how well, train makes a router for that pair.",
            HybridLLMWarning,
            stacklevel=2,
        )


@dataclass(frozen=True)
class WatchedScorer:
    """A scorer that says how far it is, batch by batch.

    Args:
        scorer: What scores.
        report: Told how many queries are done.
    """

    scorer: Scorer
    report: Progress

    @property
    def id(self) -> str:
        """The id of what scores."""
        return self.scorer.id

    def score(self, queries: Sequence[str]) -> NDArray[np.float64]:
        """Return p(x), shape (n,)."""
        return self.score_with_truncation(queries)[0]

    def score_with_truncation(self, queries: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return p(x) and whether each query was longer than the encoder reads, both of shape (n,)."""
        import numpy as np

        inner = getattr(self.scorer, "score_with_truncation", None) or self._never_truncated
        scores, truncated = np.zeros(len(queries)), np.zeros(len(queries), dtype=bool)
        for start in range(0, len(queries), CHUNK):
            part = slice(start, start + CHUNK)
            self.report("Scoring queries", start, len(queries))
            scores[part], truncated[part] = inner(queries[part])
        return scores, truncated

    def _never_truncated(self, queries: Sequence[str]) -> tuple[NDArray[np.float64], bool]:
        return self.scorer.score(queries), False


def watched(router: Router, report: Progress) -> Router:
    """Return a router that decides alike and says how far it is."""
    from hybrid_llm.router import Router

    return Router(
        WatchedScorer(router.scorer, report),
        calibration=router.calibration,
        certificate=router.certificate,
        record=router.record,
    )
