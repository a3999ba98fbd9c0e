"""The settings of one call in the words of the arm that answers it.

A call says ``temperature=0`` or ``max_tokens=5`` before anybody knows which arm answers, and the arms' classes call
these things differently, or do not know them. :data:`TABLE` has the words; :func:`translated` uses it. A setting that
an arm has no word for is left out of its call and named, so that the caller is told. A name that is not in the table
is nobody's known setting and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

Dialect = Literal["ollama", "chat", "responses", "completions"]
"""How a class wants its settings: as Ollama's client, or as one of the three calls of OpenAI's client."""
_OF_CLASS: Final[Mapping[str, Dialect]] = {
    "ChatOllama": "ollama",
    "Ollama": "ollama",
    "BaseChatOpenAI": "chat",
    "OpenAI": "chat",
    "OpenAIResponses": "responses",
}
"""The classes of both frameworks by name; each family derives from one of them."""


@dataclass(frozen=True, slots=True)
class Words:
    """What one setting is called in each dialect.

    Several words in one place are all known there; another dialect's word becomes the first. No word: not known.

    Args:
        ollama: Words of Ollama; those in :data:`OPTIONS_OF_OLLAMA` belong into ``options``.
        chat: Words of OpenAI's chat completions.
        responses: Words of OpenAI's Responses API.
        completions: Words of OpenAI's completions of a prompt.
        nothing_lost: Values that ask for what any arm does anyway; they are left out without a warning. ``...`` is
            any value.
    """

    ollama: str = ""
    chat: str = ""
    responses: str = ""
    completions: str = ""
    nothing_lost: tuple[Any, ...] = ()

    def of(self, dialect: Dialect) -> list[str]:
        """Return the words of a dialect."""
        words: str = getattr(self, dialect)
        return words.split()


def _everywhere(word: str) -> Words:
    return Words(word, word, word, word)


def _openai(word: str, *, responses: bool = True, completions: bool = False, lost: tuple[Any, ...] = ()) -> Words:
    return Words("", word, word if responses else "", word if completions else "", lost)


TABLE: Final = (
    _everywhere("temperature"),
    _everywhere("top_p"),
    Words("num_predict", "max_tokens max_completion_tokens", "max_output_tokens", "max_tokens"),
    Words("seed", "seed", "", "seed"),
    Words("stop", "stop", "", "stop"),
    Words("frequency_penalty", "frequency_penalty", "", "frequency_penalty", (0,)),
    Words("presence_penalty", "presence_penalty", "", "presence_penalty", (0,)),
    Words("logprobs", "logprobs", "", "logprobs", (False,)),
    Words("top_logprobs", "top_logprobs", "top_logprobs", "", (0,)),
    Words("format", "response_format text", "text"),
    Words("think", "reasoning_effort reasoning", "reasoning", nothing_lost=(False,)),
    Words("keep_alive"),
    *(Words(option) for option in ("top_k", "min_p", "typical_p", "tfs_z", "repeat_penalty", "repeat_last_n")),
    *(Words(option) for option in ("mirostat", "mirostat_eta", "mirostat_tau", "penalize_newline", "num_keep")),
    *(Words(option) for option in ("num_ctx", "num_gpu", "num_thread", "num_batch", "main_gpu", "use_mmap")),
    _openai("parallel_tool_calls", lost=(True,)),
    _openai("tool_choice", lost=("auto",)),
    _openai("user", completions=True),
    _openai("n", responses=False, completions=True, lost=(1,)),
    _openai("logit_bias", responses=False, completions=True),
    _openai("stream_options", responses=False, completions=True, lost=(...,)),
    _openai("stream_usage", lost=(...,)),  # LangChain's; Ollama always says what it used
    _openai("strict", lost=(...,)),
    _openai("prompt_cache_key", lost=(...,)),
    _openai("prompt_cache_retention", lost=(...,)),
    _openai("verbosity"),
    _openai("safety_identifier"),
    _openai("service_tier"),
    _openai("store"),
    _openai("metadata"),
    *(_openai(word, responses=False) for word in ("modalities", "audio", "prediction", "web_search_options")),
    *(_openai(word, responses=False) for word in ("functions", "function_call")),
    *(_openai(word) for word in ("include", "truncation", "previous_response_id", "context_management")),
    *(_openai(word, completions=True) for word in ("extra_body", "extra_headers", "extra_query", "timeout")),
)
"""Every common setting; its words are those of the clients that the integrations call."""
OPTIONS_OF_OLLAMA: Final = frozenset(
    word for words in TABLE for word in words.of("ollama") if word not in {"format", "think", "keep_alive"}
) - {"logprobs", "top_logprobs"}
"""What Ollama takes in its ``options``."""
_ROWS: Final = {
    word: words
    for words in TABLE
    for word in f"{words.ollama} {words.chat} {words.responses} {words.completions}".split()
}
_ROWS["cache_control"] = Words(nothing_lost=(...,))  # Anthropic's; neither family's
_FORMAT, _THINKING = _ROWS["format"], _ROWS["think"]


@dataclass(frozen=True, slots=True)
class Translated:
    """The settings of a call for one arm.

    Args:
        settings: What the arm is given.
        left_out: The names, as the caller wrote them, that it has no word for.
    """

    settings: dict[str, Any]
    left_out: tuple[str, ...] = ()


@lru_cache(maxsize=256)
def dialect_of(kind: type) -> Dialect | None:
    """Return the dialect of a model's class by the names of its bases; ``None`` for a class of neither family."""
    return next((_OF_CLASS[base.__name__] for base in kind.__mro__ if base.__name__ in _OF_CLASS), None)


def is_setting(name: str) -> bool:
    """Return whether a name is a common setting of a call, in whatever dialect."""
    return name in _ROWS or name == "options"


def model_named(settings: Mapping[str, Any]) -> Any:
    """Return the model that the settings of a call ask for; ``None`` where they name none.

    Example:
        >>> model_named({"model": "one", "extra_body": {"model": "other"}}), model_named({"temperature": 0})
        ('other', None)
    """
    body = settings.get("extra_body")  # what OpenAI's client writes over all the rest
    named = body.get("model") if isinstance(body, Mapping) else None
    return settings.get("model") if named is None else named


def translated(settings: Mapping[str, Any], dialect: Dialect, *, thinks: bool | str | None = None) -> Translated:
    """Return the settings of a call in a dialect.

    Ollama's options come as ``options``. Where a setting is given in two dialects, the arm's own word counts.

    Args:
        settings: The keyword arguments of a call, in whatever dialect.
        dialect: That of the arm.
        thinks: How the arm was made to think: one that was not is not asked to by another dialect's word, because a
            model that cannot would refuse the call.

    Example:
        >>> translated({"max_tokens": 5, "parallel_tool_calls": False}, "ollama")
        Translated(settings={'options': {'num_predict': 5}}, left_out=('parallel_tool_calls',))
        >>> translated({"options": {"num_predict": 5}, "format": "json"}, "chat").settings
        {'max_tokens': 5, 'response_format': {'type': 'json_object'}}
    """
    given = {**settings}
    options = given.pop("options", None)
    if isinstance(options, Mapping):
        given = {**options, **given}
    own: dict[str, Any] = {}
    foreign: dict[str, Any] = {}
    left_out: list[str] = []
    for name, value in given.items():
        words = _ROWS.get(name)
        if words is None:
            own[name] = value
            continue
        word, said = _said(name, value, words, dialect, thinks)
        if word:
            (own if word == name else foreign)[word] = said
        elif value is not None and ((words is _THINKING and thinks) or not _nothing_lost(value, words)):
            left_out.append(name)
    if dialect == "ollama" and given.get("tool_choice") == "none":  # its way not to call a tool is not to have one
        own.pop("tools", None)
        left_out.remove("tool_choice")
    found = {**foreign, **own}
    if dialect == "ollama" and (grouped := {name: found.pop(name) for name in [*found] if name in OPTIONS_OF_OLLAMA}):
        found["options"] = grouped
    return Translated(found, tuple(left_out))


def json_schema_of(value: Any) -> Any:
    """Return the JSON schema of a pydantic class; any other value as it is."""
    schema = getattr(value, "model_json_schema", None)
    return schema() if isinstance(value, type) and callable(schema) else value


def _said(name: str, value: Any, words: Words, dialect: Dialect, thinks: bool | str | None) -> tuple[str, Any]:
    """Return the word of a setting in a dialect, and its value there; an empty word where it cannot be said."""
    known = words.of(dialect)
    if not known or value is None:
        return ("", None)
    if words is _THINKING:
        of_ollama = name == "think" or (name == "reasoning" and not isinstance(value, Mapping))
        return _thinking(value, dialect, thinks, own=of_ollama == (dialect == "ollama"))
    if words is _FORMAT:
        if dialect != "ollama" and (name == "text" or (name == "response_format" and isinstance(value, type))):
            return name, value  # LangChain's class reads both, and takes the Responses API for the first
        if name == "text":
            value = value.get("format") if isinstance(value, Mapping) else None
        said = _FORMATS[dialect](value)
        return (known[0], said) if said else ("", None)
    if dialect == "ollama" and name == "stop" and isinstance(value, str):
        return name, [value]
    if dialect == "completions" and name == "logprobs" and isinstance(value, bool):
        return ("", None)  # a number there
    return (name if name in known else known[0]), value


def _nothing_lost(value: Any, words: Words) -> bool:
    asks_for_text = words is _FORMAT and (not value or value == {"type": "text"})
    return asks_for_text or ... in words.nothing_lost or any(value == one for one in words.nothing_lost)


def _thinking(value: Any, dialect: Dialect, thinks: bool | str | None, *, own: bool) -> tuple[str, Any]:
    """Return how much to think; models differ in what they understand, so a foreign word needs one that thinks."""
    effort = value.get("effort") if isinstance(value, Mapping) else value
    if dialect == "ollama":
        if own or isinstance(effort, bool) or effort == "none":
            return "think", effort != "none" and effort
        if not thinks or effort is None:
            return "", None
        level = {"minimal": "low", "xhigh": "high"}.get(effort, effort)
        return "think", level if isinstance(thinks, str) else True
    if isinstance(value, Mapping) and dialect in ("chat", "responses"):
        return "reasoning", value
    if isinstance(effort, bool) or not (own or thinks):
        return "", None
    return ("reasoning_effort", effort) if dialect == "chat" else ("reasoning", {"effort": effort})


def _format_of_ollama(value: Any) -> Any:
    value = json_schema_of(value)
    if not isinstance(value, Mapping):
        return value if isinstance(value, str) else None
    if value.get("type") == "json_object":
        return "json"
    if value.get("type") == "json_schema":
        return value.get("schema") or (value.get("json_schema") or {}).get("schema")
    return None if value.get("type") == "text" else dict(value)


def _response_format(value: Any) -> Any:
    value = json_schema_of(value)
    if value == "json":
        return {"type": "json_object"}
    if not isinstance(value, Mapping) or value.get("type") in ("json_object", "json_schema", "text"):
        return value
    name = re.sub(r"[^a-zA-Z0-9_-]+", "_", str(value.get("title") or "answer"))[:64]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(value)}}


def _text_of_responses(value: Any) -> Any:
    said = _response_format(value)
    if not isinstance(said, Mapping):
        return None
    inner = said.get("json_schema")
    return {"format": {"type": "json_schema", **inner} if isinstance(inner, Mapping) else said}


_FORMATS: Final[Mapping[Dialect, Callable[[Any], Any]]] = {
    "ollama": _format_of_ollama,
    "chat": _response_format,
    "responses": _text_of_responses,
}
