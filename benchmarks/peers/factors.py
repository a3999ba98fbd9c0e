"""RouteLLM's matrix factorisation for one pair of models, after ``train_matrix_factorization.py`` of lm-sys/RouteLLM.

The model: the logit of "a beats b" is w · ((P_a/|P_a| - P_b/|P_b|) * (T e)), with a vector P for each model, a matrix T
and a vector w, for the embedding e of the query. The losses, the noise, Adam and all settings are those of that file.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FACTORS: Final = 128
ROUNDS: Final = 100
BATCH: Final = 64
NOISE: Final = 0.1
RATE: Final = 3e-4
DECAY: Final = 1e-5


def factorise(embeddings: NDArray[Any], winners: NDArray[Any], seed: int) -> NDArray[np.float32]:
    """Train on queries that one of two models won.

    Args:
        embeddings: Shape (n, d).
        winners: Shape (n,), 1 where the first model won, -1 where the second did.
        seed: Of first weights, noise and order.

    Returns:
        Shape (d,): for one pair the logit is the product of this with the embedding.
    """
    rng = np.random.default_rng(seed)
    bound, inner = embeddings.shape[1] ** -0.5, FACTORS**-0.5
    models = rng.normal(size=(2, FACTORS))  # first weights as torch.nn.Embedding and torch.nn.Linear draw them
    project = rng.uniform(-bound, bound, size=(FACTORS, embeddings.shape[1]))
    weigh = rng.uniform(-inner, inner, size=FACTORS)
    adam = _Adam([models, project, weigh])
    for _ in range(ROUNDS):
        order = rng.permutation(len(embeddings))
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            noisy = embeddings[some] + NOISE * rng.normal(size=(len(some), embeddings.shape[1]))
            adam.step(_gradients(models, project, weigh, noisy, winners[some]))
    return np.asarray((weigh * _difference(models)) @ project, dtype=np.float32)


def _difference(models: Floats) -> Floats:
    first, second = models / np.linalg.norm(models, axis=1, keepdims=True)
    return np.asarray(first - second)


def _gradients(models: Floats, project: Floats, weigh: Floats, inputs: Floats, winners: Floats) -> list[Floats]:
    """Return the gradients of the mean of log(1 + exp(-winner * logit))."""
    difference, factors = _difference(models), inputs @ project.T
    combined = weigh * difference
    slope = -winners / (1 + np.exp(winners * (factors @ combined))) / len(inputs)
    of_combined = factors.T @ slope
    of_difference = of_combined * weigh
    lengths = np.linalg.norm(models, axis=1, keepdims=True)
    units = models / lengths
    of_units = np.stack([of_difference, -of_difference])
    of_models = (of_units - units * np.sum(units * of_units, axis=1, keepdims=True)) / lengths
    return [of_models, np.outer(combined, slope @ inputs), of_combined * difference]


class _Adam:
    """Adam with weight decay added to the gradient, as ``torch.optim.Adam`` does; changes the weights in place."""

    def __init__(self, weights: list[Floats]) -> None:
        self._weights = weights
        self._means = [np.zeros_like(one) for one in weights]
        self._squares = [np.zeros_like(one) for one in weights]
        self._steps = 0

    def step(self, gradients: list[Floats]) -> None:
        self._steps += 1
        first, second = 1 - 0.9**self._steps, 1 - 0.999**self._steps
        for weight, mean, square, gradient in zip(self._weights, self._means, self._squares, gradients, strict=True):
            gradient = gradient + DECAY * weight
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            weight -= RATE / first * mean / (np.sqrt(square / second) + 1e-8)
