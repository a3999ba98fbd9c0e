"""Edits that leave a question as hard as it was: what phones, editors, pastes and habits do to a text.

Where an edit goes is drawn by a hash of the text, so that every router reads the same edited query.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from hybrid_llm.table import hash_fraction

Edit = Callable[[str], str]

CAPITALS: Final = "all capitals"
APOSTROPHE: Final = "curly apostrophe inside a word"
_INSIDE: Final = re.compile(r"(?<=[A-Za-z]{2})(?=[A-Za-z]{2})")
_SPACE: Final = re.compile(r"(?<=\S) (?=\S)")
_VOWEL: Final = re.compile(r"[aeiou]")
_ACUTE: Final = "\u0301"


def _one(pattern: re.Pattern[str], new: Callable[[str], str], text: str) -> str:
    """Replace one match of a pattern; a text without any stays as it is."""
    matches = list(pattern.finditer(text))
    if not matches:
        return text
    chosen = matches[int(len(matches) * hash_fraction(f"edit {text}"))]
    return text[: chosen.start()] + new(chosen[0]) + text[chosen.end() :]


def _accented(letter: str) -> str:
    return unicodedata.normalize("NFC", letter + _ACUTE)


EDITS: Final[Mapping[str, Edit]] = {
    APOSTROPHE: lambda text: _one(_INSIDE, lambda _: "\u2019", text),
    "straight apostrophe inside a word": lambda text: _one(_INSIDE, lambda _: "'", text),
    "emoji at the end": lambda text: f"{text} \U0001f642",
    "no-break space for a space": lambda text: _one(_SPACE, lambda _: "\u00a0", text),
    "accent on a vowel": lambda text: _one(_VOWEL, _accented, text),
    "byte order mark before": lambda text: f"\ufeff{text}",
    "wrapping tag": lambda text: f"<user_query>\n{text}\n</user_query>",
    "newline at the end": lambda text: f"{text}\n",
    CAPITALS: str.upper,
}
"""What an edit is called -> what it does to a query."""
