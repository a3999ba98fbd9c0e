"""The event that tells observability tools where a call went."""

from __future__ import annotations

from typing import Any, Final

from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events import BaseEvent

from hybrid_llm.event import ArmCall, Observer

_dispatcher = get_dispatcher(__name__)


class HybridRoutingEvent(BaseEvent):
    """A call goes to an arm; sent just before the arm is called, and again for the other arm when that takes over.

    It holds no text of the query, so that it may be stored.

    Args:
        decision: ``Decision.as_dict()``: route, score, threshold, level, reason, certified, truncated, familiar,
            router_id.
        model: Name of the model that is called.
        method: Method of the model that is called, ``"chat"`` for example.
        query_hash: First 16 digits of the SHA-256 of the text that was scored; empty where there is none,
            and for a private call.
        latency_ms: Milliseconds since the request came: what the decision took, and an arm that failed before.

    Example:
        >>> from llama_index.core.instrumentation import get_dispatcher
        >>> from llama_index.core.instrumentation.event_handlers import BaseEventHandler
        >>> class Print(BaseEventHandler):
        ...     def handle(self, event, **kwargs):
        ...         if isinstance(event, HybridRoutingEvent):
        ...             print(event.model, event.decision["reason"])
        >>> get_dispatcher().add_event_handler(Print())  # doctest: +SKIP
    """

    decision: dict[str, Any]
    model: str
    method: str
    query_hash: str
    latency_ms: float

    @classmethod
    def class_name(cls) -> str:
        """Return the name that the framework writes into dumps."""
        return "HybridRoutingEvent"


class _Dispatches(Observer):
    """Sends the event of each call of an arm."""

    def calling(self, call: ArmCall) -> None:
        _dispatcher.event(
            HybridRoutingEvent(
                decision=call.decision.as_dict(),
                model=call.model,
                method=call.method,
                query_hash=call.query_hash,
                latency_ms=1000 * call.seconds,
            )
        )


DISPATCHES: Final = _Dispatches()
"""The observer that every ``HybridLLM`` has."""
