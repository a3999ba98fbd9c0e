"""Warnings that point at the line of the user's own program, and those that are given once."""

from __future__ import annotations

import sys
import warnings
from typing import Final

from hybrid_llm.errors import HybridLLMWarning

_NOT_THE_USERS: Final = (
    "hybrid_llm",
    "langchain_hybrid",
    "llamaindex_hybrid",
    "langchain_core",
    "llama_index",
    "llama_index_instrumentation",
    "wrapt",
)
"""Packages between the user's line and the warning: ours, and those of the frameworks that call us."""


class Once:
    """Remembers which topics were warned of."""

    def __init__(self) -> None:
        self._topics: set[str] = set()

    def warn(self, topic: str, message: str) -> None:
        """Give a :class:`HybridLLMWarning`, the first time for this topic."""
        if topic not in self._topics:
            self._topics.add(topic)
            warn_user(message)


def warn_user(message: str) -> None:
    """Give a :class:`HybridLLMWarning` that points at the user's line."""
    warnings.warn(message, HybridLLMWarning, stacklevel=_frames_on_the_way() + 1)


def _frames_on_the_way() -> int:
    """Return how many frames up the first one of the user is."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__", "")).partition(".")[0] in _NOT_THE_USERS:
        depth, frame = depth + 1, frame.f_back
    return depth - 1
