"""Kernel ridge regression on landmarks, with exact leave-one-out predictions.

The solution is a sum of m kernels, one at each landmark ("subset of regressors"; Rasmussen and Williams, *Gaussian
Processes for Machine Learning*, section 8.3.1), and of a linear function: the kernel exp(-|a - b|^2) + LINEAR a . b.
It is linear in its weights, so its leave-one-out residuals are ``r_i / (1 - h_ii)`` (Allen, *Technometrics* 1974):
every row is scored by a fit that has not seen it, at the price of one fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.scoring import gaussian_kernel

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

JITTER = 1e-4
"""Keeps weights small when landmarks nearly coincide, so that single precision is enough to serve them."""


LINEAR = 0.02
"""Prior variance of the linear part beside the kernel's 1. More costs on benchmarks left out, as wide kernels do."""


class KernelRidge:
    """A kernel regression that is prepared once and then solved for any target and strength.

    Args:
        inputs: Shape (n, d), scaled so that the kernel is exp(-|a - b|^2).
        landmarks: Shape (m, d), m >= 1.
        linear: Prior variance of the linear part, >= 0.
    """

    def __init__(self, inputs: Float32Array, landmarks: Float32Array, linear: float = LINEAR) -> None:
        self._landmarks, self._linear = landmarks, linear
        design = self.design(inputs)
        # centred, so that the bias is not regularised
        self._mean = design.mean(axis=0)
        self._centred = design - self._mean
        self._gram = self._centred.T @ self._centred
        self._penalty = np.eye(len(self._mean))
        m = len(landmarks)
        self._penalty[:m, :m] = gaussian_kernel(landmarks, landmarks).astype(np.float64) + JITTER * np.eye(m)

    def design(self, inputs: Float32Array) -> FloatArray:
        """Return what the weights multiply for inputs (n, d), shape (n, m + d): kernels, then the scaled inputs."""
        parts = gaussian_kernel(inputs, self._landmarks), np.sqrt(self._linear) * inputs
        return np.concatenate(parts, axis=1, dtype=np.float64)

    def parts(self, weights: FloatArray) -> tuple[Float32Array, Float32Array]:
        """Return weights (m + d,) as those of the kernels (m,) and those of the inputs themselves (d,)."""
        m = len(self._landmarks)
        return weights[:m].astype(np.float32), (np.sqrt(self._linear) * weights[m:]).astype(np.float32)

    def solve(self, targets: FloatArray, ridge: float) -> tuple[FloatArray, FloatArray]:
        """Fit ``targets`` (n, k) with regularisation ``ridge`` > 0; return weights (m + d, k) and bias (k,)."""
        mean = targets.mean(axis=0)
        weights = np.linalg.solve(self._gram + ridge * self._penalty, self._centred.T @ (targets - mean))
        return weights, mean - self._mean @ weights

    def left_out(self, targets: FloatArray, ridge: float) -> FloatArray:
        """Return the prediction for each row by a fit that leaves it out, shape (n, k)."""
        inverse = np.linalg.inv(self._gram + ridge * self._penalty)
        smoother = self._centred @ inverse
        leverage = np.einsum("ij,ij->i", smoother, self._centred) + 1.0 / len(targets)
        mean = targets.mean(axis=0)
        fitted = smoother @ (self._centred.T @ (targets - mean)) + mean
        residuals: FloatArray = (targets - fitted) / np.maximum(1.0 - leverage, 1e-6)[:, None]
        return targets - residuals
