"""What was decided for one query, and the level it was decided at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

from hybrid_llm.errors import LevelError

Route = Literal["small", "large"]
LevelKind = Literal["quality", "cost_advantage", "threshold"]
Reason = Literal[
    "score",
    "forced",
    "follow_up",
    "no_text",
    "context",
    "modality",
    "tools",
    "structured_output",
    "scorer_error",
    "fallback",
    "cooldown",
]

ALWAYS_SMALL: Final = 0.0
"""The threshold that every score reaches."""
ALWAYS_LARGE: Final = 2.0
"""The threshold that no score reaches (scores end at 1; JSON has no infinity)."""

_RANGES: Final[dict[str, tuple[float, float, bool, str]]] = {
    "quality": (0.0, 1.0, False, "0 < quality <= 1: the share of the large model's quality to keep, e.g. 0.99"),
    "cost_advantage": (0.0, 1.0, True, "0 <= cost_advantage <= 1: the share of queries to send to small, e.g. 0.4"),
    "threshold": (ALWAYS_SMALL, ALWAYS_LARGE, True, "0 (always small) <= threshold <= 2 (always large)"),
}


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
        try:
            number = math.nan if isinstance(self.value, bool) else float(self.value)
        except (TypeError, ValueError):
            number = math.nan
        if not (low <= number <= high if closed else low < number <= high):
            raise LevelError(f"{self.kind}={self.value!r} is out of range; use {meaning}.")
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

    def as_dict(self) -> dict[str, float]:
        """Return ``{kind: value}``, the form used in JSON."""
        return {self.kind: self.value}

    def __str__(self) -> str:
        """Return the level as a person would say it."""
        return f"{self.kind.replace('_', ' ')} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Decision:
    """Where one query goes, and why.

    Args:
        route: ``"small"`` or ``"large"``.
        score: p(x) in [0, 1], the probability that small is good enough; ``None`` when nothing was scored.
        threshold: What the score was compared with (small if and only if score >= threshold);
            ``None`` when no threshold was looked up.
        level: The level that the threshold stands for; ``None`` when none was looked up.
        reason: What decided; ``"score"`` is the ordinary case.
        certified: Whether the threshold comes from a certificate for this pair.
        truncated: Whether the text was longer than the encoder reads, so that only its head and tail were scored.
        router_id: The content hash of the router that scored.

    Raises:
        LevelError: The route or the reason is not one of the known words.
    """

    route: Route
    score: float | None = None
    threshold: float | None = None
    level: Level | None = None
    reason: Reason = "score"
    certified: bool = False
    truncated: bool = False
    router_id: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """Check the two closed vocabularies, which other programs rely on."""
        if self.route not in get_args(Route):
            raise LevelError(f"route is 'small' or 'large', not {self.route!r}.")
        if self.reason not in get_args(Reason):
            raise LevelError(f"reason is one of {', '.join(get_args(Reason))}; not {self.reason!r}.")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Decision:
        """Read what :meth:`as_dict` wrote, from a message's metadata or a checkpoint.

        Raises:
            LevelError: It is something else.
        """
        try:
            level = data["level"]
            return cls(**{**data, "level": Level.of(**level) if level else None})
        except (TypeError, KeyError) as error:
            raise LevelError(f"This is no decision as Decision.as_dict() writes it: {error}.") from error

    def override(self, **changes: Any) -> Decision:
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for metadata, checkpoints and the command line."""
        return {
            "route": self.route,
            "score": self.score,
            "threshold": self.threshold,
            "level": self.level.as_dict() if self.level else None,
            "reason": self.reason,
            "certified": self.certified,
            "truncated": self.truncated,
            "router_id": self.router_id,
        }
