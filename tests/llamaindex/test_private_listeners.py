"""Who listens to a private call from where nobody looks first: branches of the instrumentation, the checker, heirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from llama_index import core
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler

from hybrid_llm.errors import PrivateError
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._arms import hybrid

SECRET = [ChatMessage("Is my salary fair?")]


class Listens(BaseEventHandler):
    def handle(self, event: Any, **kwargs: Any) -> None:
        pass


class OfWeave(Listens):
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


class Heir(Hears):
    """A handler of the user's own that does what a service's does."""


Listens.__module__ = "openinference.instrumentation.llama_index._handler"
OfWeave.__module__ = "weave.integrations.llamaindex.llamaindex"
Hears.__module__ = "llama_index.callbacks.langfuse.base"


@pytest.fixture
def listening(request: pytest.FixtureRequest) -> Iterator[None]:
    name, handler = request.param
    dispatcher = get_dispatcher(name)
    before = list(dispatcher.event_handlers)
    dispatcher.add_event_handler(handler)
    yield
    dispatcher.event_handlers[:] = before


@pytest.mark.parametrize(
    "listening", [("llama_index.core.llms.callbacks", Listens()), ("root", OfWeave())], indirect=True, ids=str
)
@pytest.mark.usefixtures("listening")
def test_a_service_is_noticed_at_any_dispatcher() -> None:
    with pytest.raises(PrivateError, match=r"sends its text to (openinference|weave)"):
        hybrid(private=True).chat(SECRET)


def test_a_global_handler_is_noticed_that_was_set_after_the_models_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    llm = hybrid(private=True)
    monkeypatch.setattr(core, "global_handler", Hears())  # engines that are made now have it
    with pytest.raises(PrivateError, match=r"sends its text to callbacks\.langfuse"):
        llm.chat(SECRET)


def test_a_service_is_noticed_where_the_checker_brings_it_and_by_a_class_of_its_handlers_class() -> None:
    checker = FakeLLM(model="checker", callback_manager=CallbackManager([Hears()]))
    with pytest.raises(PrivateError, match=r"sends its text to callbacks\.langfuse"):
        hybrid(private=True, checker=checker, check=lambda *_: True).chat(SECRET)
    with pytest.raises(PrivateError, match=r"sends its text to callbacks\.langfuse"):
        hybrid(private=True, callback_manager=CallbackManager([Heir()])).chat(SECRET)
