"""The decision as response headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hybrid_llm.decision import Decision, Route


def headers_of(decision: Decision) -> dict[str, str]:
    """Return the response headers of a decision; what it does not have has none.

    Example:
        >>> headers_of(Decision("small", 0.91, 0.5))["x-hybrid-score"]
        '0.9100'
    """
    level = decision.level
    values = {
        "route": decision.route,
        "reason": decision.reason,
        "score": None if decision.score is None else f"{decision.score:.4f}",
        "threshold": None if decision.threshold is None else f"{decision.threshold:.4f}",
        "level": None if level is None else f"{level.kind}={level.value:g}",
        "certified": str(decision.certified).lower(),
        "private": "true" if decision.private else None,
    }
    return {f"x-hybrid-{name}": value for name, value in values.items() if value is not None}


def came_true(decision: Decision, answered: str | None, groups: Mapping[str, Any]) -> Decision:
    """Return the decision that came true, where LiteLLM's fallbacks led to another group: all but small count as large.

    Args:
        decision: What was decided.
        answered: The group that answered, as far as LiteLLM says.
        groups: The name of each arm's group.
    """
    route: Route = "small" if answered == groups["small"] else "large"
    if answered is None or route == decision.route:
        return decision
    return decision.override(route=route, reason="fallback")
