"""HybridSelector between query engines on a real Ollama and a real OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from llama_index.core import SummaryIndex
from llama_index.core.query_engine import RouterQueryEngine
from llama_index.core.schema import TextNode
from llama_index.core.tools import QueryEngineTool
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai_like import OpenAILike
from ollama import AsyncClient, Client

from hybrid_llm.testing import FixedScorer
from llamaindex_hybrid import HybridQueryBundle, HybridSelector

pytestmark = [pytest.mark.live, pytest.mark.allow_hosts(["127.0.0.1"])]

EngineOf = Callable[..., RouterQueryEngine]


@pytest.fixture
async def engine_of(servers: Any, http: dict[str, Any]) -> AsyncIterator[EngineOf]:
    """Makes router query engines over one index, and closes their connections."""
    async with AsyncClient(servers.ollama) as async_client:
        with Client(servers.ollama) as client:
            small = Ollama(model="tiny-small", context_window=2048, client=client, async_client=async_client)
            large = OpenAILike(
                model="tiny-large",
                api_base=servers.openai,
                api_key="none",
                is_chat_model=True,
                context_window=2048,
                http_client=http["sync"],
                async_http_client=http["async"],
            )
            index = SummaryIndex([TextNode(text="Lima is the capital of Peru.")])
            selector = HybridSelector(FixedScorer({"easy": 0.9, "hard": 0.1}), threshold=0.5)

            def make(**options: Any) -> RouterQueryEngine:
                engines = [("small", index.as_query_engine(small, **options))]
                engines.append(("large", index.as_query_engine(large, **options)))
                tools = [QueryEngineTool.from_defaults(engine, name=name, description=name) for name, engine in engines]
                return RouterQueryEngine(selector, tools, llm=large)

            yield make


def answers_of(servers: Any) -> list[tuple[Any, str]]:
    """Return queries and who is to answer them."""
    return [
        ("easy", servers.small_says),
        ("hard", servers.large_says),
        (HybridQueryBundle("hard", threshold=0.0), servers.small_says),
        (HybridQueryBundle("easy", threshold=2.0), servers.large_says),
    ]


async def test_query(servers: Any, engine_of: EngineOf) -> None:
    engine = engine_of()
    for query, says in answers_of(servers):
        response = engine.query(query)
        assert str(response).strip() == says
        assert response.metadata["selector_result"].reason.startswith("p(small is good enough)=")


async def test_aquery(servers: Any, engine_of: EngineOf) -> None:
    engine = engine_of()
    for query, says in answers_of(servers):
        assert str(await engine.aquery(query)).strip() == says


async def test_a_streaming_query(servers: Any, engine_of: EngineOf) -> None:
    engine = engine_of(streaming=True)
    for query, says in answers_of(servers):
        tokens = list(engine.query(query).response_gen)
        assert len(tokens) > 3
        assert "".join(tokens).strip() == says


async def test_a_streaming_aquery(servers: Any, engine_of: EngineOf) -> None:
    engine = engine_of(streaming=True, use_async=True)
    for query, says in answers_of(servers):
        response: Any = await engine.aquery(query)
        tokens = [token async for token in response.async_response_gen()]
        assert len(tokens) > 3
        assert "".join(tokens).strip() == says
