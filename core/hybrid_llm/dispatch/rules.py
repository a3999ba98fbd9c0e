"""The caller's own rules, which come before the score."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, get_args

from hybrid_llm.decision import Route
from hybrid_llm.errors import ConfigError, shown

RuleLike = tuple[str | re.Pattern[str] | Callable[[str], object], Route]
"""What ``rules=`` takes: what to look for, and where to."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Sends the queries that it matches to an arm.

    Args:
        matches: Says whether a text is one of them.
        route: Where they go.
    """

    matches: Callable[[str], object]
    route: Route


def checked_rules(rules: object) -> tuple[Any, ...]:
    """Return rules, each of them a regular expression (that is searched for) or a function, and an arm.

    Raises:
        ConfigError: One is no rule.

    Example:
        >>> rules = checked_rules([(r"(?i)invoice", "small"), (lambda text: len(text) > 2000, "large")])
        >>> route_by(rules, "Where is the Invoice?"), route_by(rules, "Why?")
        ('small', None)
    """
    given = None if isinstance(rules, (str, bytes)) or not isinstance(rules, Iterable) else tuple(rules)
    if given is None:
        raise ConfigError(f"rules={shown(rules)} must be a list of rules, each a pair: (regex or function, 'small').")
    return tuple(_rule(place, rule) for place, rule in enumerate(given))


def route_by(rules: Iterable[Rule], text: str) -> Route | None:
    """Return where the first rule that matches a text sends it; ``None`` when none does, or there is no text."""
    return next((rule.route for rule in rules if rule.matches(text)), None) if text.strip() else None


def _rule(place: int, rule: object) -> Rule:
    if isinstance(rule, Rule):
        return rule
    if not isinstance(rule, (tuple, list)) or len(rule) != 2:
        raise ConfigError(f"rules[{place}] is {shown(rule)}, no pair: (regex or function, 'small' or 'large').")
    matches, route = rule
    if route not in get_args(Route):
        raise ConfigError(f"rules[{place}] sends to {shown(route)}; a rule sends to 'small' or 'large'.")
    if isinstance(matches, (str, re.Pattern)):
        try:
            return Rule(re.compile(matches).search, route)
        except re.error as error:
            raise ConfigError(f"rules[{place}] is no regular expression, {shown(matches)}: {error}.") from None
    if not callable(matches):
        raise ConfigError(f"rules[{place}] matches by {shown(matches)}; it takes a regular expression or a function.")
    return Rule(matches, route)
