"""Kernel ridge regression on landmarks, with exact leave-one-out predictions.

The solution is a sum of m kernels, one at each landmark ("subset of regressors"; Rasmussen and Williams, *Gaussian
Processes for Machine Learning*, section 8.3.1). It is linear in its weights, so its leave-one-out residuals are
``r_i / (1 - h_ii)`` (Allen, *Technometrics* 1974): every row is scored by a fit that has not seen it, at the price of
one fit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.scoring import gaussian_kernel

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]

JITTER = 1e-4
"""Keeps weights small when landmarks nearly coincide, so that single precision is enough to serve them."""


class KernelRidge:
    """A kernel regression that is prepared once and then solved for any target and strength.

    Args:
        inputs: Shape (n, d), scaled so that the kernel is exp(-|a - b|^2).
        landmarks: Shape (m, d), m >= 1.
    """

    def __init__(self, inputs: Float32Array, landmarks: Float32Array) -> None:
        kernel = gaussian_kernel(inputs, landmarks).astype(np.float64)
        # centred, so that the bias is not regularised
        self._mean = kernel.mean(axis=0)
        self._kernel = kernel - self._mean
        self._gram = self._kernel.T @ self._kernel
        self._penalty = gaussian_kernel(landmarks, landmarks).astype(np.float64) + JITTER * np.eye(len(landmarks))

    def solve(self, targets: FloatArray, ridge: float) -> tuple[FloatArray, FloatArray]:
        """Fit ``targets`` (n, k) with regularisation ``ridge`` > 0; return weights (m, k) and bias (k,)."""
        mean = targets.mean(axis=0)
        weights = np.linalg.solve(self._gram + ridge * self._penalty, self._kernel.T @ (targets - mean))
        return weights, mean - self._mean @ weights

    def left_out(self, targets: FloatArray, ridge: float) -> FloatArray:
        """Return the prediction for each row by a fit that leaves it out, shape (n, k)."""
        inverse = np.linalg.inv(self._gram + ridge * self._penalty)
        smoother = self._kernel @ inverse
        leverage = np.einsum("ij,ij->i", smoother, self._kernel) + 1.0 / len(targets)
        mean = targets.mean(axis=0)
        fitted = smoother @ (self._kernel.T @ (targets - mean)) + mean
        residuals: FloatArray = (targets - fitted) / np.maximum(1.0 - leverage, 1e-6)[:, None]
        return targets - residuals
