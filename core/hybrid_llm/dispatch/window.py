"""How long a prompt is, and how much of it a model reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

ASSUMED: Final = 4096
"""Tokens that a model is taken to read when its server cannot say: what Ollama gives one that asks for nothing."""
SURELY_READ: Final = 1024
"""Tokens of a prompt that any server reads: half of the least that one has by default, since estimates are rough."""
MEDIA_TOKENS: Final = 1000
"""Tokens that a picture takes, about: those of a thousand pixels each way, for most models."""
MESSAGE_TOKENS: Final = 4
"""Tokens of a message besides its text: who says it, where it begins and ends."""
_PAUSE: Final = 30.0
"""Seconds before a server that did not answer is asked again."""


def tokens_in(text: str) -> int:
    """Estimate the tokens of a text: one for four bytes, about what tokenizers make of English and of Chinese.

    Example:
        >>> tokens_in("The capital of Peru is Lima."), tokens_in("\u5229\u9a6c\u662f\u79d8\u9c81\u7684\u9996\u90fd")
        (8, 7)
    """
    return len(text.encode("utf-8", "replace")) // 4 + 1


class Window:
    """The tokens that a server's model reads, asked for at the first prompt that may be too long for it.

    Called with the tokens of a prompt it returns them, ``None`` for a prompt that any server reads. What the server
    has said is remembered; without an answer something is assumed, and it is asked again after half a minute. Safe to
    use from many threads.

    Args:
        ask: Asks the server, and raises what comes of that when it does not answer.
        assumed: What to assume until it has said something.
        clock: Returns seconds; for tests.

    Example:
        >>> window = Window(lambda: 2048)
        >>> window(900), window(17_000)
        (None, 2048)
    """

    def __init__(
        self, ask: Callable[[], int], assumed: int = ASSUMED, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._assumed, self._clock = ask, assumed, clock
        self._lock = threading.Lock()
        self._known: int | None = None
        self._again = float("-inf")

    def waits(self, tokens: int) -> bool:
        """Return whether a call with these tokens has to ask the server."""
        return tokens > SURELY_READ and self._known is None and self._clock() >= self._again

    def __call__(self, tokens: int) -> int | None:
        """Return the tokens that the model reads, as far as it matters for a prompt of this many."""
        if tokens <= SURELY_READ:
            return None
        with self._lock:  # who comes while the server is asked waits for its answer
            if self.waits(tokens):
                try:
                    self._known = self._ask()
                except Exception:  # noqa: BLE001 - whatever went wrong: what cannot be asked is assumed
                    self._again = self._clock() + _PAUSE
        return self._assumed if self._known is None else self._known

    def __deepcopy__(self, memo: object) -> Window:
        """Return the window itself: copies of a model talk to the same server."""
        return self
