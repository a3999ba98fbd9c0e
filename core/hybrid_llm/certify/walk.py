"""From calibration rows to a promise: the quality drop stays within a limit, with a stated confidence.

The promise is about the population that the rows are drawn from, not about the rows. With s and l the qualities of
small and large on a query, and r = 1 when the query goes to small, a threshold keeps the limit when

    E[r (l - s)] <= max_drop * E[l],    that is    E[z] <= 0    for    z = r (l - s) - max_drop * l.

z is at most 1, so :mod:`hybrid_llm.certify.betting` can refute "E[z] > 0" for one threshold. For many, the thresholds
are tested in a fixed order, from the safest down, and the walk stops at the first that fails. To certify a bad
threshold the walk must first pass the safest bad one, which it does with probability at most 1 - confidence, however
many thresholds follow ("fixed sequence testing" in Learn then Test, arXiv 2110.01052).

Two rules keep this true. The thresholds may not come from the calibration rows: the default is an even grid, a router
passes quantiles of its training scores. And no threshold is skipped, not even one that no calibration row reaches:
skipping it would mean to trust the rows that it routes nothing. "Always large" itself needs no proof; the thresholds
just below it pass on their own (z is negative there) once n suffices for any promise at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from hybrid_llm.certify.betting import LARGEST_BET, log_wealth, mixed
from hybrid_llm.certify.certificate import Certificate, Menu, Provenance, percent
from hybrid_llm.certify.evidence import Evidence
from hybrid_llm.errors import CertificateError, shown
from hybrid_llm.level import ALWAYS_LARGE, number_of

LEVELS: Final = (0.90, 0.95, 0.97, 0.98, 0.99)
"""The quality levels on every menu; the one asked for joins them."""
MIN_QUERIES: Final = 30
"""With fewer distinct queries nothing is promised: nobody can tell whether they resemble the traffic."""


def certify(
    scores: ArrayLike,
    q_small: ArrayLike,
    q_large: ArrayLike,
    max_drop: float = 0.05,
    confidence: float = 0.95,
    thresholds: ArrayLike | None = None,
    groups: Iterable[Any] | None = None,
    eligible: ArrayLike | None = None,
) -> Certificate:
    """Find the largest cost advantage whose quality drop is proved to stay within a limit.

    Args:
        scores: Shape (n,), p(x) in [0, 1] of queries that neither fitted nor chose the router.
        q_small: Shape (n,), quality of the small model in [0, 1]; the mean, where a query has several responses.
        q_large: Shape (n,), the same for the large model.
        max_drop: Largest relative quality drop, in (0, 1); 0.05 keeps 95 % of the large model's quality.
        confidence: Probability that the promise holds, in (0, 1).
        thresholds: The thresholds to walk down, in [0, 2], fixed before these rows were seen; an even grid of 1,000
            on [0, 1) by default. Never quantiles of ``scores``.
        groups: Shape (n,), one label per row. Rows with equal labels (the same text, one conversation) are not
            independent; they count as one query, and each adds its share.
        eligible: Shape (n,), false for a row that never goes to small, whatever its score: one that a gate, a check or
            the rule for unfamiliar queries sends to large. All may by default.

    Returns:
        A certificate. "Not feasible" is an answer, with its reason: too few queries, a small model that loses too
        much, or a large model that is no better than the small one.

    Raises:
        CertificateError: Lengths differ, a value is missing or out of range, or large scores 0 everywhere.

    Example:
        >>> rows = np.arange(2000)
        >>> certificate = certify(scores=rows / 2000, q_small=rows >= 600, q_large=np.ones(2000), max_drop=0.05)
        >>> certificate.feasible, round(certificate.cost_advantage, 2)
        (True, 0.74)
    """
    _check_fractions(max_drop, confidence)
    max_drop, confidence = float(max_drop), float(confidence)
    return _certificate(
        Evidence.gather(scores, q_small, q_large, thresholds, groups, eligible), max_drop, confidence, together=1
    )


def certify_menu(
    scores: ArrayLike,
    q_small: ArrayLike,
    q_large: ArrayLike,
    max_drop: float = 0.05,
    confidence: float = 0.95,
    thresholds: ArrayLike | None = None,
    groups: Iterable[Any] | None = None,
    eligible: ArrayLike | None = None,
    *,
    levels: Sequence[float] = LEVELS,
    provenance: Provenance | None = None,
    families: int = 1,
) -> Menu:
    """Certify several quality levels so that all their promises hold at once.

    Each of k levels is tested at confidence 1 - (1 - confidence) / k (Bonferroni), so the certificate for ``max_drop``
    saves a little less here than from :func:`certify`, which asks one question only.

    Args:
        scores: As in :func:`certify`, and so are the next seven.
        q_small: Shape (n,).
        q_large: Shape (n,).
        max_drop: The level that is asked for; it joins the others.
        confidence: Probability that no promise of the menu is broken.
        thresholds: Shape (k,) or ``None``.
        groups: Shape (n,) or ``None``.
        eligible: Shape (n,) or ``None``.
        levels: Quality levels in (0, 1).
        provenance: What was measured, by what, on what; kept for the reader.
        families: Families of thresholds that are tested on these rows, all of whose promises are to hold at once.

    Raises:
        CertificateError: As in :func:`certify`.
    """
    _check_fractions(max_drop, confidence, *levels)
    max_drop, confidence, levels = float(max_drop), float(confidence), [float(level) for level in levels]
    rows = Evidence.gather(scores, q_small, q_large, thresholds, groups, eligible)
    drops = sorted({round(1.0 - level, 12) for level in levels} | {round(max_drop, 12)})
    certificates = tuple(_certificate(rows, drop, confidence, together=families * len(drops)) for drop in drops)
    return Menu(certificates, round(max_drop, 12), provenance or Provenance())


def _certificate(rows: Evidence, max_drop: float, confidence: float, together: int) -> Certificate:
    needed_wealth = math.log(together / (1.0 - confidence))
    passed = mixed(rows.log_wealth(max_drop)) >= needed_wealth
    last = int(np.argmin(np.append(passed, False))) - 1
    proved = float(rows.cost_advantage[last]) if last >= 0 else 0.0
    nothing = Certificate(
        feasible=False,
        threshold=ALWAYS_LARGE,
        cost_advantage=0.0,
        max_drop=float(max_drop),
        confidence=float(confidence),
        n=rows.n,
        drop=0.0,
        drop_points=0.0,
        drop_upper_bound=0.0,
        small_quality=rows.small_quality,
        large_quality=rows.large_quality,
        together=together,
    )
    if proved == 0.0 or rows.n < MIN_QUERIES or rows.small_quality >= rows.large_quality:
        return replace(nothing, **_why_not(rows, max_drop, needed_wealth, proved))
    return replace(
        nothing,
        feasible=True,
        threshold=float(rows.thresholds[last]),
        cost_advantage=min(proved, 1.0),
        drop=float(rows.drop[last]),
        drop_points=float(rows.drop_points[last]),
        drop_upper_bound=_upper_bound(rows, last, max_drop, needed_wealth),
    )


def _upper_bound(rows: Evidence, at: int, max_drop: float, needed_wealth: float) -> float:
    """Find the smallest limit that this threshold passes; wealth rises with the limit, so halving finds it."""
    lost, low, high = rows.lost(at), 0.0, max_drop
    for _ in range(12):
        middle = (low + high) / 2
        passes = log_wealth(lost - middle * rows.large) >= needed_wealth
        low, high = (low, middle) if passes else (middle, high)
    return high


def _why_not(rows: Evidence, max_drop: float, needed_wealth: float, proved: float) -> dict[str, Any]:
    """Say why nothing can be promised, and estimate what could be with more queries."""
    level, n = percent(max_drop), f"{rows.n:,}"
    # a router that loses nothing has z = -max_drop * l: the fewest queries with which anything can be proved
    fewest = math.ceil(needed_wealth / math.log1p(LARGEST_BET * max_drop * rows.large_quality))
    if rows.n < MIN_QUERIES:
        fewest = max(fewest, MIN_QUERIES)
        few = "1 distinct query is" if rows.n == 1 else f"{n} distinct queries are"
        reason = f"{few} too few for any promise; {level} takes at least {fewest:,}"
        return {"reason": f"{reason}, and more where small loses.", "needed_n": fewest}
    if rows.small_quality >= rows.large_quality:
        means = f"mean quality {rows.large_quality:.3f} against {rows.small_quality:.3f}"
        reason = (
            f"On these {n} queries the large model is no better than the small one ({means}): routing needs no promise"
        )
        proof = "is proved" if proved > 1 - 1e-9 else "is not proved by so few"
        return {"reason": f"{reason}. That small may answer everything at this level {proof}."}
    if not rows.cost_advantage.any():  # all are unfamiliar, or below the lowest threshold
        return {"reason": f"No threshold sends any of these {n} queries to small, so there is nothing to promise."}
    reason = f"No threshold can be promised at {level} with these {n} queries"
    estimate = _needed(rows, max_drop, needed_wealth)
    if estimate is None:
        return {"reason": f"{reason}, nor with more of the same: wherever small answers, it loses more than that."}
    needed, cost_advantage = max(estimate[0], fewest), estimate[1]
    hope = f"about {needed:,} like these would promise up to {percent(cost_advantage)} cost advantage"
    return {
        "reason": f"{reason}; {hope}.",
        "needed_n": needed,
        "needed_cost_advantage": cost_advantage,
    }


def _needed(rows: Evidence, max_drop: float, needed_wealth: float) -> tuple[int, float] | None:
    """Estimate how many queries like these would promise half of what the empirical rule takes; optimistic, as that is.

    Log wealth grows in proportion to n, at the rate of the best single bet; the even split over six bets costs
    another 30 % of n. Thresholds that save less than half are left out: those are proved first, but hardly worth it.
    """
    hopeful = (rows.drop <= max_drop) & (rows.cost_advantage > 0)
    if not hopeful.any():
        return None
    hopeful &= rows.cost_advantage >= rows.cost_advantage[hopeful].max() / 2
    growth = rows.log_wealth(max_drop, stakes=np.geomspace(0.002, LARGEST_BET, 24)).max(axis=1) / rows.n
    best = int(np.argmax(np.where(hopeful, growth, -np.inf)))
    if growth[best] <= 0:
        return None
    # when the estimate says that n was enough, bad luck near the top stopped the walk
    n = max(1.3 * needed_wealth / growth[best], 2.0 * rows.n)
    return _two_digits(n), float(rows.cost_advantage[best])


def _two_digits(n: float) -> int:
    unit: int = 10 ** max(0, math.floor(math.log10(n)) - 1)
    return math.ceil(n / unit) * unit


def _check_fractions(max_drop: float, confidence: float, *levels: float) -> None:
    hints: list[tuple[str, Any, str]] = [
        ("max_drop", max_drop, "0.05 keeps 95 % of the large model's quality"),
        ("confidence", confidence, "0.95 is usual, and no sample gives 1"),
        *(("level", level, "0.95 keeps 95 % of the large model's quality") for level in levels),
    ]
    for name, value, hint in hints:
        if isinstance(value, str) or not 0.0 < number_of(value) < 1.0:
            raise CertificateError(f"{name}={shown(value)} must lie strictly between 0 and 1: {hint}.")
