"""Warnings that are given once, and point at the line of the user's own program."""

from __future__ import annotations

import sys
import warnings
from typing import Final

from hybrid_llm.errors import HybridLLMWarning

_OUR_PACKAGES: Final = ("hybrid_llm", "langchain_hybrid", "llamaindex_hybrid")


class Once:
    """Remembers which topics were warned of."""

    def __init__(self) -> None:
        self._topics: set[str] = set()

    def warn(self, topic: str, message: str) -> None:
        """Give a :class:`HybridLLMWarning`, the first time for this topic."""
        if topic not in self._topics:
            self._topics.add(topic)
            warnings.warn(message, HybridLLMWarning, stacklevel=_frames_of_ours() + 1)


def _frames_of_ours() -> int:
    """Return how many frames up the first one outside our packages is."""
    depth, frame = 1, sys._getframe(1)
    while frame.f_back and str(frame.f_globals.get("__name__", "")).partition(".")[0] in _OUR_PACKAGES:
        depth, frame = depth + 1, frame.f_back
    return depth - 1
