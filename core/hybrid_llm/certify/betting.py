"""Is a mean at most zero? A test by betting, exact for every sample size.

Somebody claims that numbers z <= 1 have a mean of zero or more. Bet against the claim: start with one coin and
multiply it by ``1 - bet * z`` for each number. If the claim is true, no bet between 0 and 1 earns on average, and so
the wealth after all n numbers exceeds 1/delta with probability at most delta (Markov's inequality). Wealth of 20 is
proof with 95 % confidence. Nothing is assumed about the distribution except that the numbers are drawn independently
and that z <= 1.

Which bet is best depends on the variance, which is not known. The coin is therefore split evenly over six bets that
are fixed before the numbers are seen; a mean of such wealths is one too. Each is the best bet for one variance
between 0.002 and 0.5 *in a sample of n at the edge of proof*. Products do not care about order, so neither does the
result.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (arXiv 2010.09686).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

LARGEST_BET: Final = 0.95
"""Below 1, so that no single z <= 1 loses everything; the same at every level, so that wealth rises with it."""
VARIANCES: Final = (0.002, 0.006, 0.018, 0.055, 0.166, 0.5)
"""Paired differences of qualities in [0, 1] have variances in this range: few or many queries are routed and lost."""


def bets(n: int) -> FloatArray:
    """Return the bets for a sample of n, which are known before the sample is.

    With mean -m and variance v, wealth grows like exp(n (bet * m - bet^2 * v / 2)): the best bet is m / v. Where proof
    begins, n m^2 / 2v is about 4 (between 3.0 for one promise and 4.8 for one of six), so that m / v = sqrt(8 / (n v)).

    Args:
        n: Number of independent draws, at least 1.

    Returns:
        Shape (6,), each in (0, 0.95].

    Example:
        >>> bets(2000).round(2).tolist()
        [0.95, 0.82, 0.47, 0.27, 0.16, 0.09]
    """
    return np.minimum(LARGEST_BET, np.sqrt(8.0 / (n * np.asarray(VARIANCES))))


def log_wealth(z: ArrayLike) -> float:
    """Return the logarithm of the wealth after betting that the mean of z is below zero.

    Args:
        z: Shape (n,), n >= 1, independent draws, each at most 1.

    Returns:
        The claim "the mean is zero or more" is refuted with confidence 1 - delta when this is at least log(1/delta).

    Example:
        >>> proof = np.log(20)  # 95 % confidence
        >>> round(float(proof), 2), round(log_wealth([-0.05] * 100), 2), round(log_wealth([-0.05] * 99 + [1.0]), 2)
        (3.0, 4.32, 1.7)
    """
    draws = np.asarray(z, dtype=np.float64)
    return float(mixed(np.log1p(-np.outer(bets(draws.size), draws)).sum(axis=1)))


def log_wealth_along(
    start: FloatArray, before: FloatArray, after: FloatArray, made: IntArray, stakes: FloatArray
) -> FloatArray:
    """Return the log wealth of each bet for a sample whose entries change one after another.

    A lower threshold changes one entry of the sample for each row that it newly sends to small. One pass over the
    changes serves all thresholds.

    Args:
        start: Shape (n,), the sample before any change.
        before: Shape (m,), the value of the entry that change j replaces, just before it.
        after: Shape (m,), the value just after it.
        made: Shape (k,), numbers of changes made, in 0..m.
        stakes: Shape (b,), the bets.

    Returns:
        Shape (k, b): sum of log(1 - bet * z) over the n entries after ``made`` changes.
    """
    result = np.empty((made.size, stakes.size))
    steps = np.zeros(before.size + 1)
    for j, bet in enumerate(stakes):
        np.cumsum(np.log((1.0 - bet * after) / (1.0 - bet * before)), out=steps[1:])
        result[:, j] = np.log1p(-bet * start).sum() + steps[made]
    return result


def mixed(log_wealths: FloatArray) -> FloatArray:
    """Return the log of the mean wealth over the bets (last axis), without overflow."""
    top = log_wealths.max(axis=-1, keepdims=True)
    mean = np.exp(log_wealths - top).mean(axis=-1)
    return np.asarray(top[..., 0] + np.log(mean))
