"""What a recipe hands back, whichever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.scoring import RememberingScorer


@dataclass(frozen=True, eq=False)
class Fitted:
    """A scorer as it is served, and what is to be said of it.

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
    scores: NDArray[np.float64]
    found_signal: bool
    chosen: Mapping[str, float]
    heldout: Mapping[str, Any]
    n_fit: int
    recoverable: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
