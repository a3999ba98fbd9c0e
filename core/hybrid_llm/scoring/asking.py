"""Asking the scorer: with the input looked at, in one pass, in flat memory, or for tasks of an event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hybrid_llm.scoring.microbatch import MicroBatch

Scores = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""Scores and whether each text was cut, both of shape (n,)."""

Progress = Callable[[str, int, int], None]
"""Told (what, done, total) now and then; total 0 when nobody knows how long it takes."""

CHUNK: Final = 256
"""Queries that a stream reads ahead."""


class Scoring:
    """Scores of one scorer, whose answers are checked.

    Args:
        scorer: What scores, see ``hybrid_llm.router.Scorer``. Two more methods are used if it has them, as a trained
            one does: ``score_with_truncation(queries)`` and ``recall(queries)``, which gives scores at once or None.
    """

    def __init__(self, scorer: Any) -> None:
        self._scorer = scorer
        self._joint: MicroBatch | None = None

    def score(self, texts: Sequence[str]) -> Scores:
        """Score texts in one pass.

        Raises:
            ValueError: The scorer returned something else than a finite number for each text.
        """
        with_truncation = getattr(self._scorer, "score_with_truncation", None)
        if with_truncation is not None:
            scores, truncated = with_truncation(texts)
        else:
            scores, truncated = self._scorer.score(texts), np.zeros(len(texts), dtype=bool)
        scores = np.asarray(scores, dtype=np.float64)
        if scores.shape != (len(texts),) or not np.isfinite(scores).all():
            raise ValueError(f"a scorer must return {len(texts)} finite numbers, got shape {scores.shape}")
        return scores, truncated

    async def ascore(self, texts: list[str]) -> Scores:
        """Do what :meth:`score` does in a worker thread, together with concurrent calls where that is known to work."""
        if self._joint is None:
            from hybrid_llm.scoring.microbatch import MicroBatch

            self._joint = MicroBatch(self.score, getattr(self._scorer, "recall", None))
        return await self._joint.score(texts)

    def stream(self, queries: Iterable[str]) -> Iterator[float]:
        """Score texts as they come, a few hundred at a time.

        Raises:
            TypeError: When it is reached, an item that is not a string.
        """
        source, done = iter(queries), 0
        while chunk := list(islice(source, CHUNK)):
            yield from self.score(checked(chunk, done))[0].tolist()
            done += len(chunk)


def checked(queries: Sequence[str], first: int = 0) -> list[str]:
    """Return queries as a list of strings.

    Args:
        queries: What was passed as queries.
        first: Index of the first of them, for the message.

    Raises:
        TypeError: A single string, or an item that is not a string.
    """
    if isinstance(queries, (str, bytes)):
        raise TypeError("A list of queries is expected; for one query use decide(query) or score([query]).")
    texts = list(queries)
    for i, text in enumerate(texts, first):
        if not isinstance(text, str):
            raise TypeError(f"Query {i} is {type(text).__name__}, not a string.")
    return texts


def single(query: str) -> list[str]:
    """Return one query as a list.

    Raises:
        TypeError: It is not a string.
    """
    if not isinstance(query, str):
        raise TypeError(f"decide() takes one query as a string, not {type(query).__name__}; see decide_many().")
    return [query]
