"""What an arm gave: its text, how sure it was of each token, how it ended, which tools it called."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hybrid_llm.errors import LookError

_CUT: Final = frozenset({"length", "max_tokens", "MAX_TOKENS", "incomplete"})
"""Words of servers for an answer that reached its limit."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that an answer calls.

    Args:
        name: The tool.
        arguments: What it is called with; a text where that is no JSON object.
    """

    name: str
    arguments: Mapping[str, Any] | str


@dataclass(frozen=True, slots=True, init=False)
class Answer:
    """An answer, free of any framework.

    Args:
        text: Its content, without what a model thought aloud.
        logprobs: Natural log-probabilities of the tokens of the content alone, each at most 0; ``None`` where they are
            not known.
        finish: How it ended: ``"stop"``, ``"length"``, ``"tool_calls"``; empty when unknown. Every server's word for
            an answer that its limit cut off becomes ``"length"``.
        tool_calls: The tools that it calls.
        tokens: Tokens of the content, where they are counted beside the log-probabilities.

    Raises:
        LookError: A log-probability is not one, or there are not as many as tokens.

    Example:
        >>> Answer("Lima", logprobs=[-0.5, -0.25], finish="stop").mean_logprob
        -0.375
    """

    text: str
    logprobs: tuple[float, ...] | None
    finish: str
    tool_calls: tuple[ToolCall, ...]

    def __init__(
        self,
        text: str,
        logprobs: Sequence[float] | None = None,
        finish: str = "",
        tool_calls: Sequence[ToolCall] = (),
        *,
        tokens: int | None = None,
    ) -> None:
        numbers = None if logprobs is None else tuple(map(float, logprobs))
        if numbers is not None:
            _check(numbers, tokens)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "logprobs", numbers or None)  # of no token nothing is known
        object.__setattr__(self, "finish", "length" if finish in _CUT else finish)
        object.__setattr__(self, "tool_calls", tuple(tool_calls))

    @property
    def mean_logprob(self) -> float | None:
        """The mean log-probability of a token; ``None`` where they are not known."""
        return None if self.logprobs is None else math.fsum(self.logprobs) / len(self.logprobs)


def _check(logprobs: Sequence[float], tokens: int | None) -> None:
    for place, number in enumerate(logprobs):
        if not number <= 1e-6:  # NaN too; a server may round a little above 0
            raise LookError(f"Log-probability {place} is {number}; each must be a number of at most 0.")
    if tokens is not None and tokens != len(logprobs):
        raise LookError(
            f"There are {len(logprobs)} log-probabilities and {tokens} tokens; pass those of the content alone."
        )
