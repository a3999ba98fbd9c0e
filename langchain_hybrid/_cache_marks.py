"""Cache settings that one provider knows and another refuses, taken out of a request before it goes to an arm.

Prompt caching is asked for per provider: Anthropic's by ``cache_control`` in the settings, in content blocks and in
tools, OpenAI's by ``prompt_cache_key``, Fireworks' by a header. A middleware around this one sets them for the
agent's own model, and the arm that answers may be of another provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from langchain.agents.middleware import ModelRequest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, SystemMessage
from langchain_core.tools import BaseTool

_MARK: Final = "cache_control"
_ANTHROPIC: Final = frozenset({"anthropic-chat", "anthropic-bedrock-chat", "anthropic-chat-vertexai"})
_OPENAI: Final = frozenset({"openai-chat", "azure-openai-chat"})
_FIREWORKS: Final = frozenset({"fireworks-chat"})
_KNOWN_TO: Final[Mapping[str, frozenset[str]]] = {
    _MARK: _ANTHROPIC,
    "prompt_cache_key": _OPENAI | _FIREWORKS,
    "prompt_cache_retention": _OPENAI,
}
"""Settings, and the ``_llm_type`` of the models that take them."""
_HEADERS_KNOWN_TO: Final[Mapping[str, frozenset[str]]] = {"x-session-affinity": _FIREWORKS}
_HOLDERS: Final = ("extras", "metadata")
"""Parts of a content block or a tool that may hold a mark of their own."""


def without_foreign_marks(request: ModelRequest[Any], arm: BaseChatModel) -> ModelRequest[Any]:
    """Return the request without the cache settings that an arm's provider does not know; the same if it has none.

    Args:
        request: The call of a model; not changed.
        arm: The chat model that gets it.
    """
    kind = arm._llm_type
    changes: dict[str, Any] = {}
    settings = _settings_for(kind, request.model_settings)
    if settings != request.model_settings:
        changes["model_settings"] = settings
    if kind not in _ANTHROPIC:
        if request.system_message is not None and _marked(request.system_message):
            changes["system_message"] = _unmarked(request.system_message)
        if any(map(_marked, request.messages)):
            changes["messages"] = [_unmarked(message) for message in request.messages]
        if any(_tool_marked(tool) for tool in request.tools):
            changes["tools"] = [_unmarked_tool(tool) for tool in request.tools]
    return request.override(**changes) if changes else request


def _settings_for(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in settings.items() if kind in _KNOWN_TO.get(key, {kind})}
    headers = kept.get("extra_headers")
    if isinstance(headers, Mapping):
        known = {key: value for key, value in headers.items() if _takes_header(kind, key)}
        kept["extra_headers"] = known
        if not known and headers:
            del kept["extra_headers"]
    return kept


def _takes_header(kind: str, name: object) -> bool:
    return kind in _HEADERS_KNOWN_TO.get(str(name).lower(), {kind})


def _marked(message: AnyMessage) -> bool:
    return isinstance(message.content, list) and _any_marked(message.content)


def _any_marked(blocks: Iterable[Any]) -> bool:
    return any(isinstance(block, Mapping) and _clean(block) != block for block in blocks)


def _unmarked(message: AnyMessage | SystemMessage) -> Any:
    if not _marked(message):
        return message
    blocks: Sequence[Any] = message.content
    clean = [_clean(block) if isinstance(block, Mapping) else block for block in blocks]
    return message.model_copy(update={"content": clean})


def _tool_marked(tool: BaseTool | dict[str, Any]) -> bool:
    return _any_marked([tool if isinstance(tool, dict) else tool.extras or {}])


def _unmarked_tool(tool: BaseTool | dict[str, Any]) -> BaseTool | dict[str, Any]:
    if isinstance(tool, dict):
        return _clean(tool)
    return tool.model_copy(update={"extras": _clean(tool.extras or {}) or None})


def _clean(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content block or a tool without its mark and those of its holders."""
    clean = {key: value for key, value in block.items() if key != _MARK}
    for holder in _HOLDERS:
        if isinstance(clean.get(holder), Mapping) and _MARK in clean[holder]:
            clean[holder] = {key: value for key, value in clean[holder].items() if key != _MARK}
    return clean
