"""What several files of the LangChain tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache


@pytest.fixture
def nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a hosted tracer nor a proxy stands in the environment."""
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cache() -> Iterator[InMemoryCache]:
    """LangChain's cache, in memory and for one test."""
    made = InMemoryCache()
    set_llm_cache(made)
    yield made
    set_llm_cache(None)
