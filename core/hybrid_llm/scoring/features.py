"""Cheap features of the text that an embedding of its meaning hardly sees: length, digits, code, choices.

They cost microseconds. All are roughly between 0 and 1, so that one regularisation strength fits them all.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOW: Final = 8192
"""Characters looked at from each end, so that a megabyte of text costs no more than a page."""

_CODE = re.compile(r"```|\bdef |\breturn\b|\bimport |[{};]\s*$|==|\w\(\w*\)", re.MULTILINE)
# White space of the line alone: across lines, thousands of empty ones would take seconds.
_CHOICE = re.compile(r"^[^\S\n]*\(?[A-Ja-j1-9][).:]\s", re.MULTILINE)
_MATHS = re.compile(r"[=+*/^<>\\$]|\\[a-z]+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Parts:
    """A text, taken apart once for all features: its words, and how often each character occurs."""

    text: str
    words: list[str]
    characters: Counter[str]

    def share(self, holds: Callable[[str], bool]) -> float:
        """Return the share of the characters for which this holds."""
        return _share(sum(n for character, n in self.characters.items() if holds(character)), len(self.text))


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0


_FEATURES: Final[dict[str, Callable[[_Parts], float]]] = {
    "log_characters": lambda p: math.log1p(len(p.text)) / 10,
    "log_words": lambda p: math.log1p(len(p.words)) / 8,
    "log_lines": lambda p: math.log1p(p.text.count("\n")) / 4,
    "word_length": lambda p: min(_share(sum(map(len, p.words)), len(p.words)) / 10, 2.0),
    "distinct_words": lambda p: _share(len(set(p.words)), len(p.words)),
    "digits": lambda p: p.share(str.isdigit) * 5,
    "capitals": lambda p: p.share(str.isupper) * 5,
    "maths": lambda p: min(_share(len(_MATHS.findall(p.text)), len(p.text)) * 10, 2.0),
    "code": lambda p: math.log1p(len(_CODE.findall(p.text))) / 3,
    "choices": lambda p: math.log1p(len(_CHOICE.findall(p.text))) / 3,
    "questions": lambda p: math.log1p(p.text.count("?")) / 2,
    "beyond_ascii": lambda p: p.share(lambda character: character > "\x7f"),
}
NAMES: Final = tuple(_FEATURES)


def text_features(queries: Sequence[str]) -> NDArray[np.float32]:
    """Return the features of each query, shape (n, len(NAMES)), float32.

    Example:
        >>> text_features(["What is 2 + 2?"]).shape == (1, len(NAMES))
        True
    """
    return np.array([_row(query) for query in queries], dtype=np.float32).reshape(len(queries), len(NAMES))


def _row(query: str) -> list[float]:
    text = query if len(query) <= 2 * WINDOW else f"{query[:WINDOW]}\n{query[-WINDOW:]}"
    parts = _Parts(text, _WORD.findall(text), Counter(text))
    return [feature(parts) for feature in _FEATURES.values()]
