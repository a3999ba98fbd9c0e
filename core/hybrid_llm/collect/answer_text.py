"""The answer in what a server sent: the text without what was thought before it."""

from __future__ import annotations

import re
from typing import Final

_THOUGHT: Final = re.compile(r"\s*<think>.*?</think>\s*", re.DOTALL)


def without_thought(text: str | None) -> str:
    r"""Return a text without the thinking that some servers leave at its start, "" for none.

    Half a surrogate pair, which JSON can spell and no file can hold, becomes a question mark.

    Example:
        >>> without_thought("<think>2+2... four</think>\n\n4")
        '4'
    """
    text = (text or "").encode("utf-8", "replace").decode("utf-8")
    thought = _THOUGHT.match(text)
    return text[thought.end() :] if thought else text
