"""Prompts and setups that the tests of collecting share."""

from __future__ import annotations

from typing import Any

import pytest

from hybrid_llm.collect import AskSettings, ModelName, Setup
from hybrid_llm.table import Prompt

SMALL, LARGE = ModelName.read("ollama:tiny"), ModelName.read("openai:big")


def prompt(text: str, references: tuple[str, ...] = (), **fields: Any) -> Prompt:
    """Return a prompt as a file gives it."""
    return Prompt("made up", text, fields, ({"role": "user", "content": text},), references)


def prompts(n: int) -> list[Prompt]:
    """Return n prompts."""
    return [prompt(f"What is {number} plus {number}?") for number in range(n)]


def setup_with(**settings: Any) -> Setup:
    """Return the setup of the pair, with these settings."""
    return Setup(SMALL, LARGE, settings=AskSettings(**settings))


@pytest.fixture(autouse=True)
def _no_keys_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OLLAMA_HOST", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
