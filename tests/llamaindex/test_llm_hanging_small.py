"""A small server that takes connections and never answers: hundreds of calls leave no threads and sockets behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama as client
import pytest
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.llms.ollama import Ollama

from hybrid_llm.dispatch import Breaker, PairState
from hybrid_llm.dispatch import ollama as ollama_room
from hybrid_llm.dispatch.left_behind import MOST
from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridLLM
from llamaindex_hybrid.testing import FakeLLM
from tests.covering import covering
from tests.llamaindex._arms import WAYS, Way
from tests.silent_server import ato, descriptors, settled, silent_server, threads, to

pytestmark = [
    pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning"),
    # an async client that is cancelled while it connects leaves the socket to the collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SOON = 0.02
CALLS = MOST + 4
METHODS: dict[str, Any] = {
    "chat": (([ChatMessage("2+2?")],), {}),
    "complete": (("2+2?",), {}),
    "predict": ((PromptTemplate("{query_str}"),), {"query_str": "2+2?"}),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(ollama_room, "_PATIENCE", 0.2)
    with silent_server() as path:
        yield path


def hybrid(path: Path, **settings: Any) -> HybridLLM:
    """Return a hybrid whose breaker never opens by itself: each call tries small."""
    clients = {
        "client": client.Client("http://small", transport=to(path)),
        "async_client": client.AsyncClient("http://small", transport=ato(path)),
    }
    small = Ollama(model="m", **{"context_window": 4096, **settings}, **clients)
    state = PairState({"small": Breaker(failures=10**6), "large": Breaker()})
    return HybridLLM(small, FakeLLM(model="large"), FixedScorer(0.9), threshold=0.5, small_timeout=SOON, state=state)


@pytest.mark.slow
@covering(pytest.mark.parametrize("way", WAYS, ids=str), pytest.mark.parametrize("method", METHODS))
async def test_calls_that_are_given_up_on_leave_nothing_behind(way: Way, method: str, server: Path) -> None:
    llm = hybrid(server)
    args, kwargs = METHODS[method]
    await asyncio.to_thread(int)  # the loop's own thread comes to be
    before = descriptors()
    for _ in range(CALLS):
        await way.all_of(llm, method, *args, **kwargs)
        assert threads() <= MOST + 2
    assert settled() == 0
    await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) == 1
    assert descriptors() - before <= MOST + 2


@pytest.mark.slow
def test_asking_a_hung_server_what_its_model_reads_leaves_nothing_behind_either(
    server: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llamaindex_hybrid._capabilities._PATIENCE", SOON)
    before = descriptors()
    for _ in range(10):
        assert hybrid(server, context_window=-1).metadata.context_window > 0
    assert settled() == 0
    assert descriptors() - before <= MOST + 2
