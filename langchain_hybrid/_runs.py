"""The parts of a run that invoke, stream and batch share, sync and async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import RunnableLike, coerce_to_runnable
from langchain_core.runnables.config import patch_config
from langchain_core.runnables.utils import Input, Output

from hybrid_llm.decision import Decision

Value = TypeVar("Value")


def as_arm(side: str, arm: RunnableLike[Input, Output]) -> Runnable[Input, Output]:
    """Make an arm a runnable.

    Raises:
        TypeError: It is a string, or nothing that can be made one.
    """
    if isinstance(arm, str):
        raise TypeError(
            f"{side}={arm!r} is a name; pass the model itself, such as ChatOllama(model={arm!r}) or "
            f"init_chat_model({arm!r})."
        )
    try:
        return cast("Runnable[Input, Output]", coerce_to_runnable(arm))
    except TypeError:
        raise TypeError(
            f"{side}= takes a runnable (a chat model, a chain), a function or a dict; got {type(arm).__name__}."
        ) from None


def child_config(
    config: RunnableConfig, run: CallbackManagerForChainRun | AsyncCallbackManagerForChainRun, decision: Decision
) -> RunnableConfig:
    """Return the config of the arm's run: tagged with the route, the decision in its metadata."""
    callbacks = run.get_child(tag=f"route:{decision.route}")
    callbacks.add_metadata({"hybrid": decision.as_dict()}, inherit=False)
    return patch_config(config, callbacks=callbacks)


def with_decision(output: Value, decision: Decision) -> Value:
    """Return a copy of a chat message (or the first chunk of one) with the decision; any other output as it is."""
    if not isinstance(output, AIMessage):
        return output
    return output.model_copy(update={"response_metadata": {**output.response_metadata, "hybrid": decision.as_dict()}})


def shows_something(chunk: Any) -> bool:
    """Return whether a chunk of a stream shows its reader anything; before that, the other arm may still answer."""
    if isinstance(chunk, AIMessageChunk):
        return bool(chunk.content or chunk.tool_call_chunks or chunk.additional_kwargs)
    return bool(chunk) if isinstance(chunk, str) else True


def decision_of(outcome: Decision | Exception) -> Decision:
    """Return the decision, or raise the error that stands in its place."""
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def raise_first(outcomes: Sequence[Decision | Exception], *, unless: bool) -> None:
    """Raise the first error among the outcomes, if there is one and errors are not to be returned."""
    for outcome in outcomes:
        if not unless:
            decision_of(outcome)


@asynccontextmanager
async def closing_stream(stream: AsyncIterator[Any]) -> AsyncIterator[None]:
    """Close a stream when its reader stops early, so that the arm's connection does not wait for the collector."""
    try:
        yield
    finally:
        if hasattr(stream, "aclose"):  # an async iterator need not be a generator
            await stream.aclose()
