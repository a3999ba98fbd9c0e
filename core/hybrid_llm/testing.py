"""Fakes for your own tests: a chain or an agent with a router inside, without a model or a network.

``langchain_hybrid.testing`` and ``llamaindex_hybrid.testing`` have fake chat models of the two frameworks.

Example:
    >>> from hybrid_llm import Router
    >>> router = Router(FixedScorer({"easy": 0.9, "hard": 0.2}))
    >>> [d.route for d in router.decide_many(["easy", "hard"], threshold=0.5)]
    ['small', 'large']
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.decision import Decision, Route

__all__ = ["FailingScorer", "FakeArms", "FixedScorer", "arguments_for"]


@dataclass
class FixedScorer:
    """Scores that you choose, and a record of what was asked.

    Args:
        scores: One score for everything, or a score for each query.
        default: Score of a query that ``scores`` does not name.
        id: Becomes ``Decision.router_id``.

    Attributes:
        calls: The batches that were scored, in order: one entry is one pass.
    """

    scores: float | Mapping[str, float] = 0.5
    default: float = 0.5
    id: str = "fixed"
    calls: list[list[str]] = field(default_factory=list, init=False, repr=False)

    def score(self, queries: Sequence[str]) -> NDArray[np.float64]:
        """Return the chosen scores, shape (n,)."""
        self.calls.append(list(queries))
        if isinstance(self.scores, Mapping):
            return np.array([self.scores.get(query, self.default) for query in queries], dtype=np.float64)
        return np.full(len(queries), self.scores, dtype=np.float64)


@dataclass
class FailingScorer:
    """A scorer that always raises, to see what your program does then.

    Args:
        error: What is raised.
        id: Becomes ``Decision.router_id``.
    """

    error: Exception = field(default_factory=lambda: RuntimeError("the scorer is broken"))
    id: str = "failing"

    def score(self, queries: Sequence[str]) -> NDArray[np.float64]:
        """Raise the chosen error."""
        raise self.error


@dataclass
class FakeArms:
    """Both arms of a pair: functions of a decision that say what you choose, break where you choose, and remember.

    Args:
        small: What small says, chunk by chunk. An exception among the chunks is raised when its turn comes.
        large: What large says.

    Attributes:
        asked: The route of each call, in order. A stream counts when its first chunk is read.

    Example:
        >>> arms = FakeArms(small=["from ", ConnectionResetError("gone")])
        >>> arms.call(Decision("large"))
        'from large'
        >>> chunks = arms.stream(Decision("small"))
        >>> next(chunks)
        'from '
        >>> next(chunks)
        Traceback (most recent call last):
        ConnectionResetError: gone
        >>> arms.asked
        ['large', 'small']
    """

    small: Sequence[str | BaseException] = ("from ", "small")
    large: Sequence[str | BaseException] = ("from ", "large")
    asked: list[Route] = field(default_factory=list, init=False, repr=False)

    def call(self, decision: Decision) -> str:
        """Return the whole answer of the arm that was chosen."""
        return "".join(self.stream(decision))

    async def acall(self, decision: Decision) -> str:
        """Return the whole answer, asynchronously."""
        return "".join([chunk async for chunk in self.astream(decision)])

    def stream(self, decision: Decision) -> Iterator[str]:
        """Give the answer of the arm that was chosen, chunk by chunk."""
        self.asked.append(decision.route)
        for chunk in self.small if decision.route == "small" else self.large:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    async def astream(self, decision: Decision) -> AsyncIterator[str]:
        """Give the answer chunk by chunk, asynchronously: other tasks run before each chunk."""
        for chunk in self.stream(decision):
            await asyncio.sleep(0)
            yield chunk


def arguments_for(schema: Mapping[str, Any], query: str = "", default: str = "some text") -> dict[str, Any]:
    """Make up arguments of a tool that follow its schema, as the fake chat models do.

    Args:
        schema: The JSON schema of an object. Only what it requires is made up; everything, if it requires nothing.
        query: The numbers and the quoted words in it are used first, in their order.
        default: Stands for a string when the quoted words are used up.

    Example:
        >>> schema = {"properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
        >>> arguments_for(schema, "How will the weather in 'Lima' be in 3 days?")
        {'city': 'Lima', 'days': 3}
    """
    numbers, words = iter(re.findall(r"\d+", query)), iter(re.findall(r"'([^']+)'", query))

    def made(part: Mapping[str, Any]) -> Any:
        if "$ref" in part:
            return made(schema["$defs"][part["$ref"].rpartition("/")[2]])
        if "enum" in part:
            return part["enum"][0]
        if "const" in part:
            return part["const"]
        if "anyOf" in part:
            return made(part["anyOf"][0])
        match part.get("type"):
            case "object":
                return made_object(part)
            case "array":
                return [made(part.get("items", {})) for _ in range(part.get("minItems", 0))]
            case "integer":
                return int(next(numbers, "1"))
            case "number":
                return float(next(numbers, "1"))
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return next(words, default)

    def made_object(part: Mapping[str, Any]) -> dict[str, Any]:
        properties = part.get("properties", {})
        return {name: made(properties.get(name, {})) for name in part.get("required", properties)}

    return made_object(schema)
