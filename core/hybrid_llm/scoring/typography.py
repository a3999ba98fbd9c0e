"""The same words typed by another hand: characters and tags that carry no meaning are folded before a text is read.

A phone types a curly apostrophe where a keyboard has a straight one, or adds an emoji, an editor wraps the user's words
in a tag, a file begins with a byte order mark. None of this makes a question harder, so nothing of it reaches tokenizer
or features.
The list is short on purpose. It is not Unicode's compatibility folding (NFKC), which would turn x² into x2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

FOLDED: Final[Mapping[str, str]] = {
    "'": "\u2018\u2019\u201a\u201b\u02bc\u2032",  # single quotes, letter apostrophe, prime
    '"': "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033",  # double quotes, guillemets, double prime
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212",  # hyphens, dashes, minus
    "...": "\u2026",  # ellipsis
    # no-break, typographic and ideographic spaces
    " ": "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "\n": "\u0085\u2028",  # next line, line separator
    "\n\n": "\u2029",  # paragraph separator
    "": "\ufeff\u200b\u2060\u00ad\ufe0e\ufe0f",  # byte order mark, zero width, soft hyphen, variation selectors
}
"""What is written -> the characters that are read as it."""
EMOJI: Final = (0x2600, 0x2775), (0x1F000, 0x1FAFF), (0x200D, 0x200D), (0xE0020, 0xE007F)
"""First and last of the characters that are left out: pictures and what joins them; no arrows, no circled numbers."""
WRAPPINGS: Final = 3
"""Pairs of tags around a text that are taken off; more are no habit of an editor."""

_TABLE: Final = str.maketrans({odd: plain for plain, group in FOLDED.items() for odd in group})
_PICTURE: Final = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in EMOJI)}]+")
_LINE_ENDS: Final = re.compile(r"\r\n?")
_ATTRIBUTES: Final = r"""(?:\s+[\w:-]+=(?:"[^"<>]*"|'[^'<>]*'))*\s*"""
_OPENING: Final = re.compile(rf"<([A-Za-z][\w-]*){_ATTRIBUTES}>")
TAG: Final = re.compile(rf"</?[A-Za-z][\w-]*{_ATTRIBUTES}/?>")
"""An opening or closing tag, with its attributes."""


def folded(text: str) -> str:
    r"""Return a text as it is read: plain characters, no white space around it, no pair of tags around it.

    A text of emoji alone keeps them.

    Example:
        >>> folded("\ufeff<user_message>\nWhat’s x² – in words?\n</user_message>")
        "What's x² - in words?"
    """
    plain = _LINE_ENDS.sub("\n", text.translate(_TABLE)).strip()
    text = _PICTURE.sub("", plain).strip() or plain
    for _ in range(WRAPPINGS):
        inner = _unwrapped(text)
        if not inner:
            break
        text = inner
    return text


def _unwrapped(text: str) -> str:
    """Return what stands between the two tags of one pair around a text; nothing if there is no such pair."""
    opening = _OPENING.match(text)
    closing = f"</{opening[1]}>" if opening else ""
    if opening is None or not text.endswith(closing):
        return ""
    inner = text[opening.end() : -len(closing)]
    return "" if closing in inner else inner.strip()
