"""What a second look sees of a chat model's answer, and how the model is asked for it in its own dialect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from hybrid_llm.errors import LookError

if TYPE_CHECKING:
    from hybrid_llm.look import Answer

LOGPROBS: Final = "logprobs"
_WHY: Final = ("done_reason", "finish_reason", "stop_reason", "status")


def as_answer(value: Any) -> Answer:
    """Return what a look sees of a chat model's answer, in whichever of the framework's forms it comes.

    Raises:
        LookError: It is no answer of a chat model, and no text.
    """
    from hybrid_llm.dispatch import content_logprobs  # loaded when an answer is looked at
    from hybrid_llm.look import Answer, ToolCall, without_thoughts

    generation = value.generations[0] if isinstance(value, ChatResult) else value
    if isinstance(generation, str):
        return Answer(generation)
    message = generation.message if isinstance(generation, ChatGeneration) else generation
    if isinstance(result := getattr(value, "result", None), list):  # an agent's model response
        message = next((each for each in reversed(result) if isinstance(each, AIMessage)), message)
    if not isinstance(message, AIMessage):
        raise LookError(
            f"A second look cannot read an answer of type {type(value).__name__}: pass read=, a function that makes a "
            "text or a hybrid_llm.Answer of it."
        )
    info = {**message.response_metadata, **(getattr(generation, "generation_info", None) or {})}
    why = next((str(info[key]) for key in _WHY if info.get(key)), "")
    text = without_thoughts(str(message.text))
    calls = [ToolCall(call["name"], call["args"]) for call in message.tool_calls]
    calls += [ToolCall(call["name"] or "", str(call["args"])) for call in message.invalid_tool_calls]
    logprobs = content_logprobs(_tokens(info.get(LOGPROBS)), text)
    return Answer(text, logprobs, why, calls)


def _tokens(told: Any) -> list[Any]:
    """Return the tokens that a server told of: a list of Ollama's, or OpenAI's under ``content``."""
    return list((told.get("content") if isinstance(told, Mapping) else told) or ())


def joined(chunks: Sequence[Any]) -> Any:
    """Return one answer of the chunks of a stream; the last one, where they do not add up."""
    first, rest = chunks[0], list(chunks[1:])
    if not rest:
        return first
    if isinstance(first, ChatGenerationChunk):
        return first + rest  # all at once: one by one takes time that grows with the square of their number
    if isinstance(first, AIMessageChunk):
        return add_ai_message_chunks(first, *rest)
    try:
        return reduce(add, chunks)
    except TypeError:
        return chunks[-1]


def asking_for_logprobs(model: BaseChatModel, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of a call that asks for log-probabilities too; ``None`` where it does so or cannot.

    Args:
        model: The chat model.
        settings: Those of the call, in its own words.
    """
    from hybrid_llm.dispatch import dialect_of

    if settings.get(LOGPROBS) is not None or getattr(model, LOGPROBS, None) is not None:
        return None
    dialect = dialect_of(type(model))
    if dialect == "ollama" and LOGPROBS in type(model).model_fields:
        return {**settings, LOGPROBS: True}
    by_responses = getattr(model, "_use_responses_api", None)
    if dialect == "chat" and not (by_responses and by_responses({**settings})):
        return {**settings, LOGPROBS: True}
    return None


def streams_without_logprobs(model: BaseChatModel, settings: Mapping[str, Any]) -> bool:
    """Return whether a server of a model's kind may not give log-probabilities in a stream: llama.cpp with tools."""
    from hybrid_llm.dispatch import dialect_of

    return bool(settings.get("tools")) and dialect_of(type(model)) == "chat"


def without_logprobs(value: Any) -> Any:
    """Return a copy of a result, or of a chunk, without the log-probabilities that nobody but the look asked for."""
    if isinstance(value, ChatResult):
        return value.model_copy(update={"generations": [without_logprobs(one) for one in value.generations]})
    if isinstance(value, (ChatGeneration, ChatGenerationChunk)):
        info = value.generation_info
        kept = {key: said for key, said in info.items() if key != LOGPROBS} if info else info
        return value.model_copy(update={"generation_info": kept, "message": without_logprobs(value.message)})
    if isinstance(value, AIMessage) and LOGPROBS in value.response_metadata:
        kept = {key: said for key, said in value.response_metadata.items() if key != LOGPROBS}
        return value.model_copy(update={"response_metadata": kept})
    return value
