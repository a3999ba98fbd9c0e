"""How a model is asked, in the words in which measurements keep it: temperature, limit, thinking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
"""Settings that say how long an answer may be."""
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "temperature": ("temperature",),
    "max_tokens": LIMITS,
    "think": ("think", "reasoning", "thinking"),
}


def asked_in(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what settings say of how a model is asked, in whatever dialect; what they leave open is not in it.

    Args:
        settings: The keyword arguments of a call, or the fields of a model.

    Example:
        >>> asked_in({"options": {"num_predict": 5}, "temperature": 0, "seed": 1})
        {'temperature': 0, 'max_tokens': 5}
    """
    options = settings.get("options")
    given = {**(options if isinstance(options, Mapping) else {}), **settings}
    found = {
        key: next((given[word] for word in words if given.get(word) is not None), None) for key, words in _WORDS.items()
    }
    if not isinstance(found["think"], bool):  # how much to think is another matter
        del found["think"]
    return {key: value for key, value in found.items() if value is not None}
