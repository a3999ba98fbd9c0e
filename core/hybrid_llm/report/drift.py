"""Whether traffic is still what it was: scores, familiarity and prices of the latest requests beside the first ones.

With enough traffic any difference can be proved, so the size decides: one that moves the share that goes to small, or
what the thresholds stand for. None of this ends a promise. It says that an audit is worth its money.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np

from hybrid_llm.certify import percent

if TYPE_CHECKING:
    from hybrid_llm.event import Attempt
    from hybrid_llm.observe import Recorded

T = TypeVar("T")

WINDOW: Final = 1000
"""Requests that are compared with as many."""
LEAST: Final = 200
"""Requests on each side without which nothing is said."""
SHIFT: Final = 0.3
"""Standard deviations by which the mean score may move."""
UNFAMILIAR_MORE: Final = 0.05
"""By how much the share of unfamiliar queries may rise."""
PRICE: Final = 0.02
"""By how much of it a price may change."""
_LEAST_CALLS: Final = 20


@dataclass(frozen=True)
class Drift:
    """How the latest requests differ from the first ones.

    Args:
        compared: Requests on each side; 0 where there are too few.
        shift: By how many standard deviations the mean score moved.
        unfamiliar_more: By how much the share of unfamiliar queries rose.
        prices: {model: how many times what it did the same tokens cost}, of those that changed.
    """

    compared: int
    shift: float
    unfamiliar_more: float
    prices: dict[str, float]

    @property
    def wants_audit(self) -> bool:
        """Whether scores or familiarity moved by more than the stated size."""
        return abs(self.shift) >= SHIFT or self.unfamiliar_more >= UNFAMILIAR_MORE

    def lines(self) -> list[str]:
        """Return what there is to say, a sentence each; nothing where nothing moved."""
        told = []
        if abs(self.shift) >= SHIFT:
            way = "lower" if self.shift < 0 else "higher"
            told.append(f"Scores are {way} by {abs(self.shift):.1f} standard deviations than at first")
        if self.unfamiliar_more >= UNFAMILIAR_MORE:
            told.append(f"The share of unfamiliar queries rose by {percent(self.unfamiliar_more)}")
        told = [f"{one} (the last {self.compared:,} requests beside the first): an audit is worth it." for one in told]
        return told + [
            f"The price of {model} has changed: the same tokens cost {times:.2f} times what they did at first."
            for model, times in self.prices.items()
        ]


def drift_of(rows: Iterable[Recorded]) -> Drift:
    """Compare the latest requests of a journal with the first ones, those of the router that decided last.

    Args:
        rows: Its requests, oldest first, in flat memory.

    Example:
        >>> from hybrid_llm.observe import read_journal
        >>> drift_of(read_journal("traffic.sqlite")).wants_audit  # doctest: +SKIP
        False
    """
    routers: dict[str, _Ends[tuple[float, bool]]] = {}
    models: dict[str, _Ends[Attempt]] = {}
    last = ""
    for row in rows:
        decision = row.event.decision.shadow or row.event.decision
        if decision.score is not None:
            last = decision.router_id
            routers.setdefault(last, _Ends()).add((decision.score, decision.familiar is False))
        for one in row.event.attempts:
            if one.cost_usd and one.input_tokens is not None and one.output_tokens and not one.cached_tokens:
                models.setdefault(one.model, _Ends()).add(one)
    first, latest = (np.array(side, dtype=float) for side in routers.get(last, _Ends[Any]()).sides(LEAST))
    prices = {model: times for model, ends in models.items() if (times := _times(ends)) is not None}
    if not len(first):
        return Drift(0, 0.0, 0.0, prices)
    spread = float(np.concatenate([first[:, 0], latest[:, 0]]).std()) or 1.0
    moved = latest.mean(axis=0) - first.mean(axis=0)
    return Drift(len(first), float(moved[0]) / spread, float(moved[1]), prices)


class _Ends(Generic[T]):
    """The first and the last of many things, in flat memory."""

    def __init__(self) -> None:
        self._first: list[T] = []
        self._last: deque[T] = deque(maxlen=WINDOW)
        self._n = 0

    def add(self, one: T) -> None:
        if len(self._first) < WINDOW:
            self._first.append(one)
        self._last.append(one)
        self._n += 1

    def sides(self, least: int) -> tuple[list[T], list[T]]:
        """Return as many of the first as of the last, none of them twice; none at all where they are too few."""
        size = min(WINDOW, self._n // 2)
        return ([], []) if size < least else (self._first[:size], list(self._last)[-size:])


def _times(ends: _Ends[Attempt]) -> float | None:
    """Return how many times what they did at first the tokens of the last calls cost; ``None`` where that is the same.

    What a token cost at first, read and written, is fitted to the first calls.
    """
    first, last = ends.sides(_LEAST_CALLS)
    if not first:
        return None
    before, after = _tokens(first), _tokens(last)
    prices, _, rank, _ = np.linalg.lstsq(before, np.array([one.cost_usd for one in first]), rcond=None)
    if np.linalg.matrix_rank(np.concatenate([before, after])) > rank:  # the first calls cannot tell both prices apart
        return None
    expected, paid = float((after @ prices).sum()), sum(one.cost_usd or 0.0 for one in last)
    return paid / expected if expected > 0 and abs(paid / expected - 1) > PRICE else None


def _tokens(calls: list[Attempt]) -> Any:
    return np.array([[one.input_tokens, one.output_tokens] for one in calls], dtype=float)
