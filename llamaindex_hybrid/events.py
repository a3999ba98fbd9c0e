"""The events that tell observability tools where a call went, and which answer was not shown."""

from __future__ import annotations

from typing import Any, Final

from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]
from llama_index.core.instrumentation.events import BaseEvent

from hybrid_llm.event import ArmCall, Observer, RequestEvent

_dispatcher = get_dispatcher(__name__)


class HybridRoutingEvent(BaseEvent):
    """A call goes to an arm; sent just before the arm is called, and again for the other arm when that takes over.

    It holds no text of the query, so that it may be stored. Where the decision has a ``look`` and small is called, its
    answer is held back; ``"escalated"`` and ``"rejected"`` are the reasons why large is called afterwards.

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


class HybridDiscardedEvent(BaseEvent):
    """A model answered and its answer was not shown: small's that a look or a check did not keep, or a checker's.

    Sent when the request is over. The model's own events (``LLMChatEndEvent``) came before, so token counters have
    counted it; this one says that its text went nowhere.

    Args:
        decision: ``Decision.as_dict()`` as it came true, with what the look saw.
        attempt: ``Attempt.as_dict()`` of the call: model, seconds, tokens, cost.
        method: Method that the program called, ``"chat"`` for example.
        query_hash: As in :class:`HybridRoutingEvent`.
    """

    decision: dict[str, Any]
    attempt: dict[str, Any]
    method: str
    query_hash: str

    @classmethod
    def class_name(cls) -> str:
        """Return the name that the framework writes into dumps."""
        return "HybridDiscardedEvent"


class _Dispatches(Observer):
    """Sends the events of each call of an arm."""

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

    def finished(self, event: RequestEvent) -> None:
        for attempt in event.attempts:
            if not attempt.kept and attempt.error is None:
                _dispatcher.event(
                    HybridDiscardedEvent(
                        decision=event.decision.as_dict(),
                        attempt=attempt.as_dict(),
                        method=event.method,
                        query_hash=event.query_hash,
                    )
                )


DISPATCHES: Final = _Dispatches()
"""The observer that every ``HybridLLM`` has."""
