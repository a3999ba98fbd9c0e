"""What a call chooses for itself: keyword arguments before the config, the config before the constructor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from langchain_core.callbacks import Callbacks
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.utils import ConfigurableFieldSpec

from hybrid_llm.decision import Route
from hybrid_llm.dispatch import LEVELS, Within, level_of, private_of, refuse_near_miss
from hybrid_llm.level import Level
from langchain_hybrid._private import hosted_tracer

CONFIG_SPECS: Final = (
    ConfigurableFieldSpec(
        "hybrid_quality", float | None, "Quality", "Share of the large arm's quality to keep, in (0, 1]."
    ),
    ConfigurableFieldSpec(
        "hybrid_cost_advantage", float | None, "Cost advantage", "Share of queries to send to small, in [0, 1]."
    ),
    ConfigurableFieldSpec(
        "hybrid_threshold", float | None, "Threshold", "The score from which on small answers, in [0, 2]."
    ),
    ConfigurableFieldSpec("hybrid_route", str | None, "Route", "'small' or 'large': forces the route."),
    ConfigurableFieldSpec("hybrid_private", bool | None, "Private", "Whether it must not leave the machine."),
    ConfigurableFieldSpec("hybrid_query", str | None, "Query", "The text to score instead of the input."),
)
_PREFIX: Final = "hybrid_"
_NAMES: Final = tuple(spec.id for spec in CONFIG_SPECS)


@dataclass(frozen=True, slots=True)
class Options:
    """What one call chose.

    Args:
        level: Its level; ``None`` leaves the constructor's.
        route: The route that it forces, if any.
        query: The text to score instead of the input's, if any.
        private: Whether it says that it is private.
        tracer: Returns the hosted service that its texts are sent to, if any.
        path: The routes that lead to the pair, from the outermost one on.
    """

    level: Level | None = None
    route: Route | None = None
    query: str | None = None
    private: bool = False
    tracer: Callable[[], str | None] | None = None
    path: tuple[Route, ...] = ()


def read_options(
    options: Mapping[str, Any], config: RunnableConfig, callbacks: Callbacks = None, within: Within | None = None
) -> Options:
    """Read what a call chose.

    Args:
        options: The router's keyword arguments of the call.
        config: Its config.
        callbacks: Those of the model itself.
        within: Where the pair stands, as an arm of another one: what the config chooses is for the outermost.

    Raises:
        LevelError: A level is out of range, two were given in the same place, or a name is misspelt.
        TypeError: ``hybrid_query`` is no string.
        ConfigError: ``private`` or ``hybrid_private`` is neither true nor false.
    """
    configurable = config.get("configurable") or {}
    if within is not None:
        private = within.private or private_of(configurable, "hybrid_private")
        return Options(private=private, tracer=partial(hosted_tracer, config, callbacks), path=within.path)
    refuse_near_miss((name for name in configurable if name.startswith(_PREFIX)), _NAMES)
    level = level_of(options) or level_of(
        {name: configurable.get(f"{_PREFIX}{name}") for name in LEVELS},
    )
    query = configurable.get("hybrid_query")
    if query is not None and not isinstance(query, str):
        raise TypeError(f"hybrid_query is the text to score, a string; got {type(query).__name__}.")
    route = options.get("route")
    return Options(
        level,
        route if route is not None else configurable.get("hybrid_route"),
        query,
        private=private_of(options) or private_of(configurable, "hybrid_private"),
        tracer=partial(hosted_tracer, config, callbacks),
    )
