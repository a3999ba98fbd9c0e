"""The options of a pair, one frozen object that is checked when it is made; and those of one call."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, Final, Literal

from hybrid_llm.dispatch.blocks import checked_tags
from hybrid_llm.dispatch.checks import Check, checked_checks
from hybrid_llm.dispatch.place import checked_hosts
from hybrid_llm.dispatch.policy import Allowed
from hybrid_llm.dispatch.privacy import Judges, checked_private
from hybrid_llm.dispatch.rates import Rates
from hybrid_llm.dispatch.rules import RuleLike, checked_rules
from hybrid_llm.errors import ConfigError, LevelError, shown
from hybrid_llm.event import Observes
from hybrid_llm.level import Level
from hybrid_llm.prices import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions:
    """How a pair decides and what it does when an arm breaks.

    Args:
        quality: Share of the large model's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
            router's default level.
        allowed: The least and the most that requests may choose, in the units of the level above (quality when there
            is none); forced routes count as its two ends. ``None`` leaves them free.
        fallback_to_large: Whether large answers when small is down.
        fallback_to_small: Whether small answers when large is down.
        small_timeout: Seconds that small has until its first token (its whole answer, when it is not streamed);
            ``None`` waits as long as the arm does.
        ignore_tags: Names of tags whose blocks are not scored: what an editor appends to the user's words. The arms
            get them all the same.
        observers: Who is told of each request; see :class:`~hybrid_llm.event.Observer`.
        second_look: ``True`` for the look that the router was trained with, ``"logprobs"`` or ``"agreement"`` for one
            that needs no training: small's answer is held back until it was looked at, and large answers in its place
            where it is not good enough. Not at ``threshold=`` and ``route=``, which are about the query alone.
        look_timeout: Seconds that an answer which is held back has as a whole, and the checkers with it; ``None``
            waits as long as the arm does (as long as ``small_timeout``, where the answer is not streamed, and for the
            checkers after it).
        check: A function of the query and of small's answer that returns ``False`` for one that must not be shown:
            large answers then. Without a second look too, small's answer is held back for it.
        prices: Dollars for a million tokens (read, written) by the name of a model, or ``Price`` objects; a model on
            this machine costs nothing otherwise, and hosted ones are known where genai-prices is installed.
        private: Whether no request may leave the machine, or a function that says so of a text, which judges every
            text of a request. Small answers a private request, or nobody does.
        local_hosts: Hosts of yours where small may run for private requests, beside this machine; ``"*"`` for any.
        trace_private: Whether a private request is answered although the framework sends its text to a hosted
            tracing service.
        rules: Pairs of a regular expression (or a function of the query) and the arm that a query goes to which it
            finds; the first that does so counts, and comes before the score.
        stay: ``"conversation"`` keeps a conversation on the arm that it began with, unless the caller forces another,
            it becomes private, or that arm cannot serve it. Elsewhere the provider's prompt cache would be lost.
        shadow: Whether large answers everything, beside what would have been decided (``Decision.shadow``). With a
            second look or a check small (and a checker) is asked too, behind large's answer and in the background; the
            observers hear of the request then, with what would have come of it.

    Raises:
        LevelError: Two levels, one out of range, or a range that is none.
        ConfigError: A timeout is not positive, ``ignore_tags`` are no names of tags, an observer is neither an
            ``Observer`` nor a function, a rule is no rule, ``check`` is no plain function, or another option is not of
            its kind.

    Example:
        >>> PairOptions(quality=0.95).level
        Level(kind='quality', value=0.95)
    """

    quality: float | None = None
    cost_advantage: float | None = None
    threshold: float | None = None
    allowed: Sequence[float] | None = None
    fallback_to_large: bool = True
    fallback_to_small: bool = False
    small_timeout: float | None = None
    ignore_tags: Sequence[str] = ()
    observers: Sequence[Observes] = ()
    prices: Mapping[str, Price | tuple[float, ...]] | None = None
    second_look: bool | str = False
    look_timeout: float | None = None
    check: Check | None = None
    private: bool | Judges = False
    local_hosts: Sequence[str] = ()
    trace_private: bool = False
    rules: Sequence[RuleLike] = ()
    stay: Literal["conversation"] | None = None
    shadow: bool = False
    level: Level | None = field(init=False)
    range: Allowed | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the values, and read the level once."""
        level = Level.of(quality=self.quality, cost_advantage=self.cost_advantage, threshold=self.threshold)
        object.__setattr__(self, "level", level)
        object.__setattr__(self, "range", Allowed.of(self.allowed, level))
        object.__setattr__(self, "ignore_tags", checked_tags(self.ignore_tags))
        for name in ("small_timeout", "look_timeout"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ConfigError(f"{name}={seconds} must be a number of seconds > 0, or None.")
        checked_checks([] if self.check is None else [self.check])
        Rates(self.prices)  # says so if they are none
        object.__setattr__(self, "private", checked_private(self.private))
        object.__setattr__(self, "local_hosts", checked_hosts(self.local_hosts))
        object.__setattr__(self, "rules", checked_rules(self.rules))
        if self.stay not in (None, "conversation"):
            raise ConfigError(f"stay={shown(self.stay)} must be 'conversation', or None.")
        for observer in self.observers:
            if not (callable(observer) or callable(getattr(observer, "finished", None))):
                raise ConfigError(
                    f"observers= takes functions of an event, or objects with finished(event); got {observer!r}."
                )

    @property
    def at_home(self) -> Sequence[str] | None:
        """The hosts that count as this machine, where requests may be private; ``None`` where none is by option."""
        return self.local_hosts if self.private else None


LEVELS: Final = ("quality", "cost_advantage", "threshold")
"""The names of a level's kinds, of which a call chooses one."""
OF_A_CALL: Final = (*LEVELS, "route", "private")
"""What a call may choose for itself."""
OPTIONS: Final = tuple(option.name for option in fields(PairOptions) if option.init)
"""The names of a pair's options, as every adapter takes them."""


def split_options(kwargs: Mapping[str, Any], own: Container[str] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keyword arguments of a call into those of the pair and those of the arm.

    Args:
        kwargs: The keyword arguments.
        own: Names that are the arm's, whatever they look like.

    Raises:
        LevelError: A name looks like a misspelt option of the pair.

    Example:
        >>> split_options({"quality": 0.9, "temperature": 0})
        ({'quality': 0.9}, {'temperature': 0})
    """
    options = {name: value for name, value in kwargs.items() if name in OF_A_CALL and name not in own}
    rest = {name: value for name, value in kwargs.items() if name not in options}
    if rest:
        refuse_near_miss((name for name in rest if name not in own), OF_A_CALL)
    return options, rest


def refuse_near_miss(names: Iterable[str], known: Sequence[str]) -> None:
    """Refuse a name that is nearly one of ours: it would be handed on, and its level silently lost.

    Raises:
        LevelError: There is one; the message has the near name.
    """
    for name in names:
        if near := _near(name, tuple(known)):
            raise LevelError(f"There is no option {name!r}; did you mean {near!r}?")


@lru_cache(maxsize=1024)
def _near(name: str, known: tuple[str, ...]) -> str | None:
    """Return the name that this one is a slip of; ``None`` for a name that is known, or unlike all."""
    alike = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return alike[0] if alike and name not in known else None


def private_of(options: Mapping[str, Any], name: str = "private") -> bool:
    """Return whether a mapping says that a request is private; ``False`` says nothing, and takes nothing back.

    Raises:
        ConfigError: It says something else than true or false.
    """
    said = options.get(name)
    if said is not None and not isinstance(said, bool):
        raise ConfigError(f"{name}= is True or False for one request; got {type(said).__name__}.")
    return bool(said)


def level_of(options: Mapping[str, Any]) -> Level | None:
    """Return the level that a mapping names, if any.

    Raises:
        LevelError: It names two, or one out of range.
    """
    return Level.of(**{name: options.get(name) for name in LEVELS})
