"""What a router has to beat: cheap rules and plain learners, on the same embeddings and the same rows.

Every baseline returns one score a query, high where the small model should answer. Settings, where there are any, are
chosen as ``hybrid_llm.training.trainer`` chooses: on the held-out fifth of the training rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.labels import prob_labels
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training import TrainConfig

Floats = NDArray[np.float64]
Embeddings = NDArray[np.float32]

NEIGHBOURS: Final = 100
STRENGTHS: Final = (0.1, 1.0, 10.0)
PRIOR_ROWS: Final = 5.0
"""Rows of average difficulty that each task is given beforehand, so that a small task says little."""

SHORTER: Final = "shorter query to small"
KNN: Final = "kNN-100"
LOGISTIC: Final = "logistic regression"
RIDGE: Final = "plain kernel ridge"
KNN_AND_RIDGE: Final = "kNN-100 + plain ridge"
TASK: Final = "task mean *"
TASK_AND_OURS: Final = "task mean * + ours"
PLAIN: Final = TrainConfig(text_gammas=(0.0,), gap_weights=(0.0,))
"""Kernel ridge on the embedding alone, fitted to the label alone."""
LABEL_FREE: Final = (KNN, LOGISTIC, RIDGE, KNN_AND_RIDGE, SHORTER)
WITH_TASK: Final = (TASK, TASK_AND_OURS)
MARK: Final = "\\* needs the label of the task, which a live query does not have."


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows to learn from and rows to judge.

    Args:
        rows: Rows to learn from.
        judged: Rows to judge.
        embeddings: Shape (n, d) of ``rows``.
        judged_embeddings: Shape (m, d) of ``judged``.
    """

    rows: PairTable
    judged: PairTable
    embeddings: Embeddings
    judged_embeddings: Embeddings

    @property
    def labels(self) -> Floats:
        """Pr[H >= 0] of the rows to learn from, shape (n,)."""
        return prob_labels(self.rows.q_small, self.rows.q_large)

    def choosing(self) -> Fold:
        """Return the held-out fifth of the rows as the judged ones, the others to learn from."""
        held = np.array([hash_fraction(f"held-out {i}") < 0.2 for i in self.rows.ids])
        return Fold(self.rows.rows(~held), self.rows.rows(held), self.embeddings[~held], self.embeddings[held])


def baselines(fold: Fold, ours: Floats, plain: Floats) -> dict[str, Floats]:
    """Return the scores of every baseline on the judged rows, each of shape (m,).

    Args:
        fold: The rows.
        ours: The router's scores of the judged rows, for the baseline that adds the task to them.
        plain: Scores of a router of :data:`PLAIN`.
    """
    near = nearest(fold, NEIGHBOURS)
    found = {
        KNN: near,
        LOGISTIC: _chosen(fold, logistic, STRENGTHS),
        RIDGE: plain,
        KNN_AND_RIDGE: _ranks(near) + _ranks(plain),
        SHORTER: -np.array([float(len(query)) for query in fold.judged.queries]),
    }
    if len(set(fold.rows.tasks)) > 1:
        found[TASK] = task_mean(fold)
        found[TASK_AND_OURS] = standardised(found[TASK]) + standardised(np.log(ours / (1 - ours)))
    return found


def nearest(fold: Fold, k: int) -> Floats:
    """Score by the mean label of the k nearest training queries (cosine)."""
    k = min(k, len(fold.rows))
    similar = fold.judged_embeddings @ fold.embeddings.T
    closest = np.argpartition(-similar, k - 1, axis=1)[:, :k]
    return np.asarray(fold.labels[closest].mean(axis=1), dtype=np.float64)


def logistic(fold: Fold, strength: float) -> Floats:
    """Score by a logistic regression of the soft label on the embedding (strength is scikit-learn's C)."""
    from sklearn.linear_model import LogisticRegression

    labels = fold.labels
    weights = np.concatenate([labels, 1 - labels])
    kept = weights > 0
    classes = np.repeat([1, 0], len(labels))[kept]
    inputs = np.concatenate([fold.embeddings, fold.embeddings])[kept]
    fitted = LogisticRegression(C=strength, max_iter=1000).fit(inputs, classes, sample_weight=weights[kept])
    return np.asarray(fitted.decision_function(fold.judged_embeddings), dtype=np.float64)


def task_mean(fold: Fold) -> Floats:
    """Score by the mean label of the training queries of the same task."""
    tasks, number = np.unique(np.array(fold.rows.tasks), return_inverse=True)
    overall = fold.labels.mean()
    counts = np.bincount(number) + PRIOR_ROWS
    means = dict(zip(tasks, (np.bincount(number, fold.labels) + PRIOR_ROWS * overall) / counts, strict=True))
    return np.array([means.get(task, overall) for task in fold.judged.tasks])


def standardised(values: Floats) -> Floats:
    """Return the values with mean 0 and spread 1."""
    return np.asarray((values - values.mean()) / (values.std() or 1.0), dtype=np.float64)


def _ranks(values: Floats) -> Floats:
    from scipy.stats import rankdata

    return np.asarray(rankdata(values) / len(values), dtype=np.float64)


def _chosen(fold: Fold, learn: Callable[[Fold, float], Floats], settings: tuple[float, ...]) -> Floats:
    """Fit with the setting that has the highest APGR on the held-out fifth."""
    held = fold.choosing()
    apgr = {
        setting: tradeoff_curve(learn(held, setting), held.judged.mean_small, held.judged.mean_large).apgr
        for setting in settings
    }
    return learn(fold, max(settings, key=lambda setting: np.nan_to_num(apgr[setting])))
