"""What the calls of one model used and cost, added up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hybrid_llm.event import Attempt, Usage


@dataclass(frozen=True)
class ModelSpent:
    """The calls of one model.

    Args:
        model: Its name.
        route: The arm that it is.
        calls: How often it was called.
        kept: How many of its answers were shown.
        failed: How often it raised an error.
        input_tokens: Tokens that it read, as far as its server says; ``None`` where it never does.
        output_tokens: Tokens that it wrote, likewise.
        cached_tokens: Those of ``input_tokens`` that came from the provider's prompt cache, likewise.
        usd: What its calls cost, as far as it is known; ``None`` where it never is.
        seconds_p50: Half of its answers came within this time; ``None`` without answers.
    """

    model: str
    route: str
    calls: int
    kept: int
    failed: int
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    usd: float | None
    seconds_p50: float | None


class ModelTally:
    """Adds up the calls of one model."""

    def __init__(self) -> None:
        self._calls = self._kept = self._failed = 0
        self._used = Usage()
        self._usd: float | None = None
        self._seconds: list[float] = []

    def add(self, attempt: Attempt) -> None:
        """Add one call."""
        self._calls += 1
        self._kept += attempt.kept
        self._used = self._used.plus(Usage(attempt.input_tokens, attempt.output_tokens, attempt.cached_tokens))
        if attempt.cost_usd is not None:
            self._usd = (self._usd or 0.0) + attempt.cost_usd
        if attempt.error is not None:
            self._failed += 1
        else:
            self._seconds.append(attempt.seconds)

    def of(self, model: str, route: str) -> ModelSpent:
        """Return the sums."""
        used = self._used
        return ModelSpent(
            model,
            route,
            self._calls,
            self._kept,
            self._failed,
            used.input_tokens,
            used.output_tokens,
            used.cached_tokens,
            self._usd,
            float(np.median(self._seconds)) if self._seconds else None,
        )
