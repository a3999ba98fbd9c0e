"""The caller's own rules for answers of small: functions of the query and the answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

from hybrid_llm.errors import ConfigError, shown

Check = Callable[[str, str], object]
"""A rule of the caller's own: of the query and small's answer; ``False`` for an answer that must not be shown."""


def checked_checks(checks: Sequence[object]) -> tuple[Check, ...]:
    """Return checks of the caller's own.

    Raises:
        ConfigError: One is no plain function.
    """
    for check in checks:
        if not callable(check):
            raise ConfigError(
                f"check={shown(check)} must be a function of the query and small's answer: "
                "check=lambda query, answer: len(answer) < 500."
            )
        if inspect.iscoroutinefunction(check) or inspect.iscoroutinefunction(getattr(check, "__call__", None)):  # noqa: B004
            raise ConfigError("check= takes a plain function: what a coroutine function returns is never False.")
    return tuple(checks)  # type: ignore[arg-type]
