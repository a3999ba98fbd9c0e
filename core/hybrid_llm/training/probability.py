"""Platt's step: the logistic curve that makes a probability of what a fit gives."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LEAST_SLOPE: Final = 1e-3
"""Platt's slope when a fit found nothing: all scores nearly equal, and still in their order."""


def platt(raw: FloatArray, labels: FloatArray) -> tuple[float, float]:
    """Fit slope and offset of a logistic curve from raw scores (n,) to soft labels (n,) (Platt, 1999)."""
    from sklearn.linear_model import LogisticRegression

    centre, width = raw.mean(), raw.std() or 1.0
    twice = np.tile((raw - centre) / width, 2)[:, None]
    classes = np.repeat([1, 0], len(raw))
    shares = np.concatenate([labels, 1 - labels])
    # hardly any regularisation: just enough to stay finite when the classes separate
    fitted = LogisticRegression(C=1e4).fit(twice, classes, sample_weight=shares)
    slope = float(fitted.coef_[0, 0]) / width
    return slope, float(fitted.intercept_[0]) - slope * centre
