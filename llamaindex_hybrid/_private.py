"""What a private request needs of LlamaIndex: its texts and marks found, a hosted service that listens seen."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from io import IOBase
from typing import Any, Final

from llama_index import core
from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage, DocumentBlock
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.callbacks import CallbackManager
from llama_index.core.instrumentation import root_manager  # type: ignore[attr-defined]

from hybrid_llm.decision import KEY
from hybrid_llm.dispatch import HOSTED, is_marked
from llamaindex_hybrid._history import tool_calls_of

_IDS: Final = frozenset({"id", "tool_call_id", "call_id"})
"""Names under which there is no text, but what tells a call from others."""
_INTEGRATIONS: Final = ("llama_index.callbacks.", "llama_index.observability.")
"""LlamaIndex's own integrations of such services."""


def is_private(messages: Sequence[ChatMessage]) -> bool:
    """Return whether some message was the answer to a private request."""
    return any(is_marked(message.additional_kwargs) for message in messages)


def texts_in(messages: Sequence[ChatMessage]) -> Iterator[str]:
    """Yield every text of messages: of their blocks, of their tool calls, and of what goes along with them.

    Example:
        >>> list(texts_in([ChatMessage("Why?")]))
        ['Why?']
    """
    for message in messages:
        yield from _texts(message.blocks)
        yield from (str(call.tool_kwargs) for call in tool_calls_of(message))
        yield from _texts({name: value for name, value in message.additional_kwargs.items() if name != KEY})


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a value, without the bytes of pictures and sounds, and without ids."""
    if isinstance(value, DocumentBlock) and isinstance(value.data, bytes) and _is_text(value):
        yield b64decode(value.data).decode(errors="replace")
    if isinstance(value, BaseModel):
        value = {name: each for name, each in value if name not in ("block_type", "data")}
    if isinstance(value, Mapping):
        value = [each for name, each in value.items() if name not in _IDS]
    if isinstance(value, (list, tuple)):
        yield from (text for each in value for text in _texts(each))
    elif not (value is None or isinstance(value, (bool, bytes, IOBase)) or str(value).startswith("data:")):
        yield str(value)


def _is_text(document: DocumentBlock) -> bool:
    return (document.document_mimetype or "").startswith("text/")


def hosted_service(*managers: CallbackManager | None) -> str | None:
    """Return the name of a handler that sends what it hears to a service; ``None`` for none.

    Handlers of callback managers, the global one among them, and of the instrumentation are looked at.
    """
    dispatchers: list[Any] = [*root_manager.dispatchers.values()]  # a handler may listen at any branch of their tree
    listening: list[Any] = [each for one in dispatchers for each in (*one.event_handlers, *one.span_handlers)]
    listening.append(core.global_handler)  # which every callback manager gets that is made from now on
    for manager in (Settings._callback_manager, *managers):
        listening += manager.handlers if manager is not None else []
    kinds = (kind for each in listening for kind in type(each).__mro__)
    return next((name for kind in kinds if (name := _service_of(kind))), None)


def _service_of(kind: type) -> str | None:
    module = kind.__module__
    hosted = module.partition(".")[0] in HOSTED or module.startswith(_INTEGRATIONS)
    return f"{module.removeprefix('llama_index.')}.{kind.__name__}" if hosted else None
