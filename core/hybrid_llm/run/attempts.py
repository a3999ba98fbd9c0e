"""How often somebody has looked: collecting more and certifying again is peeking, and has its price.

Attempt k is tested at delta / (k (k + 1)). These add up to delta, however many attempts there are, so that with
confidence 1 - delta none of them promises what does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Attempt:
    """One test of one level on certain rows.

    Args:
        data_hash: Content hash of the rows.
        router_id: Content hash of the router.
        max_drop: The quality drop that was to be promised.
        confidence: That of all attempts together.
    """

    data_hash: str
    router_id: str
    max_drop: float
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def counted(attempts: Sequence[Attempt], attempt: Attempt) -> tuple[tuple[Attempt, ...], int]:
    """Return the attempts with this one, and its number; the same test again is the same attempt.

    Example:
        >>> first, second = (Attempt(rows, "router", 0.05, 0.95) for rows in ("300 rows", "600 rows"))
        >>> counted((first,), second)[1], counted((first, second), first)[1]
        (2, 1)
    """
    if attempt in attempts:
        return tuple(attempts), list(attempts).index(attempt) + 1
    return (*attempts, attempt), len(attempts) + 1


def confidence_of(number: int, confidence: float) -> float:
    """Return the confidence at which an attempt is tested.

    Args:
        number: Which one it is, from 1 on.
        confidence: That of all attempts together, in (0, 1).

    Example:
        >>> round(confidence_of(1, 0.95), 4), round(confidence_of(2, 0.95), 4)
        (0.975, 0.9917)
    """
    return 1.0 - (1.0 - confidence) / (number * (number + 1))
