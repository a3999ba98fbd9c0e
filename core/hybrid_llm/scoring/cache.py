"""Scores that were given before: a bounded memory of texts, shared by threads."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

ENTRIES: Final = 20_000
"""Texts that are remembered, at most."""
CHARACTERS: Final = 2_000_000
"""Characters of all remembered keys together, at most."""
_WHOLE: Final = 256
"""A text of more characters is remembered by its SHA-256, so that long texts do not fill the memory."""

Scored = tuple[float, bool, float]
"""The score of a text, whether its middle was left out, and its familiarity (NaN where nobody measured it)."""


class ScoreCache:
    """Remembers the scores of the texts used last; what was not asked for the longest is forgotten first.

    Args:
        entries: Texts to remember at most.
        characters: Characters of all keys together, at most.

    Example:
        >>> cache = ScoreCache(entries=1)
        >>> cache.put([("first", (0.5, False, 1.0)), ("second", (0.25, False, 1.0))])
        >>> cache.get(["first", "second"])
        [None, (0.25, False, 1.0)]
    """

    def __init__(self, entries: int = ENTRIES, characters: int = CHARACTERS) -> None:
        self._entries, self._characters = entries, characters
        self._scored: OrderedDict[str | bytes, Scored] = OrderedDict()
        self._held = 0

    def __reduce__(self) -> tuple[type[ScoreCache], tuple[int, int]]:
        """Pickle as an empty one: what users asked goes nowhere with a pickle or a copy."""
        return ScoreCache, (self._entries, self._characters)

    def __len__(self) -> int:
        """Return how many texts are remembered."""
        return len(self._scored)

    @property
    def characters(self) -> int:
        """Characters of all remembered keys together."""
        return self._held

    def get(self, texts: Iterable[str]) -> list[Scored | None]:
        """Return what is remembered of each text, ``None`` where that is nothing."""
        keys = [_key(text) for text in texts]
        with _Shared.lock:
            found = [self._scored.get(key) for key in keys]
            for key, known in zip(keys, found, strict=True):
                if known is not None:
                    self._scored.move_to_end(key)
        return found

    def put(self, scored: Iterable[tuple[str, Scored]]) -> None:
        """Remember scores, and forget the oldest beyond the bounds."""
        keyed = [(_key(text), score) for text, score in scored]
        with _Shared.lock:
            for key, score in keyed:
                if key not in self._scored:
                    self._held += len(key)
                self._scored[key] = score
                self._scored.move_to_end(key)
            while len(self._scored) > self._entries or (self._held > self._characters and self._scored):
                self._held -= len(self._scored.popitem(last=False)[0])


class _Shared:
    """One lock for all caches of a process: it is held for microseconds, and a fork has one thing to replace."""

    lock = threading.Lock()

    @classmethod
    def after_fork(cls) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        cls.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Shared.after_fork)


def _key(text: str) -> str | bytes:
    return text if len(text) <= _WHOLE else hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
