"""Numbers in English words: "twelve", "two hundred and eighty-six"."""

from __future__ import annotations

import re
from typing import Final

_DIGITS: Final = "zero|one|two|three|four|five|six|seven|eight|nine"
_TEENS: Final = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_TENS: Final = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_VALUES: Final = {word: i for i, word in enumerate(f"{_DIGITS}|{_TEENS}".split("|"))} | {
    word: 10 * i for i, word in enumerate(_TENS.split("|"), 2)
}
_SCALES: Final = {"thousand": 10**3, "million": 10**6, "billion": 10**9}

_BELOW_100: Final = rf"(?:(?:{_TENS})(?:[\s-](?:{_DIGITS}))?|{_TEENS}|{_DIGITS})"
_BELOW_1000: Final = rf"(?:(?:(?:{_BELOW_100}|a)\s)?hundred(?:\s(?:and\s)?{_BELOW_100})?|{_BELOW_100})"
_NUMBER: Final = re.compile(
    rf"\b(?P<sign>(?:minus|negative)\s)?(?P<number>(?:(?:{_BELOW_1000}|a)[\s-](?:{'|'.join(_SCALES)})\b,?\s?(?:and\s)?)*"
    rf"(?:{_BELOW_1000}(?!\w))?)",
    re.IGNORECASE,
)


_WORD: Final = re.compile(r"[a-z]+")
_WORDS: Final = frozenset(_VALUES) | frozenset(_SCALES) | {"hundred"}


def numbers_in_words(text: str) -> list[int]:
    """Return the numbers that a text spells out, in their order.

    Example:
        >>> numbers_in_words("Two hundred and eighty-six, not minus twelve. Five and six.")
        [286, -12, 5, 6]
    """
    if _WORDS.isdisjoint(_WORD.findall(text.lower())):  # nearly all texts, and the pattern below is slow on them
        return []
    found = [(match["sign"], match["number"].lower()) for match in _NUMBER.finditer(text) if match["number"]]
    return [-_value(words) if sign else _value(words) for sign, words in found]


def _value(number: str) -> int:
    total = part = 0
    for word in re.findall(r"[a-z]+", number):
        if word == "hundred":
            part = 100 * max(part, 1)
        elif word in _SCALES:
            total, part = total + _SCALES[word] * max(part, 1), 0
        else:
            part += _VALUES.get(word, 0)
    return total + part
