"""What a chat model's answer holds: whether it shows anything, why it ended, what it used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableSequence

from hybrid_llm.dispatch import Answers, has_text, noted_at
from hybrid_llm.event import Usage
from langchain_hybrid._seen import as_answer, joined

_WHY: Final = ("done_reason", "finish_reason", "stop_reason", "status")
"""Keys of an answer's metadata that say why it ended."""
_AT_THE_END: Final = ("done", "token_usage", "model_name")
"""Keys that come with its end."""
_CLOSES: Final = frozenset({("langchain_ollama", "ChatOllama"), ("langchain_openai", "BaseChatOpenAI")})
"""(package, class) of chat models whose answers all say why they end; by name, to import none of them."""
_THOUGHTS: Final = frozenset({"reasoning", "thinking", "redacted_thinking"})
"""Types of content blocks that are no answer."""
_NO_ANSWER: Final = frozenset({"reasoning_content"})
"""Keys of ``additional_kwargs`` that are no answer."""


def model_in(arm: Runnable[Any, Any]) -> BaseChatModel | None:
    """Return the chat model whose answer an arm hands on, whole or parsed; ``None`` for any other runnable."""
    return bound_model_in(arm)[0]


def bound_model_in(arm: Runnable[Any, Any]) -> tuple[BaseChatModel | None, dict[str, Any]]:
    """Return the chat model whose answer an arm hands on, and the arguments that are bound to it."""
    bound: dict[str, Any] = {}
    while isinstance(arm, RunnableBinding):
        bound = {**arm.kwargs, **bound}
        arm = arm.bound
    if isinstance(arm, RunnableSequence):
        steps = list(arm.steps)
        while steps and _parses(steps[-1]):
            steps.pop()
        return bound_model_in(steps[-1]) if steps else (None, {})
    return (arm if isinstance(arm, BaseChatModel) else None), bound


def classes_of(model: object) -> set[tuple[str, str]]:
    """Return (package, class) of everything that a model is."""
    return {(base.__module__.partition(".")[0], base.__name__) for base in type(model).__mro__}


def _parses(step: Runnable[Any, Any]) -> bool:
    """Return whether a step is an output parser, by its name, to import none."""
    return any(base.__name__ == "BaseLLMOutputParser" for base in type(step).__mro__)


def closes(model: BaseChatModel | None) -> bool:
    """Return whether all answers of a chat model are known to say why they end."""
    return not _CLOSES.isdisjoint(classes_of(model))


def shows(value: Any) -> bool:
    """Return whether an answer, or a chunk of one, shows its reader anything.

    A chunk of reasoning does, since there are readers who see it; a whole answer that is nothing but reasoning does
    not.

    Example:
        >>> shows(AIMessage(" ")), shows(AIMessage("4"))
        (False, True)
    """
    message = _message_in(value)
    if not isinstance(message, AIMessage):
        return has_text(message)
    is_chunk = isinstance(message, AIMessageChunk)
    if message.tool_calls or message.invalid_tool_calls or getattr(message, "tool_call_chunks", None):
        return True
    if isinstance(message.content, str) and has_text(message.content):
        return True
    if any(value and (is_chunk or key not in _NO_ANSWER) for key, value in message.additional_kwargs.items()):
        return True
    return not isinstance(message.content, str) and any(_says(block, is_chunk) for block in message.content)


def ended(value: Any) -> str | None:
    """Return why an answer ended, in the word of its server; ``None`` for a chunk before the end.

    The word is empty where none is known, and for what has no place for one: a text, an object, a message that no
    model made.
    """
    message = _message_in(value)
    if not isinstance(message, BaseMessage):
        return ""
    info = _info(value)
    metadata = message.response_metadata
    if not info and not metadata:
        made = isinstance(value, (ChatResult, ChatGeneration, AIMessageChunk)) or _is_of_a_run(message)
        return None if made else ""
    why = next((str(found) for key in _WHY if (found := info.get(key) or metadata.get(key))), "")
    return why if why or any(info.get(key) or metadata.get(key) for key in _AT_THE_END) else None


def used(value: Any, before: Usage | None = None) -> Usage | None:
    """Return what a message says that it used, or the chunks of one together: theirs add up, as LangChain adds them."""
    message = _message_in(value)
    told = getattr(message, "usage_metadata", None)
    signed = str(_info(value).get("model_name") or getattr(message, "response_metadata", {}).get("model_name") or "")
    if not told and not signed:
        return before
    told = told or {}
    cached = (told.get("input_token_details") or {}).get("cache_read")
    usage = Usage(told.get("input_tokens"), told.get("output_tokens"), cached, model=signed)
    return usage if before is None else before.plus(usage)


def says(value: Any) -> str:
    """Return the text of an answer, or of a chunk of one."""
    message = _message_in(value)
    return str(message.text) if isinstance(message, BaseMessage) else message if isinstance(message, str) else ""


def noted(value: Any) -> Mapping[str, Any] | None:
    """Return what a pair noted on an answer, or on a chunk of one, as an arm of another."""
    message = _message_in(value)
    return noted_at(message.response_metadata) if isinstance(message, AIMessage) else None


ANSWERS: Final = Answers(shows, ended, used, says, joined, as_answer, noted=noted)


def _message_in(value: Any) -> Any:
    """Return the message that an answer holds, in whichever of the framework's forms it comes; else the value."""
    if isinstance(value, ChatResult):
        value = value.generations[0] if value.generations else ""
    if isinstance(value, ChatGeneration):
        return value.message
    if isinstance(value, Mapping) and "raw" in value:  # structured output, with the message beside it
        return value["raw"]
    if isinstance(result := getattr(value, "result", None), list):  # an agent's model response
        return next((message for message in reversed(result) if isinstance(message, AIMessage)), value)
    return value


def _info(value: Any) -> dict[str, Any]:
    """Return what the model's inner methods give beside the message."""
    if isinstance(value, ChatResult):
        return {**(value.llm_output or {}), **(value.generations[0].generation_info or {})}
    return getattr(value, "generation_info", None) or {}


def _is_of_a_run(message: BaseMessage) -> bool:
    """Return whether a message was made by a run of a model, not by a program."""
    return (message.id or "").startswith("lc_run")


def _says(block: Any, is_chunk: bool) -> bool:
    if isinstance(block, str):
        return has_text(block)
    kind = block.get("type")
    return has_text(block.get("text", "")) if kind == "text" else is_chunk or kind not in _THOUGHTS
