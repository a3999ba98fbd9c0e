"""The head: from a query's features to p(x), in plain numpy.

One formula covers every recipe that keeps the encoder frozen::

    u(x)   = (features(x) - shift) * scale              embedding beside a few cheap features of the text
    raw(x) = k(u, landmarks) . weights + bias,          k(a, b) = exp(-|a - b|^2)
    p(x)   = 1 / (1 + exp(-(slope * raw(x) + offset)))  Platt's step, slope > 0

The kernel's width is in ``scale``. The last step is strictly monotone, so it makes no ties, and it keeps scores
inside (0, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

EPSILON: Final = 1e-6
"""Scores stay this far inside (0, 1), far closer than data can tell apart."""
_ARRAYS: Final = ("shift", "scale", "landmarks", "weights")


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

    Raises:
        DamagedFolderError: Shapes do not fit together, a number is not finite, or the slope is not positive.
    """

    shift: Float32Array
    scale: Float32Array
    landmarks: Float32Array
    weights: Float32Array
    bias: float
    slope: float
    offset: float

    def __post_init__(self) -> None:
        """Check shapes and signs; a head that breaks them cannot come from training."""
        d = self.shift.shape
        if self.landmarks.ndim != 2 or not d == self.scale.shape == self.landmarks.shape[1:]:
            raise DamagedFolderError("The head's arrays do not fit together; train the router again.")
        if self.weights.shape != self.landmarks.shape[:1]:
            raise DamagedFolderError("The head's landmarks and weights do not fit together; train the router again.")
        if not all(np.isfinite(np.asarray(getattr(self, f.name), dtype=np.float64)).all() for f in fields(self)):
            raise DamagedFolderError("The head has weights that are not finite; train the router again.")
        if self.slope <= 0:
            raise DamagedFolderError("The head's slope must be positive; train the router again.")

    def raw(self, features: Float32Array) -> FloatArray:
        """Return the score before Platt's step.

        Args:
            features: Shape (n, d): embedding of length 1 beside the text features.

        Returns:
            Shape (n,), any real numbers.
        """
        u = (features - self.shift) * self.scale
        return (gaussian_kernel(u, self.landmarks) @ self.weights).astype(np.float64) + self.bias

    def score(self, features: Float32Array) -> FloatArray:
        """Return p(x), shape (n,), inside (0, 1)."""
        return squash(self.slope * self.raw(features) + self.offset)

    def tensors(self) -> dict[str, NDArray[np.generic]]:
        """Return the weights as named arrays, for safetensors; landmarks in half precision."""
        named = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        return {**named, "landmarks": self.landmarks.astype(np.float16)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[np.generic]]) -> Head:
        """Read what :meth:`tensors` wrote.

        Raises:
            DamagedFolderError: An array is missing or of the wrong shape.
        """
        missing = sorted({field.name for field in fields(cls)} - set(tensors))
        if missing:
            raise DamagedFolderError(f"The head lacks {', '.join(missing)}; train the router again.")
        return cls(
            **{name: tensors[name].astype(np.float32) for name in _ARRAYS},
            bias=float(tensors["bias"]),
            slope=float(tensors["slope"]),
            offset=float(tensors["offset"]),
        )


def gaussian_kernel(a: Float32Array, b: Float32Array) -> Float32Array:
    """Return exp(-|a - b|^2), shape (n, m), for rows a (n, d) and b (m, d)."""
    squared = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None, :] - 2 * (a @ b.T)
    kernel: Float32Array = np.exp(-np.maximum(squared, np.float32(0)))
    return kernel


def squash(logits: FloatArray) -> FloatArray:
    """Map real numbers monotonically into (EPSILON, 1 - EPSILON), strictly so between -30 and 30."""
    return EPSILON + (1 - 2 * EPSILON) / (1 + np.exp(-np.clip(logits, -30, 30)))
