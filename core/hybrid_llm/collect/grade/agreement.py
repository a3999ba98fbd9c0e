"""Does a judge agree with itself in the other order, and with people?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hybrid_llm.collect.grade.judging import Judged


@dataclass(frozen=True)
class Agreement:
    """How often two gradings of the same pairs name the same better answer, where a tie is an opinion too.

    Attributes:
        n: Pairs that both graded.
        share: Of these, where both say small, both large, or both a tie; None without pairs.
        opposite: Share where one says small and the other says large; None without pairs.
        distance: Mean distance of the grades of one answer, in [0, 1]; None without pairs.
    """

    n: int
    share: float | None
    opposite: float | None
    distance: float | None


def agreement(pairs: Iterable[tuple[Sequence[float], Sequence[float]]]) -> Agreement:
    """Compare two gradings.

    Args:
        pairs: For each pair of answers (small, large) as one grading has it and as the other has it.

    Example:
        >>> agreement([((1.0, 0.5), (0.9, 0.1)), ((0.5, 0.5), (0.2, 0.6))])
        Agreement(n=2, share=0.5, opposite=0.0, distance=0.225)
    """
    kept = [(tuple(one), tuple(other)) for one, other in pairs]
    if not kept:
        return Agreement(0, None, None, None)
    sides = [(_side(one), _side(other)) for one, other in kept]
    far = [abs(a - b) for one, other in kept for a, b in zip(one, other, strict=True)]
    n = len(kept)
    return Agreement(
        n,
        sum(a == b for a, b in sides) / n,
        sum(a * b < 0 for a, b in sides) / n,
        round(sum(far) / len(far), 12),
    )


def with_itself(judged: Iterable[Judged]) -> Agreement:
    """Compare a judge's grades in one order with those in the other.

    Example:
        >>> with_itself([Judged((1.0, 0.0), (0.0, 1.0))]).share
        0.0
    """
    return agreement(((j.small[0], j.large[0]), (j.small[1], j.large[1])) for j in judged if len(j.small) > 1)


def _side(grades: Sequence[float]) -> int:
    small, large = grades
    return (small > large) - (small < large)
