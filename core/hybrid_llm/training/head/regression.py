"""The regression that makes a head: kernel ridge on the frozen embedding and the text features.

What is fitted is the soft label plus a share of the quality gap; Platt's step maps the result back to the label, so
that a score stays a probability. On the pairs of ``docs/benchmarks.md`` this one head beat a linear head, nearest
neighbours, a small network, boosted trees and averages of them (``benchmarks/heads.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.metrics import auc, tradeoff_curve
from hybrid_llm.scoring import NAMES, Head, gaussian_kernel, squash
from hybrid_llm.training.config import TrainConfig
from hybrid_llm.training.head.ridge import KernelRidge
from hybrid_llm.training.probability import LEAST_SLOPE, platt

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

CHOOSING_LANDMARKS = 1000
"""Enough to compare settings; the final fit uses all."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One combination of the values in :class:`TrainConfig` that the held-out fifth chooses from."""

    embedding_gamma: float
    text_gamma: float
    ridge: float
    gap_weight: float

    def as_dict(self) -> dict[str, float]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Rows:
    """Training rows as arrays: their features, labels and qualities.

    Args:
        features: Shape (n, d), embeddings beside text features.
        labels: Shape (n,), soft labels in [0, 1].
        gaps: Shape (n,), mean quality gap H.
        q_small: Shape (n,), mean quality of the small model.
        q_large: Shape (n,), mean quality of the large model.
    """

    features: Float32Array
    labels: FloatArray
    gaps: FloatArray
    q_small: FloatArray
    q_large: FloatArray

    def at(self, mask: BoolArray) -> Rows:
        """Return the rows of a mask."""
        return Rows(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head, and the score of each of its training rows by a fit that leaves the row out."""

    head: Head
    left_out_scores: FloatArray
    found_signal: bool


def choose(rows: Rows, heldout: BoolArray, config: TrainConfig) -> tuple[Setting, dict[str, Any]]:
    """Choose the setting with the highest APGR on the held-out rows (AUC where APGR is not defined).

    With fewer than ``config.min_heldout`` of them the first setting of the grid is taken.
    """
    settings = list(_grid(config))
    if heldout.sum() < config.min_heldout:
        return settings[0], {"n": int(heldout.sum()), "chosen": False}
    fit, held = rows.at(~heldout), rows.at(heldout)
    found: dict[Setting, float] = {}
    for gammas, group in _by_kernel(settings):
        problem = _Problem(fit, gammas, min(config.landmarks, CHOOSING_LANDMARKS), config.seed)
        kernel = problem.kernel(held.features)
        for setting in group:
            weights, bias = problem.solve(setting)
            found[setting] = _merit(kernel @ weights + bias, held)
    best = max(settings, key=lambda setting: found[setting])
    return best, {"n": len(held.labels), "chosen": True, "apgr": found[best], "settings_tried": len(settings)}


def fit_head(rows: Rows, setting: Setting, config: TrainConfig) -> FittedHead:
    """Fit the head of one setting to all rows and map its scores to the label."""
    problem = _Problem(rows, (setting.embedding_gamma, setting.text_gamma), config.landmarks, config.seed)
    weights, bias = problem.solve(setting)
    left_out = problem.left_out(setting)
    slope, offset = platt(left_out, rows.labels)
    head = Head(
        shift=problem.shift,
        scale=problem.scale,
        landmarks=problem.landmarks,
        weights=weights.astype(np.float32),
        bias=bias,
        slope=max(slope, LEAST_SLOPE),
        offset=offset,
    )
    return FittedHead(head, squash(head.slope * left_out + offset), found_signal=bool(slope > LEAST_SLOPE))


class _Problem:
    """The regression of one kernel: scaled features, landmarks and their factorisation."""

    def __init__(self, rows: Rows, gammas: tuple[float, float], landmarks: int, seed: int) -> None:
        self.shift, self.scale = normaliser(rows.features, *gammas)
        inputs = self._scaled(rows.features)
        order = np.random.default_rng(seed).permutation(len(inputs))
        # in half precision, as they are stored: the fit makes up for the rounding
        self.landmarks = inputs[np.sort(order[:landmarks])].astype(np.float16).astype(np.float32)
        self._rows = rows
        self._ridge = KernelRidge(inputs, self.landmarks)

    def _scaled(self, features: Float32Array) -> Float32Array:
        return ((features - self.shift) * self.scale).astype(np.float32)

    def kernel(self, features: Float32Array) -> FloatArray:
        return gaussian_kernel(self._scaled(features), self.landmarks).astype(np.float64)

    def solve(self, setting: Setting) -> tuple[FloatArray, float]:
        weights, bias = self._ridge.solve(self._target(setting), setting.ridge)
        return weights[:, 0], float(bias[0])

    def left_out(self, setting: Setting) -> FloatArray:
        return self._ridge.left_out(self._target(setting), setting.ridge)[:, 0]

    def _target(self, setting: Setting) -> FloatArray:
        return (self._rows.labels + setting.gap_weight * self._rows.gaps)[:, None]


def normaliser(features: Float32Array, embedding_gamma: float, text_gamma: float) -> tuple[Float32Array, Float32Array]:
    """Return shift and scale of the features (n, d), both of shape (d,).

    Embeddings keep their geometry; text features are standardised and share one width.
    """
    text = features[:, -len(NAMES) :]
    spread = np.maximum(text.std(axis=0), 1e-3)
    dim = features.shape[1] - len(NAMES)
    shift = np.concatenate([np.zeros(dim), text.mean(axis=0)])
    scale = np.concatenate([np.full(dim, np.sqrt(embedding_gamma)), np.sqrt(text_gamma / len(NAMES)) / spread])
    return shift.astype(np.float32), scale.astype(np.float32)


def _grid(config: TrainConfig) -> Iterator[Setting]:
    kernels = product(config.embedding_gammas, config.text_gammas)
    for embedding_gamma, text_gamma in kernels:
        for ridge, gap_weight in product(config.ridges, config.gap_weights):
            yield Setting(embedding_gamma, text_gamma, ridge, gap_weight)


def _by_kernel(settings: list[Setting]) -> Iterator[tuple[tuple[float, float], list[Setting]]]:
    groups: dict[tuple[float, float], list[Setting]] = {}
    for setting in settings:
        groups.setdefault((setting.embedding_gamma, setting.text_gamma), []).append(setting)
    yield from groups.items()


def _merit(raw: FloatArray, held: Rows) -> float:
    apgr = tradeoff_curve(raw, held.q_small, held.q_large).apgr
    if np.isfinite(apgr):
        return apgr
    area = auc(raw, held.gaps >= 0)
    return area if np.isfinite(area) else 0.5
