"""A pair of two fake chat models."""

from __future__ import annotations

from typing import Any

from langchain_hybrid import ChatHybrid
from langchain_hybrid.testing import FakeChatModel

EVERYTHING: dict[str, Any] = {
    "max_input_tokens": 100_000,
    "image_inputs": True,
    "tool_calling": True,
    "tool_choice": True,
    "structured_output": True,
}
"""The profile of a model to which no gate applies."""


def pair(
    router: Any, *, small: dict[str, Any] | None = None, large: dict[str, Any] | None = None, **options: Any
) -> ChatHybrid:
    """Make a pair of two fakes of different providers, ``small`` and ``large``."""
    return ChatHybrid(
        FakeChatModel(**{"model": "small", "provider": "ollama", **(small or {})}),
        FakeChatModel(**{"model": "large", "provider": "openai", **(large or {})}),
        router,
        **options,
    )
