"""Batches of texts of like length, so that hardly a token of the work is padding.

The order depends on the seed and the epoch alone: an interrupted run finds its place again, and each process of a
joint run knows its share without asking.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

POOL: Final = 50
"""Batches that are sorted by length together: enough for little padding, few enough to mix each epoch anew."""


def length_grouped(lengths: Sequence[int], size: int, seed: Sequence[int]) -> list[IntArray]:
    """Return the numbers of n rows, each once, in random batches of rows of like length.

    The batch with the longest row is the first, so that too little memory shows early.

    Args:
        lengths: n lengths.
        size: Rows of a batch; one batch may have fewer.
        seed: Numbers that the order depends on.

    Example:
        >>> [batch.tolist() for batch in sorted(length_grouped([9, 1, 8, 2], 2, [0]), key=min)]
        [[0, 2], [1, 3]]
    """
    rng = np.random.default_rng(seed)
    order, keys = rng.permutation(len(lengths)), np.asarray(lengths, dtype=np.int64)
    batches = []
    for start in range(0, len(order), size * POOL):
        pool = order[start : start + size * POOL]
        pool = pool[np.argsort(-keys[pool], kind="stable")]
        batches += [np.sort(pool[at : at + size]) for at in range(0, len(pool), size)]
    mixed = [batches[i] for i in rng.permutation(len(batches))]
    longest = int(np.argmax([keys[batch].max() for batch in mixed]))
    mixed[0], mixed[longest] = mixed[longest], mixed[0]
    return mixed


def steps_per_epoch(rows: int, size: int, each: int) -> int:
    """Return how many steps :func:`steps_of` makes of so many rows in batches of ``size``."""
    return math.ceil(math.ceil(rows / size) / each)


def steps_of(batches: Sequence[IntArray], each: int) -> list[list[IntArray]]:
    """Gather batches into the steps of the optimiser, ``each`` batches a step (the last may have fewer)."""
    return [list(batches[start : start + each]) for start in range(0, len(batches), each)]


def padded(ids: Sequence[Sequence[int]], pad: int, multiple: int = 1) -> tuple[IntArray, IntArray]:
    """Return token ids as one array, filled up with ``pad``, and the mask that tells them apart, both (n, longest).

    Args:
        ids: Token ids of n texts.
        pad: The id to fill up with.
        multiple: The width becomes a multiple of this.
    """
    width = -(-max(map(len, ids)) // multiple) * multiple
    filled = np.full((len(ids), width), pad, dtype=np.int64)
    mask = np.zeros_like(filled)
    for row, some in enumerate(ids):
        filled[row, : len(some)], mask[row, : len(some)] = some, 1
    return filled, mask
