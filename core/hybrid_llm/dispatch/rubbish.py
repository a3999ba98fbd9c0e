"""Which errors say that a server answered 200 with rubbish: HTML, broken JSON, or nothing at all.

Client libraries have no error of their own for that. They raise what their reading of the answer comes to, a
JSONDecodeError or an AttributeError, which a user's own function may raise as well. What tells them apart is where it
was raised: in the function of the client that reads a response. All by name, to import none of them.
"""

from __future__ import annotations

from typing import Final

_HELPERS: Final = frozenset({"json", "jiter", "pydantic", "codecs", "encodings"})
"""Packages that a client reads a response with: what they raise is the error of whoever called them."""
_READERS: Final[dict[str, frozenset[str]]] = {
    "ollama._client": frozenset({"inner", "_request"}),
    "openai._streaming": frozenset({"__stream__", "json"}),
    "openai._response": frozenset({"_parse"}),
    "openai._legacy_response": frozenset({"_parse"}),
    "langchain_ollama.chat_models": frozenset(
        {
            "_chat_stream_with_aggregation",
            "_achat_stream_with_aggregation",
            "_iterate_over_stream",
            "_aiterate_over_stream",
        }
    ),
    "langchain_core.language_models.chat_models": frozenset({"invoke", "ainvoke"}),
    "langchain_openai.chat_models.base": frozenset({"_create_chat_result"}),
    "llama_index.core.llms.callbacks": frozenset({"wrapped_gen"}),  # that of an empty stream
    "llama_index.llms.ollama.base": frozenset({"chat", "achat", "gen"}),
    "llama_index.llms.openai.base": frozenset({"_chat", "_achat", "_complete", "_acomplete", "gen"}),
}
"""The functions of clients that read a response, and do nothing else that could raise the same."""
_CLIENTS: Final = frozenset({module.partition(".")[0] for module in _READERS} - {"langchain_core", "llama_index"})
_EMPTY: Final = frozenset(
    {
        "No generation chunks were returned",
        "No generations found in stream.",
        "No data received from Ollama stream.",
    }
)
"""What LangChain says of a chat model that gave nothing."""
_KINDS: Final = (ValueError, TypeError, AttributeError, LookupError)


def is_rubbish(error: BaseException) -> bool:
    """Return whether an error was raised by a client library as it read a response that is none.

    Example:
        >>> is_rubbish(ValueError("a mistake of the user's own program"))
        False
    """
    if type(error).__name__ == "DecodingError" and type(error).__module__.partition(".")[0] == "httpx":
        return any(module.partition(".")[0] in _CLIENTS for module, _ in _frames(error))
    if not isinstance(error, _KINDS):
        return False
    if str(error) in _EMPTY:
        return True
    module, name = _raised_in(error)
    return name in _READERS.get(module, ())


def said_of(error: BaseException) -> str:
    """Say what the rubbish was, as far as its error tells."""
    if str(error) in _EMPTY:
        return "an empty stream"
    return f"no JSON: {type(error).__name__}" if "JSON" in type(error).__name__ else type(error).__name__


def _raised_in(error: BaseException) -> tuple[str, str]:
    """Return (module, function) of an error's innermost frame that is no helper's; two empty words if there is none."""
    for module, name in reversed(_frames(error)):
        if module.partition(".")[0] not in _HELPERS and (module, name) != ("httpx._models", "json"):
            return module, name
    return "", ""


def _frames(error: BaseException) -> list[tuple[str, str]]:
    """Return (module, function) of each frame that an error went through, the innermost last."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        frames.append((str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_frame.f_code.co_name))
        trace = trace.tb_next
    return frames
