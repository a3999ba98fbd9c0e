"""What models are called: in a table, on the command line, and by the server that is asked."""

from __future__ import annotations

import re
from typing import Final

_ADDRESS: Final = re.compile(r"@\w+://.*$")


def short_name(model: str) -> str:
    """Return the name of a model without its kind and its address.

    Example:
        >>> short_name("openai:gpt-4o@https://api.example.com/v1"), short_name("ollama:qwen3:4b")
        ('gpt-4o', 'qwen3:4b')
    """
    kind, _, name = model.partition(":")
    return _ADDRESS.sub("", name if kind in ("ollama", "openai") and name else model)


def same_model(one: str, other: str) -> bool:
    """Return whether two names are of one model; Ollama adds ``:latest`` where no tag is given.

    Example:
        >>> same_model("ollama:llama3", "llama3:latest"), same_model("qwen3:4b", "qwen3:8b")
        (True, False)
    """
    return short_name(one).removesuffix(":latest") == short_name(other).removesuffix(":latest")
