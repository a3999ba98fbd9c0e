"""What every adapter must make of an answer that is held back, one table; and routers with a second look made by hand.

As ``scenarios.py``: neutral words, which each adapter translates into the messages of its framework.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hybrid_llm import Router
from hybrid_llm.certify import certify_menu
from hybrid_llm.decision import Reason, Route
from hybrid_llm.level import Level
from hybrid_llm.look import (
    AGREEMENT,
    ASKED_WITH,
    LOGPROBS,
    QUERY,
    Bound,
    Ladder,
    LookHead,
    Path,
    PathCalibration,
    PathCut,
    SecondLook,
    logprobs_head,
)
from tests.scenarios import EASY, HARD, SCORES

CHECKER = "checker"
ODD = "Quux zyzzy?"
"""A query that is unlike those of training, and scored above each gate."""
LEVEL = {"cost_advantage": 0.5}
"""The level of each scenario: half of the answers that small gave to the prompts of the calibration are kept."""
SURE, UNSURE = 0.9, 0.1
"""Probability of each token of an answer: one that is kept at the level, and one that is not."""
GATE = 0.4
LOOPS = "The answer is what it is. " * 9


@dataclass
class Scorer:
    """Scores and says which queries are unfamiliar, as the scorer of a trained router does."""

    id: str = "trained"
    encoder: Any = None
    head: Any = None
    features: int = 1
    calls: list[list[str]] = field(default_factory=list)

    def prepare(self) -> None:
        """Do nothing."""

    def score(self, queries: Sequence[str]) -> np.ndarray:
        return self.score_in_full(queries)[0]

    def score_in_full(self, queries: Sequence[str]) -> Any:
        self.calls.append(list(queries))
        scores = np.array([SCORES.get(query, 0.0) for query in queries])
        familiar = np.array([0.0 if query == ODD else 0.9 for query in queries])
        return scores, np.zeros(len(queries), dtype=bool), familiar

    def recall(self, queries: Sequence[str]) -> Any:
        return None


def untrained(small: str = "small") -> SecondLook:
    """Return a look at log-probabilities: half of the answers of the calibration had tokens of .5 and more."""
    scores = np.linspace(0.01, 0.99, 99)
    ladder = Ladder.level(scores)
    ones = np.ones(len(scores))
    measured = PathCalibration.of(ladder, None, scores, ones.astype(bool), ones)
    return SecondLook("logprobs", Bound(small), {(LOGPROBS,): Path(logprobs_head(), ladder, measured)})


def trained(*, without: bool = False, checker: bool = False) -> SecondLook:
    """Return a look with a gate.

    Args:
        without: Whether it was also measured without log-probabilities.
        checker: Whether it compares with a checker.
    """
    columns = [(QUERY, LOGPROBS)]
    if checker:
        columns = [(QUERY, LOGPROBS, f"{AGREEMENT}{CHECKER}"), (QUERY, LOGPROBS)]
    if without:
        columns.append((QUERY,))
    columns += [names[1:] for names in columns if len(names) > 1]  # for queries whose score says nothing
    weights = {QUERY: 0.0, LOGPROBS: 1.0, f"{AGREEMENT}{CHECKER}": 8.0}
    paths = {}
    for names in columns:
        bias = -4.0 if f"{AGREEMENT}{CHECKER}" in names else 0.0
        head = LookHead(names, tuple(weights[name] for name in names), bias)
        cut = PathCut(1.0, 0.5, 0.1, 0.001, 0.001)
        threshold = 0.5 if LOGPROBS in names else 0.6
        measured = PathCalibration(100, (cut,), small_quality=0.7, large_quality=0.9)
        paths[names] = Path(head, Ladder((GATE,), (threshold,)), measured, 100)
    return SecondLook("trained", Bound("small", "large", (CHECKER,) if checker else (), "trained"), paths)


def proved(asked: Mapping[str, Any] | None = None, **how: bool) -> SecondLook:
    """Return the look with a gate and a promise at quality 0.9.

    Args:
        asked: How the models were asked; ``None`` where nobody wrote it down.
        **how: As of :func:`trained`.
    """
    look = trained(**how)
    if asked is not None:
        settings = {ASKED_WITH: json.dumps({"system": None, "temperature": 0.0, "max_tokens": 64, **asked})}
        look = look.with_parts(bound=replace(look.bound, settings=settings))
    ones = np.ones(300)
    menu = certify_menu(ones, ones - 0.01, ones, 0.1, levels=(), thresholds=[1.0])
    assert menu.asked.feasible
    return look.with_parts(certificate=menu)


def router_with(*looks: SecondLook, scorer: Any = None) -> Router:
    """Return a router that has these looks."""
    return Router(scorer or Scorer(), looks={look.form: look for look in looks})


@dataclass(frozen=True)
class Said:
    """What a model answers.

    Args:
        text: Its text.
        sure: The probability of each of its tokens; ``None`` where its server does not say.
        finish: How it ended.
        calls: The tools that it calls, each with its arguments.
    """

    text: str = "Lima."
    sure: float | None = SURE
    finish: str = "stop"
    calls: tuple[tuple[str, Any], ...] = ()

    @property
    def logprobs(self) -> list[float] | None:
        """One log-probability for each word."""
        return None if self.sure is None else [math.log(self.sure)] * max(len(self.text.split()), 1)


def _too_long(query: str, text: str) -> bool:
    return len(text) < 3


def _breaks(query: str, text: str) -> bool:
    raise KeyError("a bug in a check")


@dataclass(frozen=True)
class LookScenario:
    """One request whose answer may be held back, and what is expected.

    Args:
        name: What it is about.
        small: What small answers.
        text: The user's last words.
        look: The router's looks.
        form: What ``second_look=`` is; ``False`` for a check alone.
        options: Options of the pair, besides the level.
        of_call: Keyword arguments of the call.
        tools: Whether the tool ``look_up(city: str)`` comes with it.
        json: Whether the answer has to be JSON.
        limited: Whether the caller limits the tokens of the answer.
        checker: What the checker answers; an error where it is down, ``None`` where there is none.
        small_fails: How small fails; a key of ``FAILURES``.
        large_fails: How large fails.
        route: Who answers.
        reason: The reason that comes true.
        rejected: The check that rejects the answer.
        asked: Who is asked, in order, without the checker.
        warns: A part of the one warning that is given.
        raises: Which error comes out instead; a key of ``FAILURES``.
    """

    name: str
    small: Said = Said()
    text: str = EASY
    look: Callable[[], SecondLook] = untrained
    form: bool | str = "logprobs"
    options: tuple[tuple[str, Any], ...] = ()
    of_call: tuple[tuple[str, Any], ...] = ()
    tools: bool = False
    json: bool = False
    limited: bool = False
    checker: str | BaseException | None = None
    small_fails: str | None = None
    large_fails: str | None = None
    route: Route = "small"
    reason: Reason = "kept"
    rejected: str | None = None
    asked: tuple[Route, ...] = ("small",)
    warns: str | None = None
    raises: str | None = None

    def router(self) -> Router:
        """Return the router of the scenario."""
        return router_with(self.look())

    def level(self) -> dict[str, float]:
        """Return the pair's level."""
        return {"threshold": 0.5} if self.form is False else LEVEL


def _gone(name: str, small: Said, rejected: str | None = None, **more: Any) -> LookScenario:
    """Return a scenario in which large answers in small's place."""
    reason: Reason = "rejected" if rejected else "escalated"
    return LookScenario(
        name, small, **{"route": "large", "reason": reason, "rejected": rejected, "asked": ("small", "large"), **more}
    )


def _by_checker(**changes: Any) -> dict[str, Any]:
    return {"look": lambda: trained(checker=True), "form": True, **changes}


WEATHER = ("look_up", {"city": "Lima"})
UNKNOWN = ("call_home", {"city": "Lima"})
BROKEN = ("look_up", {"city": 7})
LOOK_SCENARIOS = [
    LookScenario("kept"),
    _gone("escalated", Said(sure=UNSURE)),
    _gone("cut off", Said(finish="length"), "cut_off"),
    LookScenario("cut off where the caller meant it", Said(finish="length"), limited=True),
    _gone("a loop", Said(LOOPS), "repeats"),
    _gone("no JSON", Said("Lima."), "json", json=True),
    LookScenario("JSON in a fence", Said('```json\n{"text": "Lima"}\n```'), json=True),
    _gone("a check says no", Said(), "check", options=(("check", _too_long),)),
    LookScenario("a check says yes", options=(("check", lambda query, text: text.startswith("Lima")),)),
    LookScenario("a check says nothing", options=(("check", lambda query, text: None),)),
    _gone("a check breaks", Said(), options=(("check", _breaks),), warns="KeyError"),
    _gone("a check alone says no", Said(sure=None), "check", form=False, options=(("check", _too_long),)),
    LookScenario("a check alone says yes", Said("ab", sure=None), form=False, options=(("check", _too_long),)),
    LookScenario("a tool call", Said("", calls=(WEATHER,)), tools=True),
    LookScenario("several tool calls", Said("", calls=(WEATHER, WEATHER)), tools=True),
    _gone("an unknown tool", Said("", calls=(UNKNOWN,)), "unknown_tool", tools=True),
    _gone("arguments that break a tool's schema", Said("", calls=(BROKEN,)), "tool_arguments", tools=True),
    _gone("one of several calls is broken", Said("", calls=(WEATHER, BROKEN)), "tool_arguments", tools=True),
    LookScenario("below the gate", text=HARD, look=trained, form=True, route="large", reason="score", asked=("large",)),
    LookScenario("above the gate", look=trained, form=True),
    _gone("above the gate, and not good enough", Said(sure=UNSURE), look=trained, form=True),
    LookScenario("an unfamiliar query skips the gate", text=ODD, look=trained, form=True),
    _gone("an unfamiliar query is looked at", Said(sure=UNSURE), text=ODD, look=trained, form=True),
    LookScenario(
        "a threshold is about the query alone", Said(sure=UNSURE), of_call=(("threshold", 0.5),), reason="score"
    ),
    LookScenario("a forced route is about nothing", Said(sure=UNSURE), of_call=(("route", "small"),), reason="forced"),
    LookScenario(
        "private: looked at, and shown whatever the look says",
        Said(sure=UNSURE),
        options=(("private", True), ("local_hosts", ["*"])),
        reason="private",
    ),
    LookScenario("the checker agrees", Said("It is 18.", 0.4), checker="18", **_by_checker()),
    _gone("the checker does not agree", Said("It is 18.", 0.6), checker="I get 19.", **_by_checker()),
    LookScenario(
        "the checker is down",
        Said("It is 18.", 0.6),
        checker=ConnectionRefusedError("no checker"),
        warns="compares with checker",
        **_by_checker(),
    ),
    _gone(
        "the checker is down, and what is left is not enough",
        Said("It is 18.", 0.4),
        checker=TimeoutError("too slow"),
        warns="compares with checker",
        **_by_checker(),
    ),
    _gone("no log-probabilities", Said(sure=None), warns="log-probabilities of small"),
    _gone(
        "no log-probabilities, measured without them",
        Said(sure=None),
        text=EASY,
        look=lambda: trained(without=True),
        form=True,
        warns="log-probabilities of small",
    ),
    *(
        LookScenario(
            f"small: {failure}", small_fails=failure, route="large", reason="fallback", asked=("small", "large")
        )
        for failure in ("refused", "timeout", "500", "model not found")
    ),
    *(LookScenario(f"small: {failure}", small_fails=failure, raises=failure) for failure in ("bad request", "bug")),
    _gone("large is down after an escalation", Said(sure=UNSURE), large_fails="500", raises="500"),
    _gone("large is down after a rejection", Said(finish="length"), large_fails="500", raises="500"),
    _gone(
        "large is down after an escalation, and small may answer",
        Said(sure=UNSURE),
        large_fails="500",
        options=(("fallback_to_small", True),),
        route="small",
        reason="fallback",
    ),
    _gone(
        "large is down after a rejection, and what was rejected is not shown",
        Said(finish="length"),
        large_fails="500",
        options=(("fallback_to_small", True),),
        raises="500",
    ),
    _gone(
        "large refuses after an escalation",
        Said(sure=UNSURE),
        large_fails="bad request",
        options=(("fallback_to_small", True),),
        raises="bad request",
    ),
]


def level_of(scenario: LookScenario) -> Level | None:
    """Return the level that a call chooses, if it does."""
    return Level.of(**{name: value for name, value in scenario.of_call if name != "route"})
