"""Runs that say nothing word by word: those of an answer that may not be shown."""

from __future__ import annotations

from typing import Any, Final, cast

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.base import BaseTracer

from hybrid_llm.dispatch import HOSTED, is_behind
from langchain_hybrid._held import NOT_STREAMED

_UNREAD: Final = (BaseCallbackHandler.on_llm_new_token, AsyncCallbackHandler.on_llm_new_token)


def muted(config: RunnableConfig) -> RunnableConfig:
    """Return a config whose runs are told of as a whole, and that no reader of tokens sees.

    In shadow nobody at all: the run above has ended, and so have its readers.

    Args:
        config: That of a run, with a callback manager of its own.
    """
    callbacks = cast("BaseCallbackManager", config["callbacks"]).copy()
    if is_behind():
        ours = [each for each in callbacks.inheritable_handlers if getattr(each, "behind", False)]
        callbacks.handlers, callbacks.inheritable_handlers, callbacks.parent_run_id = ours, [*ours], None
    callbacks.add_tags([NOT_STREAMED], inherit=True)
    callbacks.handlers = list(map(_muted, callbacks.handlers))
    callbacks.inheritable_handlers = list(map(_muted, callbacks.inheritable_handlers))
    return {**config, "callbacks": callbacks}


def reads_tokens(handler: BaseCallbackHandler) -> bool:
    """Return whether a handler shows tokens to somebody, as a stream does; a tracer only keeps them."""
    kind = type(handler)
    traces = isinstance(handler, BaseTracer) or kind.__module__.partition(".")[0] in HOSTED
    return not traces and kind.on_llm_new_token not in _UNREAD


def _muted(handler: BaseCallbackHandler) -> BaseCallbackHandler:
    if isinstance(handler, _StreamingCallbackHandler) or reads_tokens(handler):
        return cast("BaseCallbackHandler", _Muted(handler))
    return handler


class _Muted:
    """A handler without its ears for tokens; no model streams for the sake of it."""

    def __init__(self, handler: BaseCallbackHandler) -> None:
        self._handler = handler

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    def on_llm_new_token(self, *_: Any, **__: Any) -> None:
        """Hear nothing."""

    def on_stream_event(self, *_: Any, **__: Any) -> None:
        """Hear nothing."""
