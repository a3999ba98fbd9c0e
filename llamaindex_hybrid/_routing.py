"""The way of every call: decide once, call the same method of the chosen arm, note on the answer where it came from."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse, ThinkingBlock, ToolCallBlock
from llama_index.core.bridge.pydantic import BaseModel
from llama_index.core.instrumentation import get_dispatcher  # type: ignore[attr-defined]

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import Failover, Policy, Request
from llamaindex_hybrid._capabilities import Arm
from llamaindex_hybrid._history import HYBRID
from llamaindex_hybrid.events import HybridRoutingEvent

T = TypeVar("T")
Background = Literal["large", "small", "route"]
_dispatcher = get_dispatcher(__name__)


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One call of the user's.

    Args:
        method: The method of an arm that answers it.
        request: What the router is told.
        arguments: Returns the positional and keyword arguments for an arm; fresh ones each time it is called.
        tools: Whether the method is one that only function-calling models have.
    """

    method: str
    request: Request
    arguments: Callable[[Arm], tuple[tuple[Any, ...], dict[str, Any]]]
    tools: bool = False

    def put(self, arm: Arm) -> Any:
        """Call the arm.

        Raises:
            ValueError: It calls no functions, and the method needs one that does.
        """
        if self.tools and not arm.calls_functions:
            raise ValueError(
                f"{self.method}() needs a function-calling model, and {arm.side} ({arm.name}) is none. If it can call "
                "functions, say so where it is made: is_function_calling_model=True."
            )
        args, kwargs = self.arguments(arm)
        return getattr(arm.llm, self.method)(*args, **kwargs)


class Routing:
    """The core's policy and failover between two arms.

    Args:
        arms: Both arms, by side.
        policy: What decides.
        failover: What happens when an arm breaks.
        background: Where calls without a text of the user's go.
    """

    def __init__(self, arms: dict[Route, Arm], policy: Policy, failover: Failover, background: Background) -> None:
        self.arms = arms
        self.policy = policy
        self.failover = failover
        self._background: Background = background

    def call(self, ask: Ask[T]) -> T:
        """Return the answer."""
        start = time.perf_counter()
        decision = self._settled(self._policy_now().decide(ask.request))
        tell = self._teller(ask, start)
        value, came = self.failover.call(decision, lambda decision: ask.put(tell(decision)))
        return cast("T", _marked(value, came.as_dict()))

    async def acall(self, ask: Ask[T]) -> T:
        """Do what :meth:`call` does, with a method that is a coroutine."""
        start = time.perf_counter()
        decision = self._settled(await self._policy_now().adecide(ask.request))
        tell = self._teller(ask, start)

        async def answer(decision: Decision) -> Any:
            return await ask.put(tell(decision))

        value, came = await self.failover.acall(decision, answer)
        return cast("T", _marked(value, came.as_dict()))

    def stream(self, ask: Ask[T]) -> Generator[T, None, None]:
        """Decide now, and yield the chunks as they are read."""
        start = time.perf_counter()
        decision = self._settled(self._policy_now().decide(ask.request))
        tell = self._teller(ask, start)

        def chunks() -> Generator[T, None, None]:
            record: dict[str, Any] | None = None
            for chunk, came in self.failover.stream(decision, lambda decision: ask.put(tell(decision)), _shows):
                record = record or came.as_dict()
                yield _marked(chunk, record)

        return chunks()

    async def astream(self, ask: Ask[T]) -> AsyncGenerator[T, None]:
        """Decide now, and return what yields the chunks as they are read."""
        start = time.perf_counter()
        decision = self._settled(await self._policy_now().adecide(ask.request))
        tell = self._teller(ask, start)

        async def answer(decision: Decision) -> AsyncIterator[T]:
            stream = await ask.put(tell(decision))
            async with aclosing(stream):
                async for chunk in stream:
                    yield chunk

        async def chunks() -> AsyncGenerator[T, None]:
            record: dict[str, Any] | None = None
            async with aclosing(self.failover.astream(decision, answer, _shows)) as items:
                async for chunk, came in items:
                    record = record or came.as_dict()
                    yield _marked(chunk, record)

        return chunks()

    def _policy_now(self) -> Policy:
        """Return the policy; an arm's context window may have become known since the last call."""
        self.policy.small, self.policy.large = self.arms["small"].capabilities, self.arms["large"].capabilities
        return self.policy

    def _settled(self, decision: Decision) -> Decision:
        """Return the decision, or for a call without a text of the user's the one of the constructor."""
        if decision.reason == "no_text" and self._background == "small":
            return decision.override(route="small")
        return decision

    def _teller(self, ask: Ask[T], start: float) -> Callable[[Decision], Arm]:
        """Return what tells observability tools which arm is called next, and hands that arm over."""
        milliseconds = 1000 * (time.perf_counter() - start)
        text = ask.request.text
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16] if text else ""

        def tell(decision: Decision) -> Arm:
            arm = self.arms[decision.route]
            _dispatcher.event(
                HybridRoutingEvent(
                    decision=decision.as_dict(),
                    model=arm.name,
                    method=ask.method,
                    query_hash=digest,
                    latency_ms=milliseconds,
                )
            )
            return arm

        return tell


def _marked(value: T, record: dict[str, Any]) -> T:
    """Return an answer with the decision on it, and on its message, which is what a conversation keeps."""
    if isinstance(value, CompletionResponse):
        return value.model_copy(update={"additional_kwargs": {**value.additional_kwargs, HYBRID: dict(record)}})
    if not isinstance(value, ChatResponse):
        return value
    extras = {**value.message.additional_kwargs, HYBRID: dict(record)}
    message = value.message.model_copy(update={"additional_kwargs": extras})
    return value.model_copy(
        update={"message": message, "additional_kwargs": {**value.additional_kwargs, HYBRID: dict(record)}}
    )


def _shows(chunk: Any) -> bool:
    """Return whether a chunk shows its reader anything; before that, the other arm may still answer."""
    if isinstance(chunk, CompletionResponse):
        return bool(chunk.delta or chunk.text)
    if isinstance(chunk, ChatResponse):
        message = chunk.message
        return bool(
            chunk.delta
            or message.content
            or chunk.additional_kwargs.get("thinking_delta")
            or message.additional_kwargs.get("tool_calls")
            or any(isinstance(block, (ToolCallBlock, ThinkingBlock)) for block in message.blocks)
        )
    if isinstance(chunk, BaseModel):  # a partial object of stream_structured_predict
        return any(value is not None for _, value in chunk)
    return bool(chunk)
