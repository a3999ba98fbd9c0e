"""How a judge grades a pair of answers: blind, in both orders, and never a half for want of a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from hybrid_llm.collect.grade.final_span import without_thoughts
from hybrid_llm.collect.grade.rubric import Verdict, question, read_verdict

TRIES: Final = 2
"""How often one order is asked: a malformed verdict is asked for once more, then the pair is not graded."""


class Judged(NamedTuple):
    """What a judge made of a pair: quality of small and of large in both orders, in [0, 1]."""

    small: tuple[float, ...]
    large: tuple[float, ...]

    @property
    def quality(self) -> tuple[float, float]:
        """Mean quality of small and of large over the orders."""
        small, large = (round(sum(grades) / len(grades), 6) for grades in self)  # a tie stays one
        return small, large


@dataclass(frozen=True)
class Judge:
    """A judge of pairs of answers.

    Attributes:
        ask: Sends a text to the judging model and returns its reply; it may raise.
        rubric: What is asked, with places for the texts.
    """

    ask: Callable[[str], str]
    rubric: str

    def pair(self, query: str, small: str, large: str, references: Sequence[str]) -> Judged | None:
        """Grade a pair of answers, or return None when the judge gave a malformed verdict twice.

        Small's answer is shown first, then large's. Equal answers are asked about once, and get the same grade.

        Example:
            >>> judge = Judge(lambda text: '{"first": 8, "second": 8}', "{query} {first} {second}")
            >>> judge.pair("2+2?", "4", "It is 4.", []).quality
            (0.8, 0.8)
        """
        small, large = without_thoughts(small), without_thoughts(large)
        straight = self._verdict(query, small, large, references)
        if straight is None:
            return None
        if small == large:
            both = (straight.first + straight.second) / 2
            return Judged((both,), (both,))
        turned = self._verdict(query, large, small, references)
        if turned is None:
            return None
        return Judged((straight.first, turned.second), (straight.second, turned.first))

    def _verdict(self, query: str, first: str, second: str, references: Sequence[str]) -> Verdict | None:
        for _ in range(TRIES):
            text = question(self.rubric, query, first, second, list(references))
            if verdict := read_verdict(without_thoughts(self.ask(text))):
                return verdict
        return None
