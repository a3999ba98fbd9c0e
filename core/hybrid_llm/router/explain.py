"""Why a query goes where it goes: its score among others, what pushed it, and what each level makes of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.decision import Reason, Route
from hybrid_llm.level import Level
from hybrid_llm.router.plan import Plan
from hybrid_llm.router.threshold import Threshold, resolve
from hybrid_llm.scoring import UNFAMILIAR, Push, Scoring, pushes_of

if TYPE_CHECKING:
    from hybrid_llm.calibration import Calibration
    from hybrid_llm.router.parts import RouterParts

QUALITIES: Final = (0.99, 0.95, 0.90)
"""The quality levels that are always shown; those of a certificate come beside them."""


@dataclass(frozen=True, slots=True)
class AtLevel:
    """Where a quality level sends a query.

    Args:
        quality: The level.
        threshold: Its threshold.
        route: Where the query goes.
        reason: Why; ``"score"``, or ``"unfamiliar"``.
        certified: Whether the threshold is proved.
    """

    quality: float
    threshold: float
    route: Route
    reason: Reason
    certified: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a query goes where it goes.

    Args:
        score: p(x) in [0, 1]; ``None`` for a query without text.
        percentile: Share of the calibration queries with a lower score, in [0, 1]; ``None`` without a calibration.
        familiarity: Share of training queries that were less like the others; ``None`` where nobody measured it.
        familiar: Whether that is enough for the score to mean something; ``None`` likewise.
        truncated: Whether the query is longer than the encoder reads.
        pushes: Which features pushed the score, the strongest first; empty for a scorer whose features are not known.
        levels: Where each quality level sends it; empty for a router without thresholds.
        router_id: The router.
    """

    score: float | None
    percentile: float | None
    familiarity: float | None
    familiar: bool | None
    truncated: bool
    pushes: tuple[Push, ...]
    levels: tuple[AtLevel, ...]
    router_id: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def explained(parts: RouterParts, scoring: Scoring, query: str) -> Explanation:
    """Explain a query.

    Args:
        parts: Those of the router.
        scoring: Scores the query.
        query: Its text.
    """
    has_text = bool(query.strip())
    scored = list(zip(*scoring.score([query]), strict=True)) if has_text else []
    plan = _plan(parts, query)
    levels = tuple(
        AtLevel(level.value, plan.thresholds[level].value, one.route, one.reason, one.certified)
        for level, one in zip(plan.levels, plan.decide(scored * len(plan.levels)), strict=True)
        if level is not None
    )
    if not scored:
        return Explanation(None, None, None, None, False, (), levels, parts.id)
    score, cut, familiarity = scored[0]
    known = not math.isnan(familiarity)
    return Explanation(
        score=float(score),
        percentile=_percentile(float(score), parts.calibration),
        familiarity=float(familiarity) if known else None,
        familiar=bool(familiarity >= UNFAMILIAR) if known else None,
        truncated=bool(cut),
        pushes=pushes_of(parts.scorer, query),
        levels=levels,
        router_id=parts.id,
    )


def _plan(parts: RouterParts, query: str) -> Plan:
    """Return what the levels come to; none without thresholds for them, or with some of other text features."""
    measured, proved = parts.calibration, parts.certificate
    qualities = set(QUALITIES) if measured is not None and measured.features == parts.features else set()
    if proved is not None and parts.proves:
        qualities |= {one.quality for one in proved.certificates if one.feasible}
    levels = [Level("quality", quality) for quality in sorted(qualities, reverse=True)]
    thresholds: dict[Level | None, Threshold] = {level: resolve(level, measured, proved) for level in levels}
    return Plan([query] * len(levels), levels, thresholds, parts.id)


def _percentile(score: float, calibration: Calibration | None) -> float | None:
    """Return the share of calibration queries with a lower score, to within one of them or the cuts that are kept."""
    if calibration is None:
        return None
    # thresholds lie halfway between two scores: the highest one below this score sends small those that are as high
    as_high = [cut.cost_advantage for cut in calibration.cuts if cut.threshold <= score]
    return 1.0 - min(as_high, default=1.0)
