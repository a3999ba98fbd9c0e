"""What one call asks of the router: the text to score, and the level or the route that the caller chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.utils import ConfigurableFieldSpec

from hybrid_llm.decision import Decision, Level

LAST_HUMAN: Final = "last_human"
LEVELS: Final = ("quality", "cost_advantage", "threshold")
OPTIONS: Final = (*LEVELS, "route")

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
    ConfigurableFieldSpec("hybrid_query", str | None, "Query", "The text to score instead of the input."),
)


class Request(NamedTuple):
    """A text to score, at a level; ``None`` is the router's default level."""

    text: str
    level: Level | None


def split_options(kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split the keyword arguments of a call into those of the router and those of the arm."""
    options = {key: value for key, value in kwargs.items() if key in OPTIONS}
    return options, {key: value for key, value in kwargs.items() if key not in OPTIONS}


def read_request(
    value: Any,
    config: RunnableConfig,
    options: Mapping[str, Any],
    *,
    default: Level | None,
    query: str | Callable[[Any], str],
) -> Request | Decision:
    """Read one request: options of the call come before those of the config, and those before the default.

    Returns:
        What is to be scored; or the decision, when the caller forces a route.

    Raises:
        LevelError: A level is out of range, two were given in the same place, or there is no such route.
        TypeError: The text to score is not a string, or the input has no known shape.
        ValueError: The input is a dict without the key that ``query`` names.
    """
    configurable = config.get("configurable") or {}
    level = (
        Level.of(**{name: options.get(name) for name in LEVELS})
        or Level.of(**{name: configurable.get(f"hybrid_{name}") for name in LEVELS})
        or default
    )
    if options.get("route") is not None:
        return Decision(options["route"], reason="forced")
    text = configurable.get("hybrid_query")
    if text is None:
        return Request(query_text(value, query), level)
    if not isinstance(text, str):
        raise TypeError(f"hybrid_query is the text to score, a string; got {type(text).__name__}.")
    return Request(text, level)


def query_text(value: Any, query: str | Callable[[Any], str]) -> str:
    """Return the text of an input that the router scores.

    Args:
        value: The input: a string, a prompt value, messages, or a dict.
        query: ``"last_human"``, a key of the input, or a function of the input.

    Raises:
        TypeError: The function did not return a string, or the input has no known shape.
        ValueError: The input is a dict without that key.

    Example:
        >>> query_text([("human", "2+2?"), ("ai", "4"), ("human", "And 3+3?")], "last_human")
        'And 3+3?'
        >>> query_text({"question": "2+2?", "style": "brief"}, "question")
        '2+2?'
    """
    if callable(query):
        text = query(value)
        if not isinstance(text, str):
            raise TypeError(f"The function given as query= must return the text to score; got {type(text).__name__}.")
        return text
    if query == LAST_HUMAN:
        return _last_human(value)
    if not isinstance(value, Mapping):
        raise TypeError(f"query={query!r} is a key, but the input is no dict; it is {type(value).__name__}.")
    if query not in value:
        raise ValueError(f"The input has no key {query!r} (query=); it has {_names(value)}.")
    return _last_human(value[query])


def _last_human(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if "messages" not in value:
            raise ValueError(
                f"Which text of the input is to be scored? It is a dict with {_names(value)}: pass one of its keys, "
                "such as query='question', or a function of the input, query=lambda x: ..."
            )
        return _last_human(value["messages"])
    messages = [message for message in _messages(value) if isinstance(message, HumanMessage)]
    return str(messages[-1].text) if messages else ""


def _messages(value: Any) -> list[BaseMessage]:
    if isinstance(value, PromptValue):
        return value.to_messages()
    if isinstance(value, BaseMessage):
        return [value]
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        try:
            return convert_to_messages(value)
        except (ValueError, NotImplementedError) as error:
            cause = str(error).splitlines()[0]
            raise TypeError(f"The input is a list, but not of messages ({cause}); {_HINT}") from error
    raise TypeError(f"There is no text to score in an input of type {type(value).__name__}; {_HINT}")


_HINT: Final = "pass a function of the input that returns the text: query=lambda x: ..."


def _names(value: Mapping[Any, Any]) -> str:
    return "the keys " + ", ".join(repr(key) for key in value) if value else "no keys"
