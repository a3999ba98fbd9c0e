"""The parts of a run that invoke, stream and batch share, sync and async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import RunnableLike, coerce_to_runnable
from langchain_core.runnables.config import ensure_config, get_config_list
from langchain_core.runnables.utils import Input, Output

from hybrid_llm.dispatch import Request


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


def configs_of(config: RunnableConfig | list[RunnableConfig] | None, inputs: Sequence[Any]) -> list[RunnableConfig]:
    """Return the config of each input of a batch, complete."""
    return [ensure_config(one) for one in get_config_list(config, len(inputs))] if inputs else []


def read_each(
    read: Callable[[Any, RunnableConfig], Request], inputs: Sequence[Any], configs: Sequence[RunnableConfig]
) -> list[Request | Exception]:
    """Return the request of each input; in the place of one that cannot be read, its error."""

    def one(value: Any, config: RunnableConfig) -> Request | Exception:
        try:
            return read(value, config)
        except Exception as error:  # noqa: BLE001 - one bad input of a batch is that input's own error
            return error

    return list(map(one, inputs, configs))


@asynccontextmanager
async def closing_stream(stream: AsyncIterator[Any]) -> AsyncIterator[None]:
    """Close a stream when its reader stops early, so that the arm's connection does not wait for the collector."""
    try:
        yield
    finally:
        if hasattr(stream, "aclose"):  # an async iterator need not be a generator
            await stream.aclose()
