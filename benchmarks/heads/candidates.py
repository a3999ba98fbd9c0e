"""The heads that ``run`` compares: from features of training rows to scores of other rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.training import TrainConfig
from hybrid_llm.training.head.regression import Scaling
from hybrid_llm.training.head.ridge import KernelRidge

Floats = NDArray[np.float64]
Features = NDArray[np.float32]
Candidates = dict[tuple[str, float], Floats]
"""(setting, gap weight) -> scores of the held-out rows, shape (m,)."""

OURS: Final = "kernel ridge, text features (ours)"
WEIGHTS: Final = (0.0, 1.0, 4.0)
PARTS: Final = 50
"""Principal components of the embedding that trees get; on all 384 they are slower and no better."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows to fit and held-out rows of one pair.

    Args:
        fit: Shape (n, d), features of the rows to fit: embeddings beside text features.
        held: Shape (m, d), of the held-out rows.
        targets: Shape (n, 3): the label plus each of :data:`WEIGHTS` times the quality gap.
        dim: Length of an embedding.
        seed: Seed of landmarks and networks.
    """

    fit: Features
    held: Features
    targets: Floats
    dim: int
    seed: int = 0

    def scaled(self, embedding: float, text: float) -> tuple[Features, Features]:
        """Return both sets of rows as the recipe scales them, for kernel widths of embedding and text features."""
        scaling = Scaling.of(self.fit, embedding, text)
        return scaling(self.fit), scaling(self.held)


def kernel(problem: Problem, texts: Iterable[float]) -> Candidates:
    """Kernel ridge on 2,000 landmarks, the recipe's grid; a text width of 0 leaves the text features out."""
    grid, found = TrainConfig(), {}
    for embedding in grid.embedding_gammas:
        for text in texts:
            inputs, judged = problem.scaled(embedding, text)
            order = np.random.default_rng(problem.seed).permutation(len(inputs))
            landmarks = inputs[np.sort(order[: grid.landmarks])]
            ridge = KernelRidge(inputs, landmarks)
            design = ridge.design(judged)
            for strength in grid.ridges:
                weights, bias = ridge.solve(problem.targets, strength)
                found |= _columns(f"{embedding} {text} {strength}", design @ weights + bias)
    return found


def linear(problem: Problem) -> Candidates:
    """Ridge regression on embedding and text features."""
    inputs, judged = problem.scaled(1.0, 1.0)
    centre, mean = inputs.mean(axis=0), problem.targets.mean(axis=0)
    centred = (inputs - centre).astype(np.float64)
    found: Candidates = {}
    for strength in (1.0, 3.0, 10.0, 30.0):
        gram = centred.T @ centred + strength * np.eye(centred.shape[1])
        weights = np.linalg.solve(gram, centred.T @ (problem.targets - mean))
        found |= _columns(f"{strength}", (judged - centre) @ weights + mean)
    return found


def logistic(problem: Problem) -> Candidates:
    """Logistic regression on embedding and text features; it can fit the label alone."""
    from sklearn.linear_model import LogisticRegression

    inputs, judged = problem.scaled(1.0, 1.0)
    labels = problem.targets[:, 0]
    kept = np.concatenate([labels, 1 - labels]) > 0
    twice, classes = np.concatenate([inputs, inputs])[kept], np.repeat([1, 0], len(labels))[kept]
    weights = np.concatenate([labels, 1 - labels])[kept]
    found: Candidates = {}
    for strength in (0.1, 1.0, 10.0):
        fitted = LogisticRegression(C=strength, max_iter=1000).fit(twice, classes, sample_weight=weights)
        found[f"{strength}", 0.0] = fitted.decision_function(judged)
    return found


def neighbours(problem: Problem) -> Candidates:
    """Mean target of the nearest training queries."""
    similar = problem.held[:, : problem.dim] @ problem.fit[:, : problem.dim].T
    closest = np.argsort(-similar, axis=1)[:, :200]
    found: Candidates = {}
    for k in (30, 100, 200):
        found |= _columns(f"{k}", problem.targets[closest[:, :k]].mean(axis=1))
    return found


def network(problem: Problem) -> Candidates:
    """One hidden layer of 64 units, stopped early; the mean of three."""
    from sklearn.neural_network import MLPRegressor

    inputs, judged = problem.scaled(1.0, 1.0)
    found: Candidates = {}
    for decay in (0.01, 1.0):
        settings: dict[str, Any] = {"alpha": decay, "early_stopping": True, "learning_rate_init": 3e-3}
        networks = [MLPRegressor(hidden_layer_sizes=(64,), random_state=seed, **settings) for seed in range(3)]
        found |= _columns(
            f"{decay}", np.mean([one.fit(inputs, problem.targets).predict(judged) for one in networks], axis=0)
        )
    return found


def trees(problem: Problem) -> Candidates:
    """Gradient-boosted trees on principal components of the embedding and the text features."""
    from sklearn.decomposition import PCA
    from sklearn.ensemble import HistGradientBoostingRegressor

    parts = PCA(min(PARTS, *problem.fit.shape), random_state=problem.seed).fit(problem.fit[:, : problem.dim])
    inputs, judged = (
        np.concatenate([parts.transform(rows[:, : problem.dim]), rows[:, problem.dim :]], axis=1)
        for rows in (problem.fit, problem.held)
    )
    found: Candidates = {}
    for depth in (3, 6):
        for rounds in (50, 150):
            settings: dict[str, Any] = {"max_depth": depth, "max_iter": rounds, "learning_rate": 0.05}
            for number, weight in enumerate(WEIGHTS):
                model = HistGradientBoostingRegressor(random_state=problem.seed, **settings)
                found[f"{depth} {rounds}", weight] = model.fit(inputs, problem.targets[:, number]).predict(judged)
    return found


HEADS: Final[dict[str, Callable[[Problem], Candidates]]] = {
    OURS: lambda problem: kernel(problem, TrainConfig().text_gammas),
    "kernel ridge, embedding only": lambda problem: kernel(problem, (0.0,)),
    "linear (ridge)": linear,
    "logistic regression": logistic,
    "nearest neighbours": neighbours,
    "small network": network,
    "boosted trees": trees,
}


def _columns(setting: str, scores: NDArray[Any]) -> Candidates:
    return {(setting, weight): scores[:, number].astype(np.float64) for number, weight in enumerate(WEIGHTS)}
