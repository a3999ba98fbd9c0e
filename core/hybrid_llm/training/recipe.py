"""Which recipe for how many rows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final, Literal

from hybrid_llm.errors import HybridLLMWarning

if TYPE_CHECKING:
    from hybrid_llm.training.config import TrainConfig

TRIED_ROWS: Final = 8287
"""Training rows up to which ``benchmarks/full.py`` compared both recipes; ``full`` was clearly better on none."""


def recipe_of(config: TrainConfig, rows: int) -> Literal["head", "full"]:
    """Return the recipe to follow; ``auto`` is ``head``, since fine-tuning has not paid where it was measured.

    Args:
        config: The settings.
        rows: Training rows.
    """
    if config.recipe != "full":
        return "head"
    if rows <= TRIED_ROWS:
        warnings.warn(
            f"With {rows:,} training rows the recipe full is likely no better than head: on no pair measured was it "
            f"clearly better, with up to {TRIED_ROWS:,} rows and a small encoder (docs/training.md). Train both, and "
            "compare: hybrid-llm evaluate",
            HybridLLMWarning,
            stacklevel=3,
        )
    return "full"
