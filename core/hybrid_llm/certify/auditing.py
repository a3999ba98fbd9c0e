"""Does a promise still hold? A test by betting that may be looked at after every audit.

A certificate speaks of the queries that it was measured on, and traffic changes. So requests are drawn from traffic,
the arm that did not answer is asked too, and both answers are graded. As in :mod:`hybrid_llm.certify.walk` the promise
is

    E[z] <= 0    for    z = r (l - s) - max_drop * l,

with r = 1 where small's answer was shown. Two players bet, each against one claim. The one who bets that z is below
zero earns when the promise holds, the other one when it is broken. Wealth of 1 / (1 - confidence), at any time, is
proof (Ville's inequality): nobody has to say beforehand how many audits there will be. So the bets may not depend on
how many there are, as those of a certificate do. The coin is split over bets that each halve the one before.

Where large answered, z is -max_drop * l: always small, and hardly worth an audit, yet the mean needs it. Such requests
are drawn ``RATIO`` times more rarely and count ``RATIO`` times as much. What is drawn comes from traffic at random, so
the weighted z are independent, and their mean has the sign of the one that is asked about.

Who bets that the promise is broken keeps half the coin back, and begins anew with a part of it after every hundred
audits: traffic that was fine for a year would otherwise hide a break for long.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (arXiv 2010.09686).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hybrid_llm.certify.betting import LARGEST_BET, mixed
from hybrid_llm.errors import CertificateError
from hybrid_llm.metrics import SLACK

FloatArray = NDArray[np.float64]
Verdict = Literal["holds", "broken", "not_yet_known"]

RATIO: Final = 4.0
"""How many times more rarely a request is drawn that large answered; its weight."""
_HALVINGS: Final = 0.5 ** np.arange(6)
_ANEW: Final = 100
"""Audits after which the bets on a break begin anew."""
_TO_ESTIMATE: Final = 10
"""Audits from which on it is estimated how many more will do."""


@dataclass(frozen=True)
class Audit:
    """What the audits of a promise came to.

    Args:
        verdict: ``"holds"`` or ``"broken"``, each with the confidence that was asked for, or ``"not_yet_known"``.
        audited: Requests that were audited.
        drop: The quality drop among them, weighted as drawn; ``None`` where large scored 0 on all.
        drop_upper_bound: The drop of the traffic is below this, with the confidence that was asked for.
        needed_n: How many audits in all may bring a verdict; ``None`` where there is one, or nobody can tell.
    """

    verdict: Verdict
    audited: int
    drop: float | None
    drop_upper_bound: float
    needed_n: int | None


def audit(
    to_small: ArrayLike,
    q_small: ArrayLike,
    q_large: ArrayLike,
    *,
    max_drop: float,
    confidence: float = 0.95,
) -> Audit:
    """Say whether traffic keeps a promise, from requests drawn from it; one may look after each of them.

    Args:
        to_small: Shape (n,), whether small's answer was shown; in the order of the audits.
        q_small: Shape (n,), quality of small's answer in [0, 1]; not read where large's was shown.
        q_large: Shape (n,), the same of large. Requests that it answered are drawn :data:`RATIO` times more rarely.
        max_drop: The largest quality drop that was promised, in (0, 1).
        confidence: Probability that "holds" is right, and likewise "broken", in (0, 1).

    Raises:
        CertificateError: Lengths differ, or a value is out of its range.

    Example:
        >>> fine = audit([True, False] * 200, [0.9, 0.0] * 200, [0.9, 0.9] * 200, max_drop=0.1)
        >>> fine.verdict, fine.drop, fine.needed_n
        ('holds', 0.0, None)
        >>> audit([True] * 40, [0.5] * 40, [0.9] * 40, max_drop=0.1).verdict
        'broken'
    """
    if not (0.0 < max_drop < 1.0 and 0.0 < confidence < 1.0):
        raise CertificateError(f"max_drop={max_drop} and confidence={confidence} must lie between 0 and 1.")
    lost, large = weighted(to_small, q_small, q_large)
    n, proof = lost.size, -math.log(1.0 - confidence)
    if not n:
        return Audit("not_yet_known", 0, None, 1.0, None)
    z = lost - max_drop * large
    drop = float(lost.sum() / large.sum()) if large.sum() > SLACK else None
    verdict: Verdict = "not_yet_known"
    if log_wealth_of_break(z, max_drop)[-1] >= proof:
        verdict = "broken"
    elif log_wealth_of_hold(z)[-1] >= proof:
        verdict = "holds"
    needed = _needed(z, max_drop, proof) if verdict == "not_yet_known" and n >= _TO_ESTIMATE else None
    return Audit(verdict, n, drop, _upper_bound(lost, large, proof), needed)


def weighted(to_small: ArrayLike, q_small: ArrayLike, q_large: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return what each audited request lost and what large's answer was worth, times the weight; both of shape (n,).

    Raises:
        CertificateError: Lengths differ, or a quality is missing or out of range.
    """
    shown = np.asarray(to_small, dtype=bool)
    small, large = np.asarray(q_small, dtype=np.float64), np.asarray(q_large, dtype=np.float64)
    if not (shown.ndim == 1 and shown.shape == small.shape == large.shape):
        raise CertificateError(
            f"An audit needs one value per request; got {shown.shape}, {small.shape}, {large.shape}."
        )
    small = np.where(shown, small, large)
    if not all(((q >= 0.0) & (q <= 1.0)).all() for q in (small, large)):
        raise CertificateError("The qualities of an audit must lie in [0, 1]; leave out what was not graded.")
    return large - small, np.where(shown, 1.0, RATIO) * large


def log_wealth_of_hold(z: FloatArray) -> FloatArray:
    """Return the log wealth, after each audit, of who bets that the mean of z <= 1 is below zero; shape (n,)."""
    return mixed(np.log1p(-np.outer(z, LARGEST_BET * _HALVINGS)).cumsum(axis=0))


def log_wealth_of_break(z: FloatArray, max_drop: float) -> FloatArray:
    """Return the log wealth, after each audit, of who bets that the mean of z is above zero; shape (n,).

    Args:
        z: Shape (n,), in the order of the audits, none below the least that :func:`weighted` can give.
        max_drop: The promise.
    """
    least = max(1.0 + max_drop, RATIO * max_drop)
    total = np.log1p(np.outer(z, LARGEST_BET / least * _HALVINGS)).cumsum(axis=0)
    wealth = mixed(total) - math.log(2.0)
    for again, start in enumerate(range(0, z.size, _ANEW)):
        part = -math.log(2.0 * (again + 1) * (again + 2))  # these parts sum to the half that was kept back
        since = total[start:] - (total[start - 1] if start else 0.0)
        wealth[start:] = np.logaddexp(wealth[start:], part + mixed(since))
    return wealth


def _upper_bound(lost: FloatArray, large: FloatArray, proof: float) -> float:
    """Find the smallest drop that is shown to hold; wealth rises with the drop, so halving finds it."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        passes = log_wealth_of_hold(lost - middle * large)[-1] >= proof
        low, high = (low, middle) if passes else (middle, high)
    return high


def _needed(z: FloatArray, max_drop: float, proof: float) -> int | None:
    """Estimate how many audits like these bring a verdict: log wealth grows at the rate of the best single bet."""
    side, most = (-1.0, 1.0) if z.mean() < 0.0 else (1.0, max(1.0 + max_drop, RATIO * max_drop))
    rates = np.log1p(side * np.outer(z, LARGEST_BET / most * _HALVINGS)).mean(axis=0)
    if rates.max() <= 0.0:
        return None
    return max(z.size + 1, math.ceil((proof + math.log(_HALVINGS.size)) / float(rates.max())))
