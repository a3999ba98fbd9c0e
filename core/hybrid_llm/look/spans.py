r"""Where the final answer stands in a text: in a box, after "the answer is", in bold.

Models reason first and answer last, and each says "this is it" in one of a few ways. The functions here find those
places; what the place holds (a number, an option) is read by the modules beside this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_THOUGHTS: Final = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_BOX: Final = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BOLD: Final = re.compile(r"\*\*([^*\n]{1,200})\*\*|__([^_\n]{1,200})__")
_MARK: Final = re.compile(
    r"(?:\banswer\b[\"'*_)]{0,4}\s{0,3}(?:is|was|would\s+be|will\s+be|should\s+be|must\s+be|equals|:|=|\uff1a|->|→)"
    r"|####|\bfinal\s+(?:result|value)\b[\"'*_]{0,4}\s{0,3}(?:is|:|=))",
    re.IGNORECASE,
)
_MARKS: Final = re.compile(r"answer|####|final", re.IGNORECASE)
_LEAD: Final = " \t*_:=\"'`\\([{$"
"""What may stand between a mark and what it marks."""


def without_thoughts(text: str) -> str:
    """Return a text without the thoughts that reasoning models put in tags; one without an end goes to the end.

    Example:
        >>> without_thoughts("<think>2 and 2, so 5? No.</think> 4")
        '4'
    """
    return (_THOUGHTS.sub("", text) if "<" in text else text).strip()


def boxed(text: str) -> str | None:
    r"""Return what the last ``\boxed{...}`` of a text holds, or None without one.

    Example:
        >>> boxed(r"So \boxed{\frac{1}{2}}.")
        '\\frac{1}{2}'
    """
    if "box" not in text:
        return None
    for box in reversed(list(_BOX.finditer(text))[-20:]):  # a text of boxes without an end must not take for ever
        depth = 1
        for at in range(box.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if not depth:
                return text[box.end() : at].strip()
    return None


def marked(text: str) -> str | None:
    """Return what follows the last "the answer is", "Answer:" or "####", to the end of its paragraph.

    Where the line ends with the mark, the next line that holds anything is meant.

    Example:
        >>> marked("3 + 4. **Answer:** 7 apples")
        '7 apples'
    """
    if _MARKS.search(text) is None:  # most texts have none, and looking for a word alone is fast
        return None
    for mark in reversed(list(_MARK.finditer(text))):
        for line in text[mark.end() :].splitlines():
            if found := line.lstrip(_LEAD).rstrip(" \t*_"):
                return found
    return None


def bold(text: str) -> Iterator[str]:
    """Yield what stands in Markdown's bold, the last first.

    Example:
        >>> list(bold("**Step 1:** add. It is **7**."))
        ['7', 'Step 1:']
    """
    if "**" not in text and "__" not in text:
        return
    for found in reversed(list(_BOLD.finditer(text))):
        yield (found[1] or found[2]).strip()
