"""What decides where the rows of a table go, wherever they are scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hybrid_llm.scoring import Scores


class Routing(Protocol):
    """Decides where rows go; it travels to other processes, so that it has to be pickled as a value."""

    @property
    def level(self) -> str:
        """What the user asked for, in words: ``quality 0.95``."""
        ...

    @property
    def threshold(self) -> float:
        """What the level came to."""
        ...

    def __call__(self, queries: Sequence[str], scored: Scores) -> list[str]:
        """Return ``small`` or ``large`` for each of n queries that have text.

        Args:
            queries: n texts.
            scored: Their scores, whether each was cut, and their familiarity, each of shape (n,).
        """
        ...
