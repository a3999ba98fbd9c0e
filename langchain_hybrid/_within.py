"""A pair as an arm of another one: what it is told of that, on a copy, wherever in a chain it stands."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self, TypeVar

from langchain_core.runnables import Runnable, RunnableBinding, RunnableParallel, RunnableSequence

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Within

Arm = TypeVar("Arm", bound=Runnable[Any, Any])


class StandsWithin:
    """What both kinds of pair have: a place within another pair, where they have one."""

    def standing(self, within: Within) -> Any:
        """Return a copy that stands there, and shares what is known of outages."""
        copy = self.model_copy()  # type: ignore[attr-defined]  # pydantic's
        copy._within = within
        return copy


class Around(Runnable[Any, Any]):
    """A runnable of ours around another one, which is reached through it."""

    def __init__(self, inner: Runnable[Any, Any]) -> None:
        self.inner = inner

    def around(self, inner: Runnable[Any, Any]) -> Self:
        """Return a copy around another runnable; itself around the same."""
        if inner is self.inner:
            return self
        found = copy(self)
        found.inner = inner
        return found


def standing(arm: Arm, within: Within) -> Arm:
    """Return an arm whose pairs know where they stand; itself where there is none.

    A pair that a function calls, or that another runnable hides, cannot be reached: its calls choose as others do.
    """
    if isinstance(arm, StandsWithin):
        return arm.standing(within)
    if isinstance(arm, Around):
        return arm.around(standing(arm.inner, within))
    if isinstance(arm, RunnableBinding):
        bound = standing(arm.bound, within)
        return arm if bound is arm.bound else arm.model_copy(update={"bound": bound})
    if isinstance(arm, RunnableSequence):
        steps = [standing(step, within) for step in arm.steps]
        return RunnableSequence(*steps, name=arm.name) if _changed(steps, arm.steps) else arm  # type: ignore[return-value]
    if isinstance(arm, RunnableParallel):
        branches = {name: standing(step, within) for name, step in arm.steps__.items()}
        changed = _changed([*branches.values()], [*arm.steps__.values()])
        return arm.model_copy(update={"steps__": branches}) if changed else arm
    return arm


def holds_pair(arm: Runnable[Any, Any]) -> bool:
    """Return whether a pair stands in an arm where :func:`standing` finds it."""
    if isinstance(arm, RunnableBinding):
        return holds_pair(arm.bound)
    if isinstance(arm, Around):
        return holds_pair(arm.inner)
    if isinstance(arm, RunnableSequence):
        return any(map(holds_pair, arm.steps))
    return isinstance(arm, StandsWithin) or (
        isinstance(arm, RunnableParallel) and any(map(holds_pair, arm.steps__.values()))
    )


def _changed(new: Sequence[Any], old: Sequence[Any]) -> bool:
    return any(one is not other for one, other in zip(new, old, strict=True))
