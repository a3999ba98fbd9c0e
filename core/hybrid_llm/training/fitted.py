"""The shape of a recipe: the one function that it is, and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.scoring import Encoder, Progress, RememberingScorer

if TYPE_CHECKING:
    from hybrid_llm.table import PairTable
    from hybrid_llm.training.config import TrainConfig

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fitted:
    """What a recipe hands back: a scorer as it is served, and what the record says of it.

    Args:
        scorer: What scores.
        scores: Shape (m,), scores of training rows, each by a fit that leaves the row out.
        found_signal: Whether there was anything to learn.
        chosen: What the held-out fifth chose.
        heldout: Figures on the held-out fifth.
        n_fit: Rows that the final weights were fitted to.
        recoverable: Whether training rows could be recovered from the weights, in words.
        settings: Settings as they are to be recorded.
        versions: Versions of libraries that only this recipe uses.
    """

    scorer: RememberingScorer
    scores: FloatArray
    found_signal: bool
    chosen: Mapping[str, float]
    heldout: Mapping[str, Any]
    n_fit: int
    recoverable: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)


class FitRecipe(Protocol):
    """A recipe: the function that makes a scorer of training rows and their labels."""

    def __call__(
        self,
        rows: PairTable,
        labels: FloatArray,
        heldout: BoolArray,
        config: TrainConfig,
        *,
        encoder: Encoder | None = None,
        progress: Progress | None = None,
    ) -> Fitted:
        """Fit a scorer.

        Args:
            rows: The n training rows, the held-out ones among them.
            labels: Shape (n,), soft labels in [0, 1].
            heldout: Shape (n,), the rows that choose.
            config: All settings.
            encoder: The encoder to serve with, in place of ``config.encoder``.
            progress: Called with (what, done, total) now and then.
        """
        ...
