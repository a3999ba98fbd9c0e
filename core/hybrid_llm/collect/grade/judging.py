"""How a judge grades a pair of answers: blind, in both orders, and never a half for want of a verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from hybrid_llm.collect.grade.rubric import Verdict, question, read_verdict
from hybrid_llm.look import without_thoughts

TRIES: Final = 2
"""How often one order is asked: a malformed verdict is asked for once more, then the pair is not graded."""

Ask = Callable[[str], Awaitable[str]]
"""Sends a question to the judging model and returns its reply."""


class Order(NamedTuple):
    """What a judge made of a pair in one order: quality of small and of large in [0, 1], None when malformed twice."""

    small: float | None
    large: float | None

    def as_dict(self) -> dict[str, float | None]:
        """Return it as JSON values."""
        return self._asdict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Order:
        """Read what :meth:`as_dict` wrote."""
        return cls(data["small"], data["large"])


class Pair(NamedTuple):
    """Two answers to one query, with its references."""

    query: str
    small: str
    large: str
    references: Sequence[str] = ()

    def asked(self, rubric: str, *, small_first: bool) -> str:
        """Return the question about this pair in one order."""
        answers = [without_thoughts(self.small), without_thoughts(self.large)]
        first, second = answers if small_first else reversed(answers)
        return question(rubric, self.query, first, second, list(self.references))

    @property
    def orders(self) -> tuple[bool, ...]:
        """Whether small comes first, in each order that is worth asking: equal answers are asked about once."""
        return (True,) if without_thoughts(self.small) == without_thoughts(self.large) else (True, False)


async def judge_order(ask: Ask, rubric: str, pair: Pair, *, small_first: bool) -> Order:
    """Ask a judge about a pair in one order, once more if the verdict is malformed.

    Args:
        ask: Sends a question; it may raise.
        rubric: What is asked, with places for the texts.
        pair: The answers.
        small_first: Whether small's answer is the one that is called first.
    """
    verdict: Verdict | None = None
    for _ in range(TRIES):
        verdict = read_verdict(without_thoughts(await ask(pair.asked(rubric, small_first=small_first))))
        if verdict is not None:
            break
    if verdict is None:
        return Order(None, None)
    if len(pair.orders) == 1:  # the same text twice: a judge may prefer the place, we do not
        both = round((verdict.first + verdict.second) / 2, 6)
        return Order(both, both)
    return Order(verdict.first, verdict.second) if small_first else Order(verdict.second, verdict.first)


def quality_of(orders: Sequence[Order]) -> tuple[float, float] | None:
    """Return the quality of small and large, the mean over the orders, or None if a verdict is missing.

    Example:
        >>> quality_of([Order(0.9, 0.6), Order(0.7, 1.0)]), quality_of([Order(0.9, 0.6), Order(None, None)])
        ((0.8, 0.8), None)
    """
    small = [order.small for order in orders if order.small is not None]
    large = [order.large for order in orders if order.large is not None]
    if len(small) < len(orders) or len(large) < len(orders):
        return None
    return round(sum(small) / len(small), 6), round(sum(large) / len(large), 6)  # rounded, so that a tie stays one
