r"""The option that a text chooses: ``C``, ``(c)``, ``C. Paris``, ``the answer is C``, ``**C**``, ``\boxed{C}``."""

from __future__ import annotations

import re
from typing import Final

from hybrid_llm.look.spans import bold, boxed, marked, without_thoughts

_LETTER: Final = r"(?:\\(?:text|mathrm|mathbf|textbf)\s*\{\s*)?[(\[]?\s*([A-Za-z])\s*[)\]]?\}?"
_START: Final = re.compile(
    rf"[\s*_\"'`$]{{0,12}}+(?:(?:the\s+)?(?:correct\s+)?(?:option|choice|answer|letter)\s*:?\s*)?[*_\"'`$]{{0,12}}+{_LETTER}"
    r"(?![\w'\u2019-])(?P<after>[*_\"'`$]{0,12}\s*(?P<end>\.(?!\w)|[):,;\]\n-]|\u2013|\u2014|\Z)?)",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    r"\b(?:option|choice|alternative)\s+[*_\"'`]{0,4}[(\[]?([A-Za-z])[)\]]?(?![\w'\u2019-])"
    r"|\b(?:choose|pick|select)\s+[*_\"'`]{0,4}[(\[]?([A-Z])[)\]]?(?![\w'\u2019-])"
    r"|[*_]{0,4}[(\[]?\b([A-Z])[)\]]?[*_]{0,4}\s+is\s+(?:the\s+)?(?:correct|right|best)\b",
)
_BRACKETED: Final = re.compile(r"(?<![\w(])\(([A-Za-z])\)(?!\w)")
_CAPITAL: Final = re.compile(r"(?<![\w'\u2019.-])([B-HJ-Z])(?![\w'\u2019-]|\.\w)")
_ANOTHER: Final = re.compile(r"\s*(?:,|/|or|and|&)\s*(?:option\s+)?[*_\"'`]{0,4}[(\[]?[A-Z][)\]]?(?![\w'\u2019-])")


def final_choice(text: str) -> str | None:
    r"""Return the option that a text chooses as a capital letter, or None when it chooses none, or several.

    The places where a model says that this is it come first: a box, "the answer is", a text that begins with the
    option, an option in bold. Then "option C", "C is correct", the last (C), and a lone capital on the last line.

    Example:
        >>> final_choice("A is tempting, but the answer is (c)."), final_choice("**B. Paris**"), final_choice("A or B")
        ('C', 'B', None)
    """
    text = without_thoughts(text)
    if (box := boxed(text)) is not None:
        return _leading(box)
    said = marked(text) or ""
    if _several(said):
        return None
    if letter := _leading(said, strict=False):
        return letter
    if not _several(text):
        for span in (text, *bold(text)):
            if letter := _leading(span):
                return letter
    if named := [letter for match in _NAMED.findall(text) for letter in match if letter]:
        return str(named[-1].upper())
    if _several(text):
        return None
    if bracketed := _BRACKETED.findall(text):
        return str(bracketed[-1].upper())
    lines = text.splitlines() or [""]
    capitals = _CAPITAL.findall(lines[-1])
    return str(capitals[0]) if len(set(capitals)) == 1 else None


def _leading(text: str, *, strict: bool = True) -> str | None:
    """Return the option that a text begins with.

    Args:
        text: The text.
        strict: Whether a sign or the end must follow the letter: "A dog" begins with an article, "A. Dog" does not.
    """
    match = _START.match(text)
    if match is None or _several(text):
        return None
    letter, bracketed = match[1], re.search(r"[)\]*]", match[0])
    if match["end"] is None and not bracketed and (strict or letter in "ai"):
        return None
    return letter.upper()


def _several(text: str) -> bool:
    """Return whether a text begins with two options: "A or B" chooses neither."""
    match = _START.match(text)
    return bool(match and _ANOTHER.match(text[match.start(1) + 1 :].lstrip(")]*_")))
