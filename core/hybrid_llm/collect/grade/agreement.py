"""Does a judge agree with itself in the other order, and a grader with people?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hybrid_llm.errors import GradeError


@dataclass(frozen=True)
class Agreement:
    """How often two gradings of the same pairs name the same better answer, where a tie is an opinion too.

    Attributes:
        n: Pairs that both graded.
        share: Of these, where both say small, both large, or both a tie; None without pairs.
        ties: Share where both say a tie; a judge to whom all is a tie agrees with itself and says nothing.
        opposite: Share where one says small and the other says large; None without pairs.
        distance: Mean distance of the grades of one answer, in [0, 1]; None without pairs.
    """

    n: int
    share: float | None
    ties: float | None
    opposite: float | None
    distance: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def agreement(pairs: Iterable[tuple[Sequence[float], Sequence[float]]]) -> Agreement:
    """Compare two gradings.

    Args:
        pairs: For each pair of answers (small, large) as one grading has it and as the other has it.

    Example:
        >>> agreement([((1.0, 0.5), (0.9, 0.1)), ((0.5, 0.5), (0.2, 0.6))])
        Agreement(n=2, share=0.5, ties=0.0, opposite=0.0, distance=0.225)
    """
    kept = [(tuple(one), tuple(other)) for one, other in pairs]
    if not kept:
        return Agreement(0, None, None, None, None)
    sides = [(_side(one), _side(other)) for one, other in kept]
    far = [abs(a - b) for one, other in kept for a, b in zip(one, other, strict=True)]
    n = len(kept)
    return Agreement(
        n,
        sum(a == b for a, b in sides) / n,
        sum(a == b == 0 for a, b in sides) / n,
        sum(a * b < 0 for a, b in sides) / n,
        round(sum(far) / len(far), 12),
    )


def human_grades(fields: Mapping[str, Any], field: str, small: str, large: str) -> tuple[float, float] | None:
    """Return what people said of both answers to a prompt, or None where they said nothing.

    Args:
        fields: What stands beside the prompt.
        field: The field with the grades: ``{"small": 0.5, "large": 1}``, or with the models' names instead.
        small: The small model's name in tables.
        large: That of the large one.

    Raises:
        GradeError: The field holds something else.

    Example:
        >>> human_grades({"human": {"small": 0.5, "large": True}}, "human", "qwen3:4b", "gpt-4o")
        (0.5, 1.0)
    """
    given = fields.get(field)
    if given is None:
        given = {name.partition(".")[2]: value for name, value in fields.items() if name.startswith(f"{field}.")}
    if not given:
        return None
    if not isinstance(given, Mapping):
        raise GradeError(f'the field {field!r} must hold grades such as {{"small": 0.5, "large": 1}}, not {given!r}.')
    pair = [given.get(name, given.get(role)) for name, role in ((small, "small"), (large, "large"))]
    if any(grade is None or grade == "" for grade in pair):
        return None
    try:
        first, second = (float(grade) for grade in pair)
    except (TypeError, ValueError):
        first = second = -1.0
    if not (0 <= first <= 1 and 0 <= second <= 1):
        raise GradeError(f"the field {field!r} holds {given!r}; grades by people are numbers in [0, 1] too.")
    return first, second


def _side(grades: Sequence[float]) -> int:
    small, large = grades
    return (small > large) - (small < large)
