"""What every adapter must decide, one table: a request in neutral words, what breaks, and what comes of it.

The core's policy is tested with it, and each adapter translates it into the messages of its framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hybrid_llm import Router
from hybrid_llm.decision import Reason, Route
from hybrid_llm.testing import FailingScorer, FixedScorer

EASY = "What is the capital of Peru called?"
HARD = "Prove that there are infinitely many primes."
SCORES = {EASY: 0.9, HARD: 0.1}
THRESHOLD = 0.5
WINDOW = 1000
"""Tokens that both arms of a scenario with ``long`` read: small this many, large a hundred times as many."""


class StatusError(Exception):
    """What an HTTP client raises for a status."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"HTTP status {status_code}")
        self.status_code = status_code


FAILURES: dict[str, BaseException] = {
    "refused": ConnectionRefusedError("connection refused"),
    "timeout": TimeoutError("timed out"),
    "500": StatusError(500),
    "model not found": StatusError(404),
    "bad request": StatusError(400),
    "bad key": StatusError(401),
    "bug": KeyError("a bug of ours"),
}


@dataclass(frozen=True)
class Scenario:
    """One request and what is expected.

    Args:
        name: What it is about.
        text: The user's last words.
        history: Earlier turns, (``"user"`` | ``"assistant"``, text), oldest first.
        image: Whether an image comes with the text.
        tools: Whether a function comes with it.
        provider_tool: Whether a tool that is built into a provider comes with it.
        forced_tool: Whether a tool call is forced.
        structured: Whether the answer has to follow a schema that small cannot follow.
        long: Whether the prompt is longer than ``WINDOW``.
        options: Keyword arguments of the call: a level or a route.
        scorer_fails: Whether the scorer is broken.
        small_fails: How small fails before its first token; a key of ``FAILURES``.
        large_fails: How large fails.
        to_small: Whether small may answer when large is down.
        route: Expected route of the decision.
        reason: Expected reason.
        raises: Which error comes out instead; a key of ``FAILURES``.
    """

    name: str
    text: str = EASY
    history: tuple[tuple[str, str], ...] = ()
    image: bool = False
    tools: bool = False
    provider_tool: bool = False
    forced_tool: bool = False
    structured: bool = False
    long: bool = False
    options: tuple[tuple[str, Any], ...] = ()
    scorer_fails: bool = False
    small_fails: str | None = None
    large_fails: str | None = None
    to_small: bool = False
    route: Route = "small"
    reason: Reason = "score"
    raises: str | None = None

    def router(self) -> Router:
        """Return the router of the scenario."""
        return Router(FailingScorer() if self.scorer_fails else FixedScorer(SCORES, default=0.0))


def _talk(*texts: str) -> tuple[tuple[str, str], ...]:
    """Return turns, the user's and the assistant's by turns."""
    return tuple(("user" if i % 2 == 0 else "assistant", text) for i, text in enumerate(texts))


SCENARIOS = [
    Scenario("an easy query"),
    Scenario("a hard query", HARD, route="large"),
    Scenario("no text", "  ", route="large", reason="no_text"),
    Scenario("a level of the request", HARD, options=(("threshold", 0.05),)),
    Scenario("large is forced", options=(("route", "large"),), route="large", reason="forced"),
    Scenario("small is forced", HARD, options=(("route", "small"),), reason="forced"),
    Scenario("an image", image=True, route="large", reason="modality"),
    Scenario("a function as a tool", tools=True),
    Scenario("a tool built into the hosted provider", provider_tool=True, route="large", reason="tools"),
    Scenario("a forced tool call", tools=True, forced_tool=True, route="large", reason="tools"),
    Scenario("a schema", structured=True, route="large", reason="structured_output"),
    Scenario("a prompt beyond small's window", long=True, route="large", reason="context"),
    Scenario("a forced route beats a gate", image=True, options=(("route", "small"),), reason="forced"),
    Scenario("a follow-up of an easy query", "yes, do it", _talk(EASY, "Shall I look?"), reason="follow_up"),
    Scenario("a follow-up of a hard query", "yes, do it", _talk(HARD, "Shall I?"), route="large", reason="follow_up"),
    Scenario(
        "a follow-up of a follow-up",
        "and then?",
        _talk(EASY, "Lima.", "go on", "It lies on the coast."),
        reason="follow_up",
    ),
    Scenario("a new question in a conversation", HARD, _talk(EASY, "Lima."), route="large"),
    Scenario(
        "a gate beats a follow-up", "and this?", _talk(EASY, "Lima."), image=True, route="large", reason="modality"
    ),
    Scenario("the scorer is broken", scorer_fails=True, route="large", reason="scorer_error"),
    *(
        Scenario(f"small: {failure}", small_fails=failure, route="large", reason="fallback")
        for failure in ("refused", "timeout", "500", "model not found")
    ),
    *(
        Scenario(f"small: {failure}", small_fails=failure, raises=failure)
        for failure in ("bad request", "bad key", "bug")
    ),
    Scenario("small is forced and down", small_fails="refused", options=(("route", "small"),), raises="refused"),
    Scenario("large is down", HARD, large_fails="refused", raises="refused"),
    Scenario("both are down", small_fails="refused", large_fails="timeout", raises="timeout"),
    Scenario("large is down, small may answer", HARD, large_fails="500", to_small=True, reason="fallback"),
    Scenario("large is down, small cannot read the image", image=True, large_fails="500", to_small=True, raises="500"),
]
