"""What one call asks of the router, read from messages, prompts and templates."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate
from llama_index.core.prompts.prompt_type import PromptType

from hybrid_llm.decision import Route
from hybrid_llm.dispatch import FUNCTION, MEDIA_TOKENS, MESSAGE_TOKENS, Request, tokens_in
from llamaindex_hybrid._history import record_of
from llamaindex_hybrid._private import is_private, texts_in

if TYPE_CHECKING:
    from llama_index.core.bridge.pydantic import BaseModel
    from llama_index.core.tools.types import ToolMetadata

LONGEST_QUESTION: Final = 2000
"""Characters from which on the prompt of ``complete`` is taken for a step of the framework, not for a question."""
_STEPS: Final = (
    "rephrase the follow up question to be a standalone question",
    "generates multiple search queries based on a single input query",
)
"""What the framework's own templates say that are given to ``complete`` already filled in."""
_ROUTED: Final = {
    PromptType.CUSTOM,
    PromptType.QUESTION_ANSWER,
    PromptType.REFINE,
    PromptType.SUMMARY,
    PromptType.SIMPLE_INPUT,
    PromptType.CONVERSATION,
    PromptType.TEXT_TO_SQL,
    PromptType.TEXT_TO_GRAPH_QUERY,
    PromptType.PANDAS,
    PromptType.JSON_PATH,
    PromptType.SQL_RESPONSE_SYNTHESIS,
    PromptType.SQL_RESPONSE_SYNTHESIS_V2,
}
"""Types of templates that answer the user's query; the others choose, extract and take apart on the way there."""
_TOOL_LOOP: Final = ("Observation: ", "Error while parsing the output:", "FAILURE: Your previous response was empty.")
"""How the texts begin that a ReAct agent puts into the user's mouth."""
_TRANSCRIPT: Final = "<current_conversation>"
"""How the text begins by which an agent has its whole conversation turned into a schema."""
_MODALITIES: Final[dict[type[Any], str]] = {
    ImageBlock: "image",
    AudioBlock: "audio",
    VideoBlock: "video",
    DocumentBlock: "file",
    CitableBlock: "file",
    CitationBlock: "file",
}


def chat_request(
    messages: Sequence[ChatMessage],
    kwargs: Mapping[str, Any],
    *,
    tools: bool = False,
    forced_tool: bool = False,
    path: tuple[Route, ...] = (),
) -> Request:
    """Return what a chat asks: the user's last words, and what went before.

    Args:
        messages: The conversation, oldest message first.
        kwargs: The model's keyword arguments, which may hold tools, a tool choice, or the form of the answer.
        tools: Whether functions of the user's program come with it.
        forced_tool: Whether one of them has to be called.
        path: The routes that lead to the pair, where it is an arm of another one.

    Example:
        >>> chat_request([ChatMessage("2+2?"), ChatMessage("4", role="assistant"), ChatMessage("Why?")], {}).turns
        ('2+2?',)
    """
    asked = [place for place, message in enumerate(messages) if _is_users(messages, place)]
    last = asked[-1] if asked else len(messages)
    replies = [place for place, message in enumerate(messages) if message.role == MessageRole.ASSISTANT]
    later = [place for place in replies if place > last]
    before = [place for place in replies if place < last]
    text = _text(messages[last]) if asked else ""
    previous = messages[(later or before)[-1]] if later or before else None
    kinds = {tool.get("type", FUNCTION) if isinstance(tool, Mapping) else FUNCTION for tool in _tools(kwargs)}
    return Request(
        text="" if text.startswith(_TRANSCRIPT) else text,
        turns=tuple(_text(messages[place]) for place in asked[:-1] if _answered(messages, place, last)),
        tokens=sum(map(_tokens, messages)) + tokens_of_tools(_tools(kwargs)),
        modalities=modalities_of(messages),
        tools=frozenset(kinds | {FUNCTION} if tools else kinds),
        forced_tool=forced_tool or kwargs.get("tool_choice") not in (None, "auto", "none"),
        structured=bool(kwargs.get("response_format") or kwargs.get("format")),
        previous=record_of(previous, path) if previous else None,
        same_turn=bool(later),
        private=is_private(messages),
        said=lambda: texts_in(messages),
        asked={"system": _system(messages)},
        began=next((found for place in replies if (found := record_of(messages[place], path))), None),
    )


def prompt_request(prompt: str, kwargs: Mapping[str, Any]) -> Request:
    """Return what a completion asks; its text is empty when the prompt is a step of the framework."""
    lines = " ".join(prompt[:LONGEST_QUESTION].split())
    is_step = len(prompt) > LONGEST_QUESTION or any(step in lines for step in _STEPS)
    structured = bool(kwargs.get("response_format") or kwargs.get("format"))
    text = "" if is_step else prompt
    return Request(text, tokens=tokens_in(prompt), structured=structured, asked={"system": None})


def template_request(
    template: BasePromptTemplate,
    values: Mapping[str, Any],
    query_vars: Sequence[str],
    *,
    structured: bool = False,
    path: tuple[Route, ...] = (),
) -> Request:
    """Return what a template asks: the value of its query variable, not the stuffed prompt.

    Its text is empty when the template has none, or is no answer to the user's query by its type.

    Args:
        template: The template.
        values: What fills it, besides what it holds already.
        query_vars: Names of variables that hold the user's query.
        structured: Whether the answer has to follow a schema.
        path: As in :func:`chat_request`.
    """
    known: ChainMap[str, Any] = ChainMap(dict(values), template.kwargs)
    messages = template.message_templates if isinstance(template, ChatPromptTemplate) else []
    if messages and not known:  # a chat that is only dressed as a template, by as_structured_llm
        return chat_request(messages, {"response_format": structured}, path=path)
    query = next((known[name] for name in query_vars if isinstance(known.get(name), str)), "")
    routed = template.metadata.get("prompt_type", PromptType.CUSTOM) in _ROUTED
    is_condensing = "chat_history" in template.template_vars
    talk = chat_request(messages, {}, path=path)  # a chat engine puts the conversation into the template
    return replace(
        talk,
        text=query if routed and not is_condensing else "",
        tokens=talk.tokens + sum(tokens_in(value) for value in known.values() if isinstance(value, str)),
        structured=structured,
    )


def modalities_of(messages: Sequence[ChatMessage]) -> frozenset[str]:
    """Return what messages hold besides text."""
    found = {_MODALITIES.get(type(block)) for message in messages for block in message.blocks}
    return frozenset(name for name in found if name)


def tokens_of_tools(tools: Sequence[Any]) -> int:
    """Estimate the tokens of the descriptions of tools, as they are or as dicts."""
    return sum(tokens_in(str(tool)) if isinstance(tool, Mapping) else _tokens_of_tool(tool.metadata) for tool in tools)


def _tokens_of_tool(about: ToolMetadata) -> int:
    return tokens_in(about.description) + (_tokens_of_schema(about.fn_schema) if about.fn_schema else 0)


@lru_cache(maxsize=256)
def _tokens_of_schema(schema: type[BaseModel]) -> int:
    return tokens_in(str(schema.model_json_schema()))


def _tokens(message: ChatMessage) -> int:
    texts = [block.text for block in message.blocks if isinstance(block, TextBlock)]
    texts += [str(block.tool_kwargs) for block in message.blocks if isinstance(block, ToolCallBlock)]
    media = sum(type(block) in _MODALITIES for block in message.blocks)
    return MESSAGE_TOKENS + sum(map(tokens_in, texts)) + MEDIA_TOKENS * media


def _tools(kwargs: Mapping[str, Any]) -> Sequence[Any]:
    return kwargs.get("tools") or ()


def _system(messages: Sequence[ChatMessage]) -> str | None:
    texts = [_text(message) for message in messages if message.role in (MessageRole.SYSTEM, MessageRole.DEVELOPER)]
    return "\n\n".join(texts) or None


def _text(message: ChatMessage) -> str:
    return message.content or ""


def _is_users(messages: Sequence[ChatMessage], place: int) -> bool:
    """Return whether a message is the user's own, and not a tool's result in the user's name."""
    if messages[place].role != MessageRole.USER:
        return False
    follows_answer = place > 0 and messages[place - 1].role == MessageRole.ASSISTANT
    return not (follows_answer and _text(messages[place]).startswith(_TOOL_LOOP))


def _answered(messages: Sequence[ChatMessage], place: int, end: int) -> bool:
    return any(message.role == MessageRole.ASSISTANT for message in messages[place + 1 : end])
