"""Who listens to a private call from where nobody looks first: branches of the instrumentation, the checker, heirs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from llama_index import core
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.instrumentation import get_dispatcher

from hybrid_llm.errors import PrivateError
from llamaindex_hybrid.testing import FakeLLM
from tests.llamaindex._arms import hybrid
from tests.llamaindex._listeners import Hears, Listens

SECRET = [ChatMessage("Is my salary fair?")]


class OfWeave(Listens):
    pass


class Heir(Hears):
    """A handler of the user's own that does what a service's does."""


OfWeave.__module__ = "weave.integrations.llamaindex.llamaindex"


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
