"""More than two models: a pair whose arm is a pair again.

The rules, which all adapters follow. What a call chooses (its level, its route, the text to score) is for the
outermost pair; an inner one goes by its own level. Privacy goes all the way down: a private request is answered by
small, of small by its small. Each pair keeps decisions of its own in a conversation, tells its own observers, and has
its own breakers. What the inner one notes on an answer is found there by the outer one, which counts its calls as its
own, and lists the decisions of all steps, outermost first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from hybrid_llm.decision import KEY, Decision, Route
from hybrid_llm.dispatch.request import Capabilities
from hybrid_llm.dispatch.window import Window
from hybrid_llm.event import Attempt

ATTEMPTS: Final = "attempts"
"""Under this key of what is noted on an answer stand the calls that were made for it."""
STEPS: Final = "steps"
"""Under this key stand the decisions of all steps, each with its model; only of pairs that have a pair as an arm."""
_OF_A_DECISION: Final = tuple(one.name for one in fields(Decision))


@dataclass(frozen=True, slots=True)
class Within:
    """Where a pair stands that is an arm of another one.

    Args:
        path: The routes that lead to it, from the outermost pair on.
        private: Whether what it is asked must not leave the machine.

    Example:
        >>> Within.of(Decision("large"), Within.of(Decision("large"))).path
        ('large', 'large')
    """

    path: tuple[Route, ...] = ()
    private: bool = False

    @classmethod
    def of(cls, decision: Decision, outer: Within | None = None) -> Within:
        """Return what the arm of a decision is told, of a pair that stands within another one itself or does not."""
        return cls((*(outer.path if outer else ()), decision.route), decision.private)


def noted_at(metadata: Mapping[str, Any], path: tuple[Route, ...] = ()) -> Mapping[str, Any] | None:
    """Return what the pair at the end of a path noted on an answer, of the metadata of its message.

    Args:
        metadata: That of a message, or an agent's state.
        path: The routes that lead to the pair; empty for the outermost one.

    Example:
        >>> metadata = {"hybrid": {"route": "large", "steps": [{"route": "large"}, {"route": "small"}]}}
        >>> noted_at(metadata, ("large",)), noted_at(metadata, ("small",))
        ({'route': 'small'}, None)
    """
    recorded = metadata.get(KEY)
    if not path:
        return recorded if isinstance(recorded, Mapping) else None
    steps = _steps_in(recorded)
    taken = tuple(step.get("route") for step in steps[: len(path)])
    return steps[len(path)] if len(steps) > len(path) and taken == path else None


def decision_at(metadata: Mapping[str, Any], path: tuple[Route, ...] = ()) -> Decision | None:
    """Return the decision of the pair at the end of a path, if there is one that this version can read."""
    return Decision.found_in({KEY: noted_at(metadata, path)})


def is_marked(metadata: Mapping[str, Any]) -> bool:
    """Return whether the metadata of an answer, or an agent's state, says that some step of it was a private one.

    Example:
        >>> is_marked({"hybrid": {"route": "small", "private": True}}), is_marked({})
        (True, False)
    """
    recorded = metadata.get(KEY)
    if not isinstance(recorded, Mapping):
        return False
    return any(bool(step.get("private")) for step in (recorded, *_steps_in(recorded)))


def attempts_of(found: Mapping[str, Any], outer: Attempt) -> list[Attempt]:
    """Return the calls that a pair made, of what it noted, as those of the arm of another pair that it is.

    Args:
        found: What the inner pair noted on its answer.
        outer: The call of the arm.
    """
    try:
        made = [Attempt.from_dict(one) for one in found.get(ATTEMPTS) or ()]
    except TypeError:  # a later version's
        made = []
    if not made:
        return [outer]
    return [
        replace(one, route=outer.route, kept=one.kept and outer.kept, text=outer.text if one.kept else None)
        for one in made
    ]


def steps_of(decision: Decision, model: str, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the decisions of all steps, outermost first, each with the name of the model that it called.

    Args:
        decision: That of the outer pair.
        model: The name of its arm.
        found: What the inner pair noted on its answer; empty where the arm is none.
    """
    own = {**decision.as_dict(), "model": model}
    if not found:
        return [own]
    if below := _steps_in(found):
        return [own, *map(dict, below)]
    shown = next((one.get("model") for one in found.get(ATTEMPTS) or () if one.get("kept")), None)
    return [own, {**{name: found.get(name) for name in _OF_A_DECISION}, "model": shown or ""}]


def as_an_arm(small: Capabilities, large: Capabilities) -> Capabilities:
    """Return what a pair can serve as an arm of another one: what either of its own can, since it chooses.

    Nothing is said of where it runs, since its two arms run in two places: it looks to that itself.

    Example:
        >>> pair = as_an_arm(Capabilities(model="b"), Capabilities(model="c", modalities=frozenset({"image"})))
        >>> pair.model, pair.modalities
        ('b or c', frozenset({'image'}))
    """
    return Capabilities(
        model=f"{small.model or 'small'} or {large.model or 'large'}",
        provider=small.provider if small.provider == large.provider else "",
        context_window=_longer(small.context_window, large.context_window),
        modalities=_either(small.modalities, large.modalities),
        tools=_either(small.tools, large.tools),
        forced_tool=small.forced_tool or large.forced_tool,
        structured=small.structured or large.structured,
        speaks=large.speaks,
        closes=small.closes and large.closes,
        is_pair=True,
    )


def _steps_in(recorded: Any) -> list[Mapping[str, Any]]:
    steps = recorded.get(STEPS) if isinstance(recorded, Mapping) else None
    return [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, (list, tuple)) else []


def _either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return None if one is None or other is None else one | other


def _longer(one: int | Window | None, other: int | Window | None) -> int | Window | None:
    if one is None or other is None:
        return None
    return max(one, other) if isinstance(one, int) and isinstance(other, int) else _Longer(one, other)


class _Longer(Window):
    """The longer of two windows, one of which at least has to be asked for."""

    def __init__(self, *windows: int | Window) -> None:
        self._windows = windows

    def waits(self, tokens: int) -> bool:
        return any(isinstance(one, Window) and one.waits(tokens) for one in self._windows)

    def __call__(self, tokens: int) -> int | None:
        known = [one(tokens) if isinstance(one, Window) else one for one in self._windows]
        return None if None in known else max(one for one in known if one is not None)
