"""What was decided for one query, and the level it was decided at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, get_args

from hybrid_llm.errors import LevelError
from hybrid_llm.level import Level

Route = Literal["small", "large"]
Reason = Literal[
    "score",
    "forced",
    "private",
    "rule",
    "follow_up",
    "no_text",
    "context",
    "modality",
    "tools",
    "structured_output",
    "scorer_error",
    "unfamiliar",
    "fallback",
    "cooldown",
    "kept",
    "escalated",
    "rejected",
    "shadow",
]


_SHOWN: Final[frozenset[Reason]] = frozenset({"kept", "fallback", "cooldown"})
"""Reasons of an answer that is shown, whatever a look said of it."""
KEY: Final = "hybrid"
"""Under this key metadata, states and traces hold a decision, as :meth:`Decision.as_dict` writes it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a second look at an answer of small came to.

    Args:
        score: s(x, a) in [0, 1], the probability that this answer is good enough; ``None`` when nothing could be seen.
        threshold: What it was compared with: kept if and only if score >= threshold; ``None`` when no threshold was
            measured for what could be seen.
        signals: What was seen, by name: log-probabilities, which checkers agree.
        rejected: The check that the answer did not pass; ``None`` when it can be used.

    Example:
        >>> Look(0.9, 0.8).kept, Look(0.9, 0.8, rejected="cut_off").kept
        (True, False)
    """

    score: float | None = None
    threshold: float | None = None
    signals: tuple[tuple[str, float], ...] = ()
    rejected: str | None = None

    @property
    def kept(self) -> bool:
        """Whether small's answer is shown."""
        seen = self.score is not None and self.threshold is not None
        return self.rejected is None and seen and self.score >= self.threshold  # type: ignore[operator]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Look:
        """Read what :meth:`as_dict` wrote.

        Raises:
            LevelError: It is something else.
        """
        try:
            known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
            return cls(**{**known, "signals": tuple(dict(known.get("signals") or {}).items())})
        except (TypeError, ValueError) as error:
            raise LevelError(f"This is no look as Look.as_dict() writes it: {error}.") from error

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "score": self.score,
            "threshold": self.threshold,
            "signals": dict(self.signals),
            "rejected": self.rejected,
        }


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
        familiar: Whether the query resembles what the router was trained on; ``None`` when nobody knows.
        look: What a second look at small's answer came to, an empty one before it; ``None`` when there is none. Of a
            private request it is told, and nothing comes of it.
        private: Whether the request must not leave the machine: nobody else than small may answer it, nor what follows.
        shadow: What would have been decided, where ``shadow=True`` let large answer all the same; it has none itself.
        void_reason: Why what was proved for this level promises nothing any more; empty where nothing was, or it does.
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
    familiar: bool | None = field(default=None, kw_only=True)
    look: Look | None = field(default=None, kw_only=True)
    private: bool = field(default=False, kw_only=True)
    shadow: Decision | None = field(default=None, kw_only=True)
    void_reason: str = field(default="", kw_only=True)
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

        Keys that this version does not know are left alone: a later one may have written them.

        Raises:
            LevelError: It is something else.
        """
        try:
            level, look, shadow = data["level"], data.get("look"), data.get("shadow")
            known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
            read = {
                "level": Level.of(**level) if level else None,
                "look": Look.from_dict(look) if look else None,
                "shadow": cls.from_dict(shadow) if shadow else None,
            }
            return cls(**{**known, **read})
        except (TypeError, KeyError, AttributeError) as error:
            raise LevelError(f"This is no decision as Decision.as_dict() writes it: {error}.") from error

    @classmethod
    def found_in(cls, metadata: Mapping[str, Any]) -> Decision | None:
        """Return the decision that a message's metadata or an agent's state holds under :data:`KEY`, if there is one.

        Something else under that key, or a decision that this version cannot read, is none.

        Example:
            >>> Decision.found_in({"hybrid": Decision("small").as_dict()}).route
            'small'
        """
        recorded = metadata.get(KEY)
        if not isinstance(recorded, Mapping):
            return None
        try:
            return cls.from_dict(recorded)
        except LevelError:
            return None

    @property
    def held(self) -> bool:
        """Whether small's answer is held back until somebody has looked at it.

        Example:
            >>> Decision("small", look=Look()).held, Decision("small", reason="kept", look=Look(0.9, 0.8)).held
            (True, False)
        """
        waits = self.look is not None and (not self.private or self.look == Look())  # a private answer is shown anyway
        return self.route == "small" and waits and self.reason not in _SHOWN

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
            "familiar": self.familiar,
            "look": self.look.as_dict() if self.look else None,
            "private": self.private,
            "shadow": self.shadow.as_dict() if self.shadow else None,
            "void_reason": self.void_reason,
            "router_id": self.router_id,
        }
