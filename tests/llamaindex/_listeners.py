"""Handlers that stand where those of hosted services stand, and send nothing."""

from __future__ import annotations

from typing import Any

from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation.event_handlers import BaseEventHandler


class Listens(BaseEventHandler):
    def handle(self, event: Any, **kwargs: Any) -> None:
        pass


class Hears(BaseCallbackHandler):
    def __init__(self) -> None:
        super().__init__([], [])

    def on_event_start(self, *args: Any, **kwargs: Any) -> str:
        return ""

    def on_event_end(self, *args: Any, **kwargs: Any) -> None:
        pass

    def start_trace(self, trace_id: Any = None) -> None:
        pass

    def end_trace(self, trace_id: Any = None, trace_map: Any = None) -> None:
        pass


Listens.__module__ = "openinference.instrumentation.llama_index._handler"
Hears.__module__ = "llama_index.callbacks.langfuse.base"
