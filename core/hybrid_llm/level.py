"""How much quality, saving or score a request asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict

from hybrid_llm.errors import LevelError, shown

LevelKind = Literal["quality", "cost_advantage", "threshold"]

ALWAYS_SMALL: Final = 0.0
"""The threshold that every score reaches."""
ALWAYS_LARGE: Final = 2.0
"""The threshold that no score reaches (scores end at 1; JSON has no infinity)."""

_RANGES: Final[dict[str, tuple[float, float, bool, str]]] = {
    "quality": (0.0, 1.0, False, "0 < quality <= 1: the share of the large model's quality to keep, e.g. 0.99"),
    "cost_advantage": (0.0, 1.0, True, "0 <= cost_advantage <= 1: the share of queries to send to small, e.g. 0.4"),
    "threshold": (ALWAYS_SMALL, ALWAYS_LARGE, True, "0 (always small) <= threshold <= 2 (always large)"),
}


def number_of(value: Any) -> float:
    """Return a number that a caller gave, of whatever type, as a float; NaN when it is none, or too big for one.

    A truth value is none: ``quality=True`` is a slip. A number in text is one, since settings come from files too.

    Example:
        >>> number_of("0.9"), number_of(10**400), number_of(True)
        (0.9, nan, nan)
    """
    is_array = getattr(value, "ndim", 0) != 0
    if is_array or type(value).__name__ in ("bool", "bool_"):  # numpy's too, without its import
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


@dataclass(frozen=True, slots=True)
class Level:
    """How much quality, saving or score a caller asks for.

    Args:
        kind: ``"quality"``, ``"cost_advantage"`` or ``"threshold"``.
        value: A fraction; quality in (0, 1], cost_advantage in [0, 1], threshold in [0, 2].

    Raises:
        LevelError: The value is out of its range or not a number.

    Example:
        >>> Level.of(quality=0.99)
        Level(kind='quality', value=0.99)
        >>> str(Level("cost_advantage", 0.4))
        'cost advantage 0.4'
    """

    kind: LevelKind
    value: float

    def __post_init__(self) -> None:
        """Check the value against the range of its kind."""
        if self.kind not in _RANGES:
            raise LevelError(f"A level is one of {', '.join(_RANGES)}, not {self.kind!r}.")
        low, high, closed, meaning = _RANGES[self.kind]
        number = number_of(self.value)
        if not (low <= number <= high if closed else low < number <= high):
            raise LevelError(f"{self.kind}={shown(self.value)} is out of range; use {meaning}.")
        object.__setattr__(self, "value", number)

    @classmethod
    def of(
        cls,
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
    ) -> Level | None:
        """Make a level of the one option that is given; ``None`` when none is.

        Raises:
            LevelError: More than one option is given, or the value is out of range.
        """
        options: dict[LevelKind, float | None] = {
            "quality": quality,
            "cost_advantage": cost_advantage,
            "threshold": threshold,
        }
        given = [(kind, value) for kind, value in options.items() if value is not None]
        if len(given) > 1:
            names = " and ".join(kind for kind, _ in given)
            raise LevelError(f"{names} were given together; a request has one level, so pass one of them.")
        return cls(*given[0]) if given else None

    @property
    def sends_all_to(self) -> Literal["small", "large"] | None:
        """Where every query goes at this level, whatever it says, by the caller's own word; else ``None``.

        Only of a threshold of 0, or above 1: that of a quality may come to the same, but was measured on queries.
        """
        if self.kind != "threshold":
            return None
        return "small" if self.value == ALWAYS_SMALL else "large" if self.value > 1 else None

    def as_dict(self) -> dict[str, float]:
        """Return ``{kind: value}``, the form used in JSON."""
        return {self.kind: self.value}

    def __str__(self) -> str:
        """Return the level as a person would say it."""
        return f"{self.kind.replace('_', ' ')} {self.value:g}"


DEFAULT_LEVEL: Final = Level("quality", 0.99)
"""The level of a request that names none, when nobody chose another."""


class LevelOptions(TypedDict, total=False):
    """The options of every verb that decides: at most one of the first three.

    Attributes:
        quality: Share of the large model's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on a query goes to small, in [0, 2].
        require_certified: Send everything to large when the level is not certified for this pair.
    """

    quality: float | None
    cost_advantage: float | None
    threshold: float | None
    require_certified: bool
