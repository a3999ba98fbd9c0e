"""The scores of a row: numbers in [0, 1], or on another scale that the caller names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np

from hybrid_llm.errors import TableError, shown
from hybrid_llm.table.columns import PREFIX, GuessedQuality
from hybrid_llm.table.fields import text_of

Scale = tuple[float, float]
"""The lowest and the highest score that can be given."""


def check_scale(scale: Scale) -> Scale:
    """Return a scale that makes sense.

    Raises:
        TableError: It does not.
    """
    low, high = map(float, scale)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise TableError(f"The scale {low:g}:{high:g} makes no sense; give the lowest and the highest score, as in 1:5")
    return low, high


def quality_of(place: str, value: Any, scale: Scale | None) -> dict[str, tuple[float, ...]]:
    """Return the scores of each model; a model with null has none in this row.

    Args:
        place: Where the row stands.
        value: {model: score or [score, ...]}.
        scale: What the scores lie between, when not 0 and 1.

    Raises:
        TableError: Something is no score.
    """
    if not isinstance(value, Mapping):
        raise TableError(f"{place}: field 'quality' is {shown(value)}; write it as {{model: [score, ...]}}")
    quality = {}
    for model, given in value.items():
        text_of(place, "quality", model)
        if given is not None:
            try:
                quality[model] = _scores(place, model, given, scale)
            except TableError as error:
                if not isinstance(value, GuessedQuality):
                    raise
                raise TableError(
                    f"{error}; if {model!r} is no model, call the columns that are {PREFIX}MODEL"
                ) from None
    if not quality:
        raise TableError(f"{place}: field 'quality' names no model; write it as {{model: [score, ...]}}")
    return quality


def _scores(place: str, model: str, given: Any, scale: Scale | None) -> tuple[float, ...]:
    """Check the scores of one model, one for each sampled response."""
    if isinstance(given, (np.ndarray, np.generic)):
        given = given.tolist()
    scores = given if isinstance(given, (list, tuple)) else (given,)
    where = f"{place}: field 'quality' of model {model!r}"
    if not scores:
        raise TableError(f"{where} is an empty list; give one score for each response or leave the model out")
    if scale is not None:
        return tuple(_score(where, score, scale) for score in scores)
    for score in scores:
        # Every number of a big table passes here: one test for the common case, the rest only for the others.
        if not (isinstance(score, (int, float)) and 0.0 <= score <= 1.0):
            return tuple(_score(where, score, None) for score in scores)
    return tuple(map(float, scores))


def _score(where: str, score: Any, scale: Scale | None) -> float:
    """Return one score in [0, 1]; true is 1 and false 0 on every scale."""
    if isinstance(score, (np.generic, np.ndarray)):
        score = score.tolist()
    if isinstance(score, bool):
        return float(score)
    if not isinstance(score, SupportsFloat):
        raise TableError(f"{where} has {shown(score)}, which is not a number; scores are numbers in [0, 1]")
    score = score if isinstance(score, int) else float(score)  # an int may be too big for a float
    if isinstance(score, float) and not math.isfinite(score):
        raise TableError(f"{where} has {score}, which is not finite; leave the model out of rows that were not scored")
    low, high = scale or (0.0, 1.0)
    if not low <= score <= high:
        if scale:
            raise TableError(f"{where} has {shown(score)}, outside the scale {low:g}:{high:g}; mend it or the scale")
        raise TableError(
            f"{where} has {shown(score)}, outside [0, 1]; rescale the scores by naming their lowest and highest value: "
            "--scale 1:5 (scale=(1, 5))"
        )
    return (float(score) - low) / (high - low)
