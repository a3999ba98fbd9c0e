"""The landmarks of a head: training rows as they are, or means of rows that are alike, so that none can be read off."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Rows = NDArray[np.intp]

TOGETHER: Final = 10
"""Distinct rows that one mean is made of, at least."""
_TURNS: Final = 8
"""Steps towards the direction in which rows differ most; it need not be exact."""


def drawn_rows(inputs: Float32Array, count: int, seed: int) -> tuple[Float32Array, Rows]:
    """Return landmarks that are rows, and which.

    Args:
        inputs: Shape (n, d), rows in the units of the kernel.
        count: Landmarks at most.
        seed: Of what is drawn.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(inputs))[:count])
    return inputs[chosen], chosen


def means_of_rows(inputs: Float32Array, count: int) -> tuple[Float32Array, Rows]:
    """Return landmarks that are means of :data:`TOGETHER` distinct rows or more, and that none of them is a row.

    The rows are halved where they differ most, and the halves again, as long as each keeps enough.

    Args:
        inputs: Shape (n, d), rows in the units of the kernel.
        count: Landmarks at most.

    Example:
        >>> means_of_rows(np.eye(30, dtype=np.float32), 100)[0].shape
        (2, 30)
    """
    distinct = np.unique(inputs, axis=0)
    least = max(TOGETHER, -(-len(distinct) // count))
    whole, means = [distinct], []
    while whole:
        rows = whole.pop()
        if len(rows) < 2 * least:
            means.append(rows.mean(axis=0))
            continue
        order = np.argsort(_along(rows), kind="stable")
        whole += [rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]]
    return np.array(means, dtype=np.float32), np.zeros(0, dtype=np.intp)


def _along(rows: Float32Array) -> Float32Array:
    """Return how far rows lie along the direction in which they differ most, shape (n,)."""
    centred = rows - rows.mean(axis=0)
    direction = np.ones(rows.shape[1], dtype=np.float32)
    for _ in range(_TURNS):
        direction = centred.T @ (centred @ direction)
        direction /= np.linalg.norm(direction) + np.float32(1e-30)
    along: Float32Array = centred @ direction
    return along
