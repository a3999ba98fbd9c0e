"""The regression that makes a head: kernel ridge on the frozen embedding and the text features.

What is fitted is the soft label plus a share of the quality gap; Platt's step maps the result back to the label, so
that a score stays a probability. On the pairs of ``docs/measured/benchmarks.md`` this one head beat a linear head,
nearest neighbours, a small network, boosted trees and averages of them (``benchmarks/heads``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.metrics import auc, tradeoff_curve
from hybrid_llm.scoring import (
    NAMES,
    NEAREST,
    VERSION,
    Familiarity,
    Head,
    distances,
    scaled,
    squared_distances,
    squash,
)
from hybrid_llm.training.config import TrainConfig
from hybrid_llm.training.head.landmarks import drawn_rows, means_of_rows
from hybrid_llm.training.head.ridge import KernelRidge
from hybrid_llm.training.probability import LEAST_SLOPE, platt

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

CHOOSING_LANDMARKS = 1000
"""Enough to compare settings; the final fit uses all."""
LEAST_SPREAD = 0.05
"""A text feature that hardly differs among the training rows is scaled as if it had this standard deviation: whole
steps of a feature are about 1, and what differs by less than a twentieth of one is the same."""
REACH = 3.0
"""A text feature counts up to this many standard deviations from its mean."""
FAR = 1e6
"""Farther than any two rows are apart."""
FARTHEST = 0.9
"""From this quantile on distances are those of the farthest training rows."""
SAME = 1e-3
"""Squared distances that differ by less differ by rounding; unrelated embeddings are about 2 apart."""
CHUNK = 1000
"""Rows whose distances to all landmarks are held at a time."""


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
        problem = _Problem(fit, gammas, min(config.landmarks, CHOOSING_LANDMARKS), config)
        design = problem.design(held.features)
        for setting in group:
            weights, bias = problem.solve(setting)
            found[setting] = _merit(design @ weights + bias, held)
    best = max(settings, key=lambda setting: found[setting])
    return best, {"n": len(held.labels), "chosen": True, "apgr": found[best], "settings_tried": len(settings)}


def fit_head(rows: Rows, setting: Setting, config: TrainConfig) -> FittedHead:
    """Fit the head of one setting to all rows and map its scores to the label."""
    problem = _Problem(rows, (setting.embedding_gamma, setting.text_gamma), config.landmarks, config)
    weights, bias = problem.solve(setting)
    left_out = problem.left_out(setting)
    slope, offset = platt(left_out, rows.labels)
    kernels, linear = problem.ridge.parts(weights)
    head = Head(
        shift=problem.scaling.shift,
        scale=problem.scaling.scale,
        landmarks=problem.landmarks,
        weights=kernels,
        bias=bias,
        slope=max(slope, LEAST_SLOPE),
        offset=offset,
        version=VERSION,
        linear=linear,
        limit=problem.scaling.limit,
        familiarity=problem.familiarity(),
    )
    return FittedHead(head, squash(head.slope * left_out + offset), found_signal=bool(slope > LEAST_SLOPE))


class _Problem:
    """The regression of one kernel: scaled features, landmarks and their factorisation."""

    def __init__(self, rows: Rows, gammas: tuple[float, float], count: int, config: TrainConfig) -> None:
        self.scaling = Scaling.of(rows.features, *gammas)
        self._inputs = self.scaling(rows.features)
        if config.landmark_rows:
            landmarks, self._chosen = drawn_rows(self._inputs, count, config.seed)
        else:
            landmarks, self._chosen = means_of_rows(self._inputs, count)
        # in half precision, as they are stored: the fit makes up for the rounding
        self.landmarks = landmarks.astype(np.float16).astype(np.float32)
        self._rows = rows
        self.ridge = KernelRidge(self._inputs, self.landmarks)

    def design(self, features: Float32Array) -> FloatArray:
        return self.ridge.design(self.scaling(features))

    def solve(self, setting: Setting) -> tuple[FloatArray, float]:
        weights, bias = self.ridge.solve(self._target(setting), setting.ridge)
        return weights[:, 0], float(bias[0])

    def left_out(self, setting: Setting) -> FloatArray:
        return self.ridge.left_out(self._target(setting), setting.ridge)[:, 0]

    def familiarity(self) -> Familiarity | None:
        return familiarity_of(self._inputs, self.landmarks, self._chosen, self.scaling)

    def _target(self, setting: Setting) -> FloatArray:
        return (self._rows.labels + setting.gap_weight * self._rows.gaps)[:, None]


@dataclass(frozen=True, eq=False)
class Scaling:
    """From features to the units of the kernel: embeddings keep their geometry, text features share one width.

    Args:
        shift: Shape (d,), subtracted.
        scale: Shape (d,), multiplied after that.
        limit: Largest absolute value of a text feature.
    """

    shift: Float32Array
    scale: Float32Array
    limit: float

    @classmethod
    def of(cls, features: Float32Array, embedding_gamma: float, text_gamma: float) -> Scaling:
        """Standardise the text features of these rows (n, d)."""
        text = features[:, -len(NAMES) :]
        dim = features.shape[1] - len(NAMES)
        width = np.sqrt(text_gamma / len(NAMES))
        scale = width / np.maximum(text.std(axis=0), LEAST_SPREAD)
        return cls(
            np.concatenate([np.zeros(dim), text.mean(axis=0)]).astype(np.float32),
            np.concatenate([np.full(dim, np.sqrt(embedding_gamma)), scale]).astype(np.float32),
            float(np.float32(REACH * width)),
        )

    def __call__(self, features: Float32Array) -> Float32Array:
        """Return features in the units of the kernel, both of shape (n, d)."""
        return scaled(features, self.shift, self.scale, self.limit, len(NAMES))


def familiarity_of(
    inputs: Float32Array, landmarks: Float32Array, chosen: NDArray[np.intp], scaling: Scaling
) -> Familiarity | None:
    """Measure how like the others each training row is, by its distances to the landmarks, itself left out.

    There is none where nobody can tell: without the embedding (a kernel width of 0) nothing says what a query is about,
    and where the farthest rows are all equally far (one query repeated), or the landmarks are so few that all of them
    count as the nearest, nothing says what is far.

    Args:
        inputs: Shape (n, d), the rows in the units of the kernel.
        landmarks: Shape (m, d).
        chosen: Shape (m,), the row that each landmark is; shape (0,) where none is a row.
        scaling: What made the inputs.
    """
    if not scaling.scale[0] or len(landmarks) <= NEAREST:
        return None
    # Embeddings of length 1 beside the mean square of the standardised text features: about as far as each other.
    of_text = (REACH / scaling.limit) ** 2 / len(NAMES) if scaling.limit else 0.0  # a width of 0 leaves them out
    units = float(scaling.scale[0]) ** -2, of_text
    found = []
    for start in range(0, len(inputs), CHUNK):
        some = inputs[start : start + CHUNK]
        parts = slice(None, -len(NAMES)), slice(-len(NAMES), None)
        embedding, text = (squared_distances(some[:, part], landmarks[:, part]) for part in parts)
        own = np.flatnonzero((chosen >= start) & (chosen < start + CHUNK))
        embedding[chosen[own] - start, own] = FAR
        found.append(distances(embedding, text, units))
    content, whole = (np.concatenate(part) for part in zip(*found, strict=True))
    if any(each.max() - np.quantile(each, FARTHEST) < SAME for each in (content, whole)):
        return None
    return Familiarity.measured(content, whole, units)


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
