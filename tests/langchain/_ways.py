"""Every way to run a step of a chain, and a recorder of its trace; shared by the tests of this room."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from functools import reduce
from operator import add
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import (
    Runnable,
)

from langchain_hybrid import RunnableHybrid

Way = Callable[..., Awaitable[list[Any]]]


def chat_arms() -> tuple[FakeListChatModel, FakeListChatModel]:
    return FakeListChatModel(responses=["from small"]), FakeListChatModel(responses=["from large"])


def hybrid_of(router: Any, **options: Any) -> RunnableHybrid[Any, Any]:
    return RunnableHybrid(*chat_arms(), router, **options)


def routes(messages: list[AIMessage]) -> list[str]:
    """Return who answered, and check that the decision says the same."""
    answered = [message.text.removeprefix("from ") for message in messages]
    assert answered == [message.response_metadata["hybrid"]["route"] for message in messages]
    return answered


def each(config: Any, n: int) -> list[Any]:
    return config if isinstance(config, list) else [config] * n


async def by_invoke(step: Runnable[Any, Any], inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:
    return [step.invoke(x, c, **kwargs) for x, c in zip(inputs, each(config, len(inputs)), strict=True)]


async def by_ainvoke(step: Runnable[Any, Any], inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:
    return [await step.ainvoke(x, c, **kwargs) for x, c in zip(inputs, each(config, len(inputs)), strict=True)]


async def by_stream(step: Runnable[Any, Any], inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:
    return [reduce(add, step.stream(x, c, **kwargs)) for x, c in zip(inputs, each(config, len(inputs)), strict=True)]


async def by_astream(step: Runnable[Any, Any], inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:
    return [
        reduce(add, [chunk async for chunk in step.astream(x, c, **kwargs)])
        for x, c in zip(inputs, each(config, len(inputs)), strict=True)
    ]


async def by_batch(step: Runnable[Any, Any], inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:
    return step.batch(inputs, config, **kwargs)


async def by_abatch(step: Runnable[Any, Any], inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:
    return await step.abatch(inputs, config, **kwargs)


every_way = pytest.mark.parametrize("way", [by_invoke, by_ainvoke, by_stream, by_astream, by_batch, by_abatch])
both_batches = pytest.mark.parametrize("way", [by_batch, by_abatch])


class Recorder(BaseCallbackHandler):
    """Remembers the runs of a trace."""

    def __init__(self) -> None:
        self.runs: dict[UUID, dict[str, Any]] = {}
        self.tokens: list[str] = []
        self._lock = threading.Lock()

    def _start(self, kind: str, run_id: UUID, **about: Any) -> None:
        with self._lock:
            self.runs[run_id] = {"kind": kind, **about}

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._start("chain", run_id, inputs=inputs, **kwargs)

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._start("model", run_id, **kwargs)

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        self.tokens.append(token)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.runs[run_id]["outputs"] = outputs

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self.runs[run_id]["error"] = error

    def of(self, kind: str) -> list[tuple[UUID, dict[str, Any]]]:
        return [(run_id, run) for run_id, run in self.runs.items() if run["kind"] == kind]
