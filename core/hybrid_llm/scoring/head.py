"""The head: from a query's features to p(x), in plain numpy.

One formula covers every recipe that keeps the encoder frozen::

    u(x)   = (features(x) - shift) * scale                     embedding beside a few cheap features of the text
    raw(x) = k(u, landmarks) . weights + linear . u + bias,    k(a, b) = exp(-|a - b|^2)
    p(x)   = 1 / (1 + exp(-(slope * raw(x) + offset)))         Platt's step, slope > 0

The kernel's width is in ``scale``. The kernel is local: far from all landmarks it says nothing, and there the linear
part still tells queries apart. Text features are cut to ``limit`` at both ends in u, so that none of them takes a query
far away by itself. The last step is strictly monotone, so it makes no ties, and it keeps scores inside (0, 1).

A head that was fitted to the features of before (:mod:`~hybrid_llm.scoring.features`, version 1) has neither a linear
part nor a limit nor a measure of familiarity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.scoring.familiar import Familiarity
from hybrid_llm.scoring.features import VERSIONS, feature_names

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

EPSILON: Final = 1e-6
"""Scores stay this far inside (0, 1), far closer than data can tell apart."""
LARGEST: Final = 1e30
"""What nothing on the way to a score may reach; half the digits of single precision."""
LARGEST_FEATURE: Final = 16.0
"""No feature of a text comes near: embeddings have length 1, the others are about as large."""
_ARRAYS: Final = ("shift", "scale", "landmarks", "weights")
_NUMBERS: Final = ("bias", "slope", "offset")


@dataclass(frozen=True, eq=False)
class Head:
    """Weights of one head (the arrays are not to be changed).

    Args:
        shift: Shape (d,): subtracted from the features.
        scale: Shape (d,): multiplied after that.
        landmarks: Shape (m, d): centres of the kernel.
        weights: Shape (m,).
        bias: Added to the raw score.
        slope: Platt's slope, > 0.
        offset: Platt's offset.
        version: Of the text features that it reads, the last ones of each row.
        linear: Shape (d,), weights of the linear part; ``None`` for none.
        limit: Largest absolute value of a text feature in u; ``None`` for none.
        familiarity: How to tell a query like the training queries; ``None`` where nobody measured it.

    Raises:
        DamagedFolderError: Shapes do not fit together, a number is not finite, or the slope is not positive.
    """

    NAMES: ClassVar = (*_ARRAYS, *_NUMBERS, "version", "linear", "limit", *Familiarity.NAMES)

    shift: Float32Array
    scale: Float32Array
    landmarks: Float32Array
    weights: Float32Array
    bias: float
    slope: float
    offset: float
    version: int = 1
    linear: Float32Array | None = None
    limit: float | None = None
    familiarity: Familiarity | None = None

    def __post_init__(self) -> None:
        """Check shapes and signs; a head that breaks them cannot come from training."""
        if self.version not in VERSIONS:
            raise DamagedFolderError(f"The head reads text features of version {self.version}, which is not known.")
        d = self.shift.shape
        if self.landmarks.ndim != 2 or not d == self.scale.shape == self.landmarks.shape[1:]:
            raise DamagedFolderError("The head's arrays do not fit together; train the router again.")
        if self.weights.shape != self.landmarks.shape[:1]:
            raise DamagedFolderError("The head's landmarks and weights do not fit together; train the router again.")
        if self.linear is not None and self.linear.shape != d:
            raise DamagedFolderError("The head's linear part does not fit its features; train the router again.")
        if not self.landmarks.size:
            raise DamagedFolderError("The head has no landmarks; train the router again.")
        if self.familiarity is not None and not 0 <= self.familiarity.strangers < len(self.landmarks):
            raise DamagedFolderError("The head's measure of familiarity does not fit its landmarks; train it again.")
        if not all(np.isfinite(values.astype(np.float64)).all() for values in self._weights().values()):
            raise DamagedFolderError("The head has weights that are not finite; train the router again.")
        if self._reach() > LARGEST:
            raise DamagedFolderError("The head has weights that are too large; train the router again.")
        if self.slope <= 0:
            raise DamagedFolderError("The head's slope must be positive; train the router again.")

    def _reach(self) -> float:
        """Return how large a number can become on the way to a score, whatever the query."""
        with np.errstate(over="ignore", invalid="ignore"):
            u = (np.abs(self.shift).astype(np.float64) + LARGEST_FEATURE) * np.abs(self.scale)
            squared = np.square(self.landmarks, dtype=np.float64).sum(axis=1).max() + u @ u
            linear = u @ np.abs(self.linear) if self.linear is not None else 0.0
            raw = np.abs(self.weights).sum(dtype=np.float64) + linear + abs(self.bias)
            reach = np.nan_to_num(np.array([squared, raw, raw * self.slope + abs(self.offset)]), nan=np.inf)
        return float(reach.max())

    @property
    def texts(self) -> int:
        """How many of the features are of the text, the last ones."""
        return len(feature_names(self.version))

    def inputs(self, features: Float32Array) -> Float32Array:
        """Return u for features, both of shape (n, d) or (d,)."""
        return scaled(features, self.shift, self.scale, self.limit, self.texts)

    def raw(self, features: Float32Array) -> FloatArray:
        """Return the score before Platt's step.

        Args:
            features: Shape (n, d): embedding of length 1 beside the text features.

        Returns:
            Shape (n,), any real numbers.
        """
        u = self.inputs(features)
        local = (gaussian_kernel(u, self.landmarks) @ self.weights).astype(np.float64)
        return local + self.bias if self.linear is None else local + self.bias + u @ self.linear

    def score(self, features: Float32Array) -> FloatArray:
        """Return p(x), shape (n,), inside (0, 1)."""
        return squash(self.slope * self.raw(features) + self.offset)

    def _weights(self) -> dict[str, NDArray[np.generic]]:
        optional = ("linear", "limit")
        names = [*_ARRAYS, *_NUMBERS, *(name for name in optional if getattr(self, name) is not None)]
        return {name: np.asarray(getattr(self, name)) for name in names}

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return the weights as named arrays, for safetensors; landmarks in half precision."""
        named = {**self._weights(), "landmarks": self.landmarks.astype(np.float16)}
        if self.version > 1:
            named["version"] = np.array(self.version)
        return named | (self.familiarity.tensors() if self.familiarity else {})

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> Head:
        """Read what :meth:`tensors` wrote.

        Raises:
            DamagedFolderError: An array is missing or of the wrong shape, or a number is not as it should be.
        """
        missing = sorted({*_ARRAYS, *_NUMBERS} - set(tensors))
        if missing:
            raise DamagedFolderError(f"The head lacks {', '.join(missing)}; train the router again.")
        arrays = {name: tensors[name].astype(np.float32) for name in _ARRAYS}
        return cls(
            **arrays,
            bias=float(tensors["bias"]),
            slope=float(tensors["slope"]),
            offset=float(tensors["offset"]),
            version=int(tensors.get("version", np.array(1))),
            linear=tensors["linear"].astype(np.float32) if "linear" in tensors else None,
            limit=float(tensors["limit"]) if "limit" in tensors else None,
            familiarity=Familiarity.from_tensors(tensors),
        )


def scaled(
    features: Float32Array, shift: Float32Array, scale: Float32Array, limit: float | None, texts: int
) -> Float32Array:
    """Return features in the units of the kernel, the last ``texts`` of them cut to ``limit`` at both ends."""
    u: Float32Array = (features - shift) * scale
    if limit is not None:
        u[..., -texts:] = np.clip(u[..., -texts:], np.float32(-limit), np.float32(limit))
    return u


def gaussian_kernel(a: Float32Array, b: Float32Array) -> Float32Array:
    """Return exp(-|a - b|^2), shape (n, m), for rows a (n, d) and b (m, d)."""
    kernel: Float32Array = np.exp(-squared_distances(a, b))
    return kernel


def squared_distances(a: Float32Array, b: Float32Array) -> Float32Array:
    """Return |a - b|^2, shape (n, m), for rows a (n, d) and b (m, d)."""
    squared = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None, :] - 2 * (a @ b.T)
    distances: Float32Array = np.maximum(squared, np.float32(0))
    return distances


def squash(logits: FloatArray) -> FloatArray:
    """Map real numbers monotonically into (EPSILON, 1 - EPSILON), strictly so between -30 and 30."""
    return EPSILON + (1 - 2 * EPSILON) / (1 + np.exp(-np.clip(logits, -30, 30)))
