"""Targets with less noise: an item-response model of who answers which question.

One 0/1 answer says little about a question; the answers of dozens of models say more. For each file the probability
that model m answers question q well is taken to be ``sigmoid(b_m + a_m . z_q)`` with a few latent numbers ``z_q`` for
each question (the multidimensional two-parameter model; Reckase, *Multidimensional Item Response Theory*, 2009),
fitted by maximum a posteriori with normal priors. The questions' texts have no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tools.shipped_router.rows import LARGE_MODELS, SMALL_MODELS, Answered, Material

Floats = NDArray[np.float64]

LEAST_MODELS = 3
"""With two models there is nothing to average."""
ROUNDS, STEPS = 15, 3
SPREAD_OF_LEVELS = 10.0
"""Prior variance of b; that of a is 1, around (1, 0, ...), and that of z is 1."""


def denoised(material: Material, rank: int) -> tuple[Floats, Floats]:
    """Return the probability that small is at least as good, and the expected gap, both of shape (n,).

    Both are means over the pairs of a small and a large model, given the latent numbers of the question. Files that
    two models answered keep what was measured.
    """
    labels, gaps = material.labels.copy(), material.small - material.large
    for file in np.unique(material.files):
        place = np.flatnonzero(material.files == file)
        models, quality = answers(material.at(material.files == file).rows)
        if len(models) < LEAST_MODELS:
            continue
        right = item_response(quality, rank)
        small, large = (right[:, np.isin(models, side)] for side in (SMALL_MODELS, LARGE_MODELS))
        labels[place] = np.mean(1 - large[:, None, :] * (1 - small[:, :, None]), axis=(1, 2))
        gaps[place] = small.mean(axis=1) - large.mean(axis=1)
    return labels, gaps


def answers(rows: Sequence[Answered]) -> tuple[list[str], Floats]:
    """Return the models of some rows, and their qualities (n, m) with NaN where a model did not answer."""
    models = sorted(set().union(*(row.quality for row in rows)))
    return models, np.array([[row.quality.get(model, np.nan) for model in models] for row in rows])


def item_response(quality: Floats, rank: int, seed: int = 0) -> Floats:
    """Fit the model to qualities (n, m) in [0, 1] with holes; return its probabilities (n, m)."""
    known = ~np.isnan(quality)
    y = np.where(known, quality, 0.0)
    n, m = y.shape
    mean = np.clip(np.nanmean(quality, axis=0), 0.02, 0.98)
    first = np.eye(1, rank + 1)[0]  # prior means: a = (1, 0, ...), b = 0
    models = np.column_stack([np.ones(m), np.random.default_rng(seed).normal(0, 0.3, (m, rank - 1)), _logit(mean)])
    precision = np.append(np.ones(rank), 1 / SPREAD_OF_LEVELS)
    questions = np.column_stack([np.zeros((n, rank)), np.ones(n)])
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            residual, weight = _errors(y, known, questions @ models.T)
            slopes = models[:, :rank]
            step = _newton(residual @ slopes - questions[:, :rank], weight, slopes, np.ones(rank))
            questions[:, :rank] += np.clip(step, -2, 2)
        residual, weight = _errors(y, known, questions @ models.T)
        pull = (models - first) * precision
        models += np.clip(_newton(residual.T @ questions - pull, weight.T, questions, precision), -1, 1)
    return _sigmoid(questions @ models.T)


def _errors(y: Floats, known: NDArray[np.bool_], logits: Floats) -> tuple[Floats, Floats]:
    p = _sigmoid(logits)
    return known * (y - p), known * p * (1 - p)


def _newton(gradient: Floats, weight: Floats, design: Floats, precision: Floats) -> Floats:
    """Return Newton's step of many small penalised logistic regressions on one design."""
    curvature = np.einsum("nm,mi,mj->nij", weight, design, design, optimize=True) + np.diag(precision)
    step: Floats = np.linalg.solve(curvature, gradient[..., None])[..., 0]
    return step


def _sigmoid(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))


def _logit(p: Floats) -> Floats:
    return np.log(p / (1 - p))
