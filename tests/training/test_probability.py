"""Platt's step finds the curve from scores to labels."""

import numpy as np
import pytest

from hybrid_llm.training.probability import platt


def test_platt_finds_the_curve_that_made_soft_labels():
    raw = np.linspace(-3, 3, 400)
    slope, offset = platt(raw, 1 / (1 + np.exp(-(1.5 * raw - 0.4))))
    assert (slope, offset) == pytest.approx((1.5, -0.4), abs=0.02)


def test_platt_says_when_high_scores_mean_bad():
    raw = np.linspace(-1, 1, 100)
    assert platt(raw, 0.5 - 0.3 * raw)[0] < 0
