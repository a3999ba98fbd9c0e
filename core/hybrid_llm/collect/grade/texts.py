"""Graders that compare texts: ``exact`` and ``contains``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from hybrid_llm.look import without_thoughts

_MARKS: Final = " \t\n\"'“”\u2018\u2019`*_.,;:!?"
"""What may stand around a text without changing what it says."""
_GROUPED: Final = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")


def exact(answer: str, references: Sequence[str]) -> float:
    """Grade 1 if the answer is an accepted text, else 0.

    Case, runs of spaces, and quotes, Markdown's marks and punctuation around the text do not count.

    Example:
        >>> exact("**Dakar.**", ["dakar"]), exact("It is Dakar.", ["Dakar"])
        (1.0, 0.0)
    """
    return float(_plain(answer).strip(_MARKS) in {_plain(reference).strip(_MARKS) for reference in references})


def contains(answer: str, references: Sequence[str]) -> float:
    """Grade 1 if an accepted text stands in the answer as whole words, else 0.

    Case and runs of spaces do not count, a plural is the same word, ``1,000`` is ``1000``, and the 4 of ``14`` or of
    ``4.5`` is no 4. What the answer says about the text is not understood: "not Paris" contains Paris.

    Example:
        >>> contains("People pay in Rupees.", ["Rupee", "INR"]), contains("It is 14.5", ["4"])
        (1.0, 0.0)
    """
    text = _plain(answer)
    return float(any(_stands_in(_plain(reference).strip(_MARKS), text) for reference in references))


def _stands_in(wanted: str, text: str) -> bool:
    if not wanted:
        return False
    before = r"(?<![\w])(?<!\d[.,])(?<!\d-)" if wanted[0].isdigit() else r"(?<!\w)"
    after = r"(?![\w]|[.,]\d)" if wanted[-1].isdigit() else r"(?:e?s)?(?!\w)"
    return re.search(before + re.escape(wanted) + after, text) is not None


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", without_thoughts(text)).casefold().replace("\u2019", "'")
    return " ".join(_GROUPED.sub(lambda number: number[0].replace(",", ""), text).split())
