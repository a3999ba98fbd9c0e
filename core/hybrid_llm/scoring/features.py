"""Cheap features of the text that an embedding of its meaning hardly sees: length, digits, code, choices.

They cost microseconds. All are roughly between 0 and 1, so that one regularisation strength fits them all.

There are two versions of them. A head was fitted to one and reads that one for ever:

1. The text as it comes. One typographic character could outweigh everything else, since hardly any training query had
   one.
2. The text after :func:`~hybrid_llm.scoring.typography.folded`, without tags. Case counts only where it is mixed,
   accents and emoji not at all, and every feature has a bound.
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

from hybrid_llm.scoring.typography import TAG, folded

VERSION: Final = 2
"""The features that training uses."""
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


Feature = Callable[[_Parts], float]

_FIRST: Final[dict[str, Feature]] = {
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
_SECOND: Final[dict[str, Feature]] = {
    **{name: feature for name, feature in _FIRST.items() if name != "beyond_ascii"},
    "digits": lambda p: min(p.share(str.isdigit) * 5, 2.0),
    "capitals": lambda p: _capitals(p.characters),
    "other_scripts": lambda p: p.share(_of_another_script),
}
_OF_A_SENTENCE: Final = 0.2
"""What ``capitals`` usually is, and so what it is of a text in capitals, where case says nothing."""
_VERSIONS: Final = {1: _FIRST, 2: _SECOND}
NAMES: Final = tuple(_SECOND)
VERSIONS: Final = tuple(_VERSIONS)


def feature_names(version: int) -> tuple[str, ...]:
    """Return the names of the features of a version, in their order.

    Raises:
        KeyError: There is no such version.
    """
    return tuple(_VERSIONS[version])


def read_as(queries: Sequence[str], version: int = VERSION) -> list[str]:
    """Return queries as features and tokenizer read them.

    Example:
        >>> read_as(["What’s new?"]), read_as(["What’s new?"], version=1)
        (["What's new?"], ['What’s new?'])
    """
    return list(queries) if version == 1 else [folded(query) for query in queries]


def text_features(queries: Sequence[str], version: int = VERSION) -> NDArray[np.float32]:
    """Return the features of each query, shape (n, number of features), float32.

    Args:
        queries: n texts, as :func:`read_as` gives them.
        version: Which features.

    Example:
        >>> text_features(["What is 2 + 2?"]).shape == (1, len(NAMES))
        True
    """
    features = _VERSIONS[version].values()
    parts = map(_as_it_comes if version == 1 else _without_tags, queries)
    rows = [[feature(part) for feature in features] for part in parts]
    return np.array(rows, dtype=np.float32).reshape(len(queries), len(features))


def _as_it_comes(query: str) -> _Parts:
    text = _both_ends(query)
    return _Parts(text, _WORD.findall(text), Counter(text))


def _without_tags(query: str) -> _Parts:
    written = TAG.sub("", _both_ends(query)).strip()
    text = written.lower()
    return _Parts(text, _WORD.findall(text), Counter(written))


def _both_ends(query: str) -> str:
    return query if len(query) <= 2 * WINDOW else f"{query[:WINDOW]}\n{query[-WINDOW:]}"


def _of_another_script(character: str) -> bool:
    latin = character <= "\u024f" or "\u1e00" <= character <= "\u1eff"
    return not latin and character.isalpha()


def _capitals(characters: Counter[str]) -> float:
    letters = sum(n for character, n in characters.items() if character.isalpha())
    share = _share(sum(n for character, n in characters.items() if character.isupper()), letters)
    return _OF_A_SENTENCE if share > 0.5 else min(share * 5, 1.0)
