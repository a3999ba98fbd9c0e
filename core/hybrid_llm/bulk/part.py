"""One part of the scores: the rows of a slice, scored and written, alike on every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hybrid_llm.bulk.folder import ScoresFolder
from hybrid_llm.bulk.routing import Routing
from hybrid_llm.errors import TableError
from hybrid_llm.scoring import Scorer, Scores, Scoring, TrainedScorer
from hybrid_llm.table import Slice, SlicedTable

_AT_ONCE: Final = 20
"""Texts that a thread is given at a time: handing over each one would have threads wait for each other."""

Each = Callable[[Callable[[list[str]], list[Scores]], Iterable[list[str]]], Iterator[list[Scores]]]
"""Applies a function to lists of texts, in order: ``map``, or that of a pool of threads."""


def nobody(rows: int) -> None:
    """Tell nobody how many rows more are scored."""


@dataclass(frozen=True)
class Work:
    """All that it takes to score any slice of a table; it is pickled to reach other processes.

    Args:
        table: The rows.
        folder: Where the parts go.
        scorer: What scores.
        routing: What decides, if there is to be a column ``route``.
        skip_bad: Whether a row that cannot be used gets no score, instead of ending all.
    """

    table: SlicedTable
    folder: ScoresFolder
    scorer: Scorer
    routing: Routing | None = None
    skip_bad: bool = False

    def prepare(self) -> None:
        """Open the network now, not at the first row."""
        if isinstance(self.scorer, TrainedScorer):
            self.scorer.prepare()

    def slice(self, number: int) -> Slice:
        """Read one slice.

        Raises:
            TableError: It cannot be read.
        """
        return next(self.table.slices(lambda other: other == number))

    def score(self, rows: Slice, each: Each = map, tell: Callable[[int], None] = nobody) -> None:
        """Score a slice and write its part, whole or not at all.

        Args:
            rows: The slice.
            each: How the texts are shared out; each is scored alone, so that this changes no score.
            tell: Told how many rows more are done.

        Raises:
            TableError: A row cannot be used, or the part cannot be written.
        """
        if not self.skip_bad:
            for query in rows.queries:
                if isinstance(query, TableError):
                    raise TableError(f"{query}; --skip-bad (skip_bad=True) leaves such rows without a score")
        usable = [i for i, query in enumerate(rows.queries) if isinstance(query, str)]
        texts = [str(rows.queries[i]) for i in usable]
        scored = self._scores(texts, each, tell)
        tell(len(rows.queries) - len(usable))
        self.folder.write(rows.number, self._columns(rows, usable, texts, scored))

    def _scores(self, texts: list[str], each: Each, tell: Callable[[int], None]) -> Scores:
        scoring = Scoring(self.scorer)
        if not isinstance(self.scorer, TrainedScorer):  # nobody knows whether threads can share it
            scored = scoring.score(texts)
            tell(len(texts))
            return scored
        found: list[Scores] = []
        some = [texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE)]
        for scored_ones in each(lambda few: [scoring.score([text]) for text in few], some):
            found.extend(scored_ones)
            tell(len(scored_ones))
        if not found:
            return np.zeros(0), np.zeros(0, dtype=bool), np.zeros(0)
        scores, cut, familiar = (np.concatenate(part) for part in zip(*found, strict=True))
        return scores, cut, familiar

    def _columns(self, rows: Slice, usable: list[int], texts: list[str], scored: Scores) -> dict[str, list[Any]]:
        """Return the columns of a part; a row without a text has none but its number and its id."""
        scores, cut, familiar = scored
        known: dict[str, list[Any]] = {
            "score": scores.tolist(),
            "familiarity": [None if value != value else value for value in familiar.tolist()],
            "truncated": cut.tolist(),
        }
        if self.routing is not None:
            known["route"] = self.routing(texts, scored)
        n = len(rows.queries)
        columns: dict[str, list[Any]] = {"row": list(range(rows.first, rows.first + n)), "id": list(rows.ids)}
        for name, values in known.items():
            column: list[Any] = [None] * n
            for i, value in zip(usable, values, strict=True):
                column[i] = value
            columns[name] = column
        return columns
