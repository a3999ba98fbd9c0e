"""The level of the requests that are made inside a ``with`` block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from hybrid_llm.errors import LevelError
from hybrid_llm.level import Level

LEVEL_HERE: Final[ContextVar[Level | None]] = ContextVar("hybrid_llm_level", default=None)
"""The level of the block that the program is in; each thread and each asyncio task has its own."""


@contextmanager
def hybrid_quality(
    quality: float | None = None, *, cost_advantage: float | None = None, threshold: float | None = None
) -> Iterator[None]:
    """Choose the level of every request that is made inside the block, by ``HybridLLM`` and ``HybridSelector``.

    It reaches what no keyword argument can reach: query engines, chat engines, agents. Requests that have a level of
    their own keep it. An agent takes the level that holds when ``agent.run(...)`` is called.

    Careful with streams: LlamaIndex calls the model of a streaming query engine only when the stream is read. Read it
    inside the block, or use ``llm.with_quality(0.95)``, which a stream keeps.

    Args:
        quality: Share of the large model's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. Exactly one of these three.

    Raises:
        LevelError: No level, two levels, or one out of range.

    Example:
        >>> with hybrid_quality(0.95):
        ...     answer = engine.query("Prove the lemma.")  # doctest: +SKIP
    """
    level = Level.of(quality=quality, cost_advantage=cost_advantage, threshold=threshold)
    if level is None:
        raise LevelError("hybrid_quality() needs a level: hybrid_quality(0.95), or cost_advantage= or threshold=.")
    token = LEVEL_HERE.set(level)
    try:
        yield
    finally:
        LEVEL_HERE.reset(token)
