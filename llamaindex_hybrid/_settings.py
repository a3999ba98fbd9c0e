"""The settings of one call, in the words of the LLM that answers it.

What each is called is the core's table; here is what LlamaIndex's classes of both families do besides. Ollama's reads
two arguments of a call and no more, so what it has a field for goes on a copy of it. OpenAI's lets its own
``max_tokens`` win over that of a call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.llms import LLM

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Dialect

_OF_OLLAMA: Final = {"think": "thinking", "keep_alive": "keep_alive"}
"""Settings that are fields of Ollama's class."""
_UNREAD: Final[Mapping[str, frozenset[str]]] = {
    "ollama": frozenset({"logprobs", "top_logprobs"}),
    "chat": frozenset(
        {
            *("strict", "stream_usage", "reasoning", "text", "include", "truncation"),
            *("previous_response_id", "context_management"),
        }
    ),
    "responses": frozenset({"strict", "stream_usage", "verbosity"}),
}
"""What LangChain's classes take and those here would refuse or drop, by dialect."""


def dialect_of_llm(llm: LLM) -> Dialect | None:
    """Return how an LLM wants its settings; ``None`` for a class of neither family."""
    from hybrid_llm.dispatch import dialect_of  # loaded at the first call

    dialect = dialect_of(type(llm))
    return "completions" if dialect == "chat" and not llm.metadata.is_chat_model else dialect


def settings_for(llm: LLM, settings: Mapping[str, Any], *, tools: bool) -> tuple[LLM, dict[str, Any], Sequence[str]]:
    """Return the LLM to call, the settings of a call in its words, and the names of those that have none there.

    Args:
        llm: The LLM; one of neither family gets the settings as they are.
        settings: The keyword arguments of the call.
        tools: Whether functions of the user's program come with the call.
    """
    dialect = dialect_of_llm(llm) if settings else None
    if dialect is None:
        return llm, {**settings}, ()
    from hybrid_llm.dispatch import json_schema_of, translated

    thinks = getattr(llm, "thinking" if dialect == "ollama" else "reasoning_effort", None)
    given = {name: json_schema_of(value) for name, value in settings.items()}
    found = translated(given, dialect, thinks=thinks)
    said, left_out = found.settings, list(found.left_out)
    fields: dict[str, Any] = {}
    for name in _UNREAD.get(dialect, frozenset()) & said.keys():
        if not (tools and name == "strict"):
            left_out += [name] if said.pop(name) else []
    if dialect == "ollama":
        if tools and said.pop("format", None):  # it keeps Ollama from calling any
            left_out += [name for name in ("format", "response_format") if name in settings]
        fields = {field: said.pop(name) for name, field in _OF_OLLAMA.items() if name in said}
        if options := said.pop("options", None):
            fields["additional_kwargs"] = {**getattr(llm, "additional_kwargs", {}), **options}
    elif getattr(llm, "max_tokens", None) is not None and {"max_tokens", "max_completion_tokens"} & said.keys():
        fields["max_tokens"] = said.pop("max_tokens", None)
    return (with_fields(llm, fields) if fields else llm), said, left_out


def with_fields(llm: LLM, fields: Mapping[str, Any]) -> LLM:
    """Return a copy of an LLM with other fields; both have the same clients, whichever makes them."""
    if getattr(llm, "context_window", None) == -1:  # Ollama's: it asks its server at the first call, and remembers
        _ = llm.metadata
    copy = llm.model_copy(update={**fields})
    object.__setattr__(copy, "__pydantic_private__", llm.__pydantic_private__)
    return copy
