"""From scores to decisions: what is known before the scores are, and what they make of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hybrid_llm.decision import Decision, Route
from hybrid_llm.level import DEFAULT_LEVEL, Level
from hybrid_llm.router.threshold import Threshold
from hybrid_llm.scoring import UNFAMILIAR, Scores


@dataclass(frozen=True, slots=True)
class Plan:
    """The decisions of one call, before anything is scored.

    Args:
        queries: n texts.
        levels: n levels; ``None`` is the default level.
        thresholds: What each of the levels came to.
        router_id: Of the router that decides.
    """

    queries: Sequence[str]
    levels: Sequence[Level | None]
    thresholds: Mapping[Level | None, Threshold]
    router_id: str

    @property
    def texts(self) -> list[str]:
        """The queries that have text: those to score."""
        return [query for query in self.queries if query.strip()]

    def decide(self, scored: Iterable[tuple[float, bool, float]] | None) -> list[Decision]:
        """Return a decision for each query.

        Args:
            scored: Of each of ``texts`` the score, whether it was cut, and how familiar it is (NaN when nobody knows);
                ``None`` when the scorer failed.
        """
        outcomes = iter(() if scored is None else scored)
        decisions = []
        for query, level in zip(self.queries, self.levels, strict=True):
            threshold = self.thresholds[level]
            decision = Decision(
                "large",
                threshold=threshold.value,
                level=level or DEFAULT_LEVEL,
                certified=threshold.certified,
                reason="no_text",
                void_reason=threshold.void_reason,
                router_id=self.router_id,
            )
            if query.strip() and scored is None:
                decision = decision.override(reason="scorer_error")
            elif query.strip():
                score, cut, familiarity = next(outcomes)
                familiar = None if math.isnan(familiarity) else bool(familiarity >= UNFAMILIAR)
                # A quality was measured on queries like those of training: it says nothing about others.
                promised = familiar is not False or (level or DEFAULT_LEVEL).kind != "quality"
                route: Route = "small" if promised and score >= threshold.value else "large"
                decision = decision.override(
                    route=route,
                    score=float(score),
                    reason="score" if promised else "unfamiliar",
                    truncated=bool(cut),
                    familiar=familiar,
                )
            decisions.append(decision)
        return decisions


@dataclass(frozen=True, slots=True)
class Routes:
    """Where the rows of a table go, at one level.

    Args:
        asked: The level.
        of: What it came to.
        router_id: Of the router that decides.
    """

    asked: Level
    of: Threshold
    router_id: str

    @property
    def level(self) -> str:
        """The level, in words."""
        return str(self.asked)

    @property
    def threshold(self) -> float:
        """The score from which on a query goes to small."""
        return self.of.value

    def __call__(self, queries: Sequence[str], scored: Scores) -> list[str]:
        """Return ``small`` or ``large`` for each of n queries that have text."""
        plan = Plan(queries, [self.asked] * len(queries), {self.asked: self.of}, self.router_id)
        return [decision.route for decision in plan.decide(zip(*scored, strict=True))]
