"""Requests as observers are told of them; shared by the tests of this room."""

from __future__ import annotations

from typing import Any

from hybrid_llm import Decision, Level
from hybrid_llm.event import Attempt, RequestEvent

TEXT = "How many moons has Mars?"
SMALL = Decision("small", 0.8, 0.5, Level("quality", 0.95), router_id="ab" * 8)
LARGE = Decision("large", 0.3, 0.5, Level("quality", 0.95), router_id="ab" * 8)
FALLBACK = SMALL.override(route="large", reason="fallback")


def local(seconds: float = 0.4, **fields: Any) -> Attempt:
    """Return a call of the small arm, which costs nothing."""
    known = {"kept": True, "input_tokens": 12, "output_tokens": 8, "cost_usd": 0.0, "provider": "ollama"}
    return Attempt("small", "qwen3:4b", seconds, **{**known, **fields})


def hosted(seconds: float = 1.0, **fields: Any) -> Attempt:
    """Return a call of the large arm."""
    known = {"kept": True, "input_tokens": 10, "output_tokens": 20, "cost_usd": 0.01, "provider": "openai"}
    return Attempt("large", "gpt-4o", seconds, **{**known, **fields})


DOWN = Attempt("small", "qwen3:4b", 0.1, kept=False, error="ConnectionRefusedError", provider="ollama")


def event_of(decision: Decision, *attempts: Attempt, **fields: Any) -> RequestEvent:
    """Return a finished request, whose decision took 10 ms."""
    seconds = 0.01 + sum(attempt.seconds for attempt in attempts)
    return RequestEvent(decision, attempts, fields.pop("seconds", seconds), "invoke", "cd" * 8, **fields)
