"""What a second look belongs to, and the commands that make one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, NoReturn

from hybrid_llm.errors import DamagedFolderError, LevelError, LookError
from hybrid_llm.names import same_model

Form = Literal["trained", "logprobs", "agreement"]

FORMS: Final[tuple[Form, ...]] = ("trained", "logprobs", "agreement")
OWN_FINAL: Final = "final answers"
"""The setting that names the function of one's own by which final answers were found."""
ASKED_WITH: Final = "asked with"
"""The setting that holds, as JSON, how all models were asked: system prompt, temperature, limit, thinking."""
CHECKS: Final = 1
"""Version of the checks that need no training; a look is bound to it."""
COMMANDS: Final[Mapping[str, str]] = {
    "trained": "hybrid-llm calibrate ROWS --router DIR --small {small} --large {large} --out DIR",
    "logprobs": "hybrid-llm calibrate --unlabelled prompts.txt --small {small} --out DIR",
    "agreement": "hybrid-llm calibrate --unlabelled prompts.txt --small {small} --checker MODEL --out DIR",
}
"""The command that measures the levels of a form."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a second look is bound to: with anything else its levels say nothing.

    Args:
        small: Name of the small model.
        large: Name of the large model; empty for an untrained look, which never saw it.
        checkers: Names of the checkers.
        router_id: Of the router whose scores it reads; empty when it reads none.
        settings: How the models were asked: limits, temperature, the hash of a system prompt.
        checks: Version of the checks.
    """

    small: str
    large: str = ""
    checkers: tuple[str, ...] = ()
    router_id: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    checks: int = CHECKS

    def differs(
        self, *, small: str = "", checkers: Sequence[str] | None = None, settings: Mapping[str, Any] | None = None
    ) -> str:
        """Return what of a request is not as it was measured, in words; nothing when all that is known is the same.

        Args:
            small: Name of the small model that is asked; empty when unknown.
            checkers: Names of the checkers that are asked; ``None`` when unknown.
            settings: How it is asked, ``None`` for what is left to its server; keys that only one side knows are not
                compared, and a longer limit (``max_tokens``) is no difference.

        Example:
            >>> Bound("gemma2:9b", settings={"temperature": "0"}).differs(settings={"temperature": 0.7})
            'temperature is 0.7, and was 0'
        """
        if small and not same_model(small, self.small):
            return f"the small model is {small}, and was {self.small}"
        if checkers is not None and not _same(checkers, self.checkers):
            return f"the checkers are {', '.join(checkers) or 'none'}, and were {', '.join(self.checkers) or 'none'}"
        known = {**self.settings, **_asked_with(self.settings.get(ASKED_WITH, "{}"))}
        for key, value in (settings or {}).items():
            if key in known and not _as_measured(key, value, known[key]):
                return _difference(key, value, known[key])
        return "" if self.checks == CHECKS else "the checks are those of another version"

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "small": self.small,
            "large": self.large,
            "checkers": list(self.checkers),
            "router_id": self.router_id,
            "settings": dict(self.settings),
            "checks": self.checks,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bound:
        """Read what :meth:`as_dict` wrote.

        Raises:
            DamagedFolderError: A field is not as it should be.
        """
        bound = cls(**{**data, "checkers": tuple(data["checkers"]), "settings": dict(data["settings"])})
        texts = (bound.small, bound.large, bound.router_id, *bound.checkers, *bound.settings, *bound.settings.values())
        if not (all(isinstance(text, str) for text in texts) and type(bound.checks) is int):
            raise DamagedFolderError("The second look does not say what it is bound to; train it again.")
        return bound


def raise_missing(form: str) -> NoReturn:
    """Say that a router has no second look of a form, and which command makes one.

    Raises:
        LookError: A trained look was asked for.
        LevelError: An untrained one was, whose levels were never measured.
    """
    if form == "trained":
        raise LookError(
            "This router was trained without a second look; train one with it (hybrid-llm train TABLE --second-look), "
            'or take one that needs no training: second_look="logprobs".'
        )
    raise LevelError(
        f"second_look={form!r} has no levels yet: they are quantiles of what your small model says, which costs "
        f"nothing to measure: {COMMANDS[form].format(small='ollama:MODEL')}"
    )


def _same(asked: Sequence[str], measured: Sequence[str]) -> bool:
    """Return whether two lists name the same models, in whatever order."""
    return len(asked) == len(measured) and all(any(same_model(one, other) for other in measured) for one in asked)


@lru_cache(maxsize=16)
def _asked_with(written: str) -> dict[str, Any]:
    try:
        read = json.loads(written)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _as_measured(key: str, now: Any, then: Any) -> bool:
    """Return whether a setting is what it was; a longer limit cuts no answer that was not cut then."""
    if now is None or then is None:
        return now is then or (key == "max_tokens" and now is None)
    try:
        number, before = float(now), float(then)
    except (TypeError, ValueError, OverflowError):
        return str(now).strip() == str(then).strip()
    return number >= before if key == "max_tokens" else number == before


def _difference(key: str, now: Any, then: Any) -> str:
    if key == "system":  # a prompt is too long for a warning, and may be nobody else's business
        return f"{'no' if now is None else 'another'} system prompt is sent"
    left = "left to the server"
    return f"{key} is {left if now is None else now}, and was {left if then is None else then}"
