"""What can be seen of an answer before it is shown, each as one number; what cannot be seen is missing, not zero.

Log-probabilities are summed up by their mean and quantiles, never by their sum: a sum says how long an answer is
(arXiv 2404.10136). Whole texts are not compared: two models that agree write different sentences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hybrid_llm.errors import LookError
from hybrid_llm.look.answer import Answer
from hybrid_llm.look.final_answer import FinalAnswer

Finds = Callable[[str], Any]
"""Returns the final answer in a text, ``None`` when there is none: :meth:`FinalAnswer.of`, or a function of one's own
whose results are equal when two answers agree."""

QUERY: Final = "query"
LOGPROBS: Final = "logprobs"
AGREEMENT: Final = "agreement:"
"""Before the name of the checker that agrees, or does not."""
CERTAIN: Final = 1e-6
"""Log-odds are those of a probability this far inside (0, 1), as scores are."""
NEVER: Final = -1e9
"""What the log-probability of a token that cannot come counts as: JSON has no -inf, and no answer's mean hides this."""


@dataclass(frozen=True, slots=True)
class LogProbs:
    """The log-probabilities of an answer's content tokens, summed up.

    Args:
        mean: Their mean.
        lowest: The least of them.
        q10: The 10 % quantile.
        q25: The 25 % quantile.
        median: The median.
    """

    mean: float
    lowest: float
    q10: float
    q25: float
    median: float

    @classmethod
    def of(cls, logprobs: Sequence[float]) -> LogProbs:
        """Sum up m >= 1 log-probabilities.

        Example:
            >>> LogProbs.of([-0.5, -0.25, 0.0]).median
            -0.25
        """
        rising = sorted(max(min(float(each), 0.0), NEVER) for each in logprobs)
        mean = math.fsum(rising) / len(rising)
        return cls(mean, rising[0], *(_quantile(rising, share) for share in (0.1, 0.25, 0.5)))


@dataclass(frozen=True, slots=True)
class Signals:
    """What is seen of one answer.

    Args:
        query: p(x), the query's score; ``None`` where it says nothing, as of an unfamiliar query.
        logprobs: How sure small was of its tokens; ``None`` where its server does not say.
        agreement: For each checker that answered the share of its answers that agree with small's, in [0, 1].
        found: Whether the answer has a final answer that could be compared; nobody looks where nobody compares.
        tokens: Tokens of its content; ``None`` where nobody counted.
    """

    query: float | None = None
    logprobs: LogProbs | None = None
    agreement: Mapping[str, float] = field(default_factory=dict)
    found: bool = False
    tokens: int | None = None

    @classmethod
    def of(
        cls,
        answer: Answer,
        checkers: Mapping[str, Sequence[Answer]] | None = None,
        query: float | None = None,
        final: Finds | None = None,
    ) -> Signals:
        """Look at an answer.

        Args:
            answer: Small's.
            checkers: By the checker's name what it answered, one answer or several samples; none where it is down.
            query: The query's score.
            final: Finds final answers; :meth:`FinalAnswer.of` by default.

        Example:
            >>> Signals.of(Answer("The answer is 18."), {"other": [Answer("18 apples")]}).agreement
            {'other': 1.0}
        """
        final = final or FinalAnswer.of
        mine = final(answer.text) if checkers else None  # finding one in a long text takes a while
        return cls(
            query=query,
            logprobs=LogProbs.of(answer.logprobs) if answer.logprobs else None,
            agreement={
                name: sum(agree(mine, final(theirs.text)) for theirs in answers) / len(answers)
                for name, answers in (checkers or {}).items()
                if answers
            },
            found=mine is not None,
            tokens=len(answer.logprobs) if answer.logprobs else None,
        )

    def columns(self) -> dict[str, float]:
        """Return what a head reads, by column; those that are missing are not there."""
        seen = {f"{AGREEMENT}{name}": share for name, share in self.agreement.items()}
        if self.logprobs is not None:
            seen[LOGPROBS] = log_odds(math.exp(self.logprobs.mean))
        if self.query is not None:
            seen[QUERY] = log_odds(self.query)
        return seen

    def told(self) -> tuple[tuple[str, float], ...]:
        """Return what was seen as names and numbers, for people and records."""
        seen: dict[str, float] = {}
        if self.query is not None:
            seen[QUERY] = self.query
        if self.logprobs is not None:
            seen["mean_logprob"] = self.logprobs.mean
            seen["lowest_logprob"] = self.logprobs.lowest
        if self.tokens is not None:
            seen["tokens"] = self.tokens
        seen |= {f"{AGREEMENT}{name}": share for name, share in self.agreement.items()}
        if self.agreement:
            seen["found"] = float(self.found)
        return tuple((name, float(value)) for name, value in seen.items())


def agree(mine: Any, theirs: Any) -> bool:
    """Return whether two final answers are the same; with none nobody agrees."""
    if mine is None or theirs is None:
        return False
    return mine.agrees(theirs) if isinstance(mine, FinalAnswer) else bool(mine == theirs)


def log_odds(share: float) -> float:
    """Return log(share / (1 - share)) of a share that is kept a little inside (0, 1)."""
    inside = min(max(share, CERTAIN), 1 - CERTAIN)
    return math.log(inside / (1 - inside))


def checked_names(small: str, checkers: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the checkers, each once.

    Raises:
        LookError: One is the small model itself, which would always agree, or is named twice.
    """
    if small in checkers:
        raise LookError(
            f"The checker {small!r} is the small model itself, which agrees with itself; take another local model, or "
            f"samples of it at a higher temperature under a name of their own ({small}@T0.7)."
        )
    if len(set(checkers)) < len(checkers):
        raise LookError(f"A checker is named twice: {', '.join(checkers)}.")
    return tuple(checkers)


def _quantile(rising: Sequence[float], share: float) -> float:
    """Return a quantile of sorted numbers, between two of them where it falls there."""
    place = share * (len(rising) - 1)
    low = math.floor(place)
    high = min(low + 1, len(rising) - 1)
    return rising[low] + (place - low) * (rising[high] - rising[low])
