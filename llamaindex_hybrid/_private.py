"""What a private request needs of LlamaIndex: its texts and marks found, a hosted service that listens seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from llama_index.core import Settings
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.instrumentation import root_manager  # type: ignore[attr-defined]

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import is_marked, model_named
from hybrid_llm.errors import PrivateError, shown
from llamaindex_hybrid._history import tool_calls_of

_HOSTED: Final = frozenset(
    {
        *("langfuse", "wandb", "openinference", "phoenix", "deepeval", "literalai", "agentops", "opik", "comet_ml"),
        *("traceloop", "mlflow", "opentelemetry", "weave"),
    }
)
"""Packages of handlers that send what they hear to a service."""
_INTEGRATIONS: Final = ("llama_index.callbacks.", "llama_index.observability.")
"""LlamaIndex's own integrations of such services."""


def is_private(messages: Sequence[ChatMessage]) -> bool:
    """Return whether some message was the answer to a private request."""
    return any(is_marked(message.additional_kwargs) for message in messages)


def texts_in(messages: Sequence[ChatMessage]) -> Iterator[str]:
    """Yield every text of messages, the arguments of their tool calls too.

    Example:
        >>> list(texts_in([ChatMessage("Why?")]))
        ['Why?']
    """
    for message in messages:
        for block in message.blocks:
            text = getattr(block, "text", None) or getattr(block, "content", None)
            if isinstance(text, str):
                yield text
            elif isinstance(text, list):  # a block of blocks
                yield from (inner.text for inner in text if isinstance(getattr(inner, "text", None), str))
        yield from (str(call.tool_kwargs) for call in tool_calls_of(message))


def refuse_other_model(decision: Decision, settings: Mapping[str, Any], own: str) -> None:
    """Refuse a call that names another model for a private request: nobody has looked where that one runs.

    Args:
        decision: Where the request goes.
        settings: The keyword arguments of the call.
        own: The model that is asked where no call names one.

    Raises:
        PrivateError: It does.
    """
    named = model_named(settings)
    if decision.private and named is not None and named != own:
        raise PrivateError(
            f"model={shown(named)} of this call is not {shown(own)}, to which a private request goes: leave it out, or "
            "pass that model as small=."
        )


def hosted_service(*managers: CallbackManager | None) -> str | None:
    """Return the name of a handler that sends what it hears to a service; ``None`` for none.

    Handlers of callback managers, the global one among them, and of the instrumentation are looked at.
    """
    dispatchers: list[Any] = [*root_manager.dispatchers.values()]  # a handler may listen at any branch of their tree
    listening: list[Any] = [each for one in dispatchers for each in (*one.event_handlers, *one.span_handlers)]
    for manager in (Settings._callback_manager, *managers):
        listening += manager.handlers if manager is not None else []
    kinds = (kind for each in listening for kind in type(each).__mro__)
    return next((name for kind in kinds if (name := _service_of(kind))), None)


def _service_of(kind: type) -> str | None:
    module = kind.__module__
    hosted = module.partition(".")[0] in _HOSTED or module.startswith(_INTEGRATIONS)
    return f"{module.removeprefix('llama_index.')}.{kind.__name__}" if hosted else None
