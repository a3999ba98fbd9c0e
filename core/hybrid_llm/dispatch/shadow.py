"""Shadow: large answers everything, and what would have been decided stands beside it.

So a user sees on their own traffic what switching on would do, before anybody notices. What large cannot serve, and
what is private, goes to small all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hybrid_llm.decision import Decision, Reason
from hybrid_llm.dispatch.request import Request

_NOT_LARGES: Final[frozenset[Reason]] = frozenset({"private", "modality", "tools", "structured_output", "context"})
"""Why a request goes to small that large may not, or cannot, answer."""


def as_without(requests: Sequence[Request]) -> list[Request]:
    """Return requests whose earlier decisions are those that would have been taken, so that they are followed."""
    return [
        replace(request, previous=would_be(request.previous), began=would_be(request.began)) for request in requests
    ]


def in_shadow(decision: Decision) -> Decision:
    """Return the decision that is followed in place of one.

    Example:
        >>> came = in_shadow(Decision("small", 0.9, 0.5))
        >>> came.route, came.reason, came.shadow.route
        ('large', 'shadow', 'small')
    """
    if decision.route == "small" and decision.reason in _NOT_LARGES:
        return decision
    return decision.override(route="large", reason="shadow", shadow=decision, certified=False)


def would_be(decision: Decision | None) -> Decision | None:
    """Return what would have been decided, where a decision was taken in shadow; else the decision."""
    return decision.shadow if decision is not None and decision.shadow is not None else decision
