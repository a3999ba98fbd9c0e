"""The examples with HybridLLM on the real servers: which server answered which question."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.live.test_examples_live import output_of

pytestmark = pytest.mark.live


def says(servers: Any) -> dict[str, str]:
    return {"small": servers.small_says, "large": servers.large_says}


def test_the_llm_of_everything(servers: Any) -> None:
    output = output_of("llamaindex_settings_llm.py", servers.settings)
    assert "stand-in" not in output
    answered = re.findall(r"^  (small|large) \(\w+\)  .+\n +(This .+)$", output, re.MULTILINE)
    assert len(answered) == 8
    assert {route for route, _ in answered} == {"small", "large"}
    assert all(answer == says(servers)[route] for route, answer in answered)


def test_the_agent_calls_its_tool_on_both_servers(servers: Any) -> None:
    output = output_of("llamaindex_agent.py", servers.settings)
    found = re.findall(r"^  (\w+) \(score\)  .+\n      get_current_weather: +(.+)$", output, re.MULTILINE)
    assert len(found) == 4
    assert {route for route, _ in found} == {"small", "large"}
    assert all(answer == says(servers)[route] for route, answer in found)


def test_the_levels(servers: Any) -> None:
    levels, engine, stream, refused = output_of("llamaindex_levels.py", servers.settings).split("\n\n")[1:]
    assert len(levels.splitlines()) == 6
    assert [line.strip().split(maxsplit=1)[1].strip() for line in engine.splitlines()[1:]] == [
        servers.large_says,
        servers.small_says,
    ]
    assert servers.small_says in stream
    assert "cost advantage 0 to 0.8" in refused
