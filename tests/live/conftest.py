"""The real servers: an Ollama with ``tiny-small`` and an OpenAI-compatible server with ``tiny-large``.

Each model always gives one sentence that names itself, so a test sees which server answered.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.live._chaos import ChaosServers, chaos_servers

SMALL_SAYS = "This answer comes from the small local model."
LARGE_SAYS = "This answer comes from the large hosted model."


@dataclass(frozen=True)
class Servers:
    """Where the two servers listen, and what their models say."""

    ollama: str
    openai: str
    small_says: str = SMALL_SAYS
    large_says: str = LARGE_SAYS

    @property
    def settings(self) -> dict[str, str]:
        """The variables that make an example use them."""
        return {
            "OLLAMA_HOST": self.ollama,
            "OPENAI_BASE_URL": self.openai,
            "OPENAI_API_KEY": "none",
            "SMALL_MODEL": "tiny-small",
            "LARGE_MODEL": "tiny-large",
        }


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip every live test at this one line, so that the summary has one line for all of them."""
    if not ("HYBRID_LIVE_OLLAMA" in os.environ and "HYBRID_LIVE_OPENAI" in os.environ):
        pytest.skip("the live tests need real servers: set HYBRID_LIVE_OLLAMA and HYBRID_LIVE_OPENAI (.ci/run does)")


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The servers that run."""
    return Servers(os.environ["HYBRID_LIVE_OLLAMA"], os.environ["HYBRID_LIVE_OPENAI"])


@pytest.fixture
async def http() -> AsyncIterator[dict[str, Any]]:
    """HTTP clients that are closed after the test (left alone, the model classes close theirs when collected)."""
    with httpx.Client() as client:
        async with httpx.AsyncClient() as async_client:
            yield {"sync": client, "async": async_client}


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosServers]:
    """Servers of the module's own, which its tests may break; both are up when a module starts."""
    with chaos_servers(tmp_path_factory.mktemp("chaos")) as servers:
        yield servers
