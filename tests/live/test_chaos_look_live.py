"""A second look while small is killed and stopped in the middle of its answers: nothing lost, glued or mislabelled."""

from __future__ import annotations

import pytest

from tests.live._chaos import free_port, servers_home
from tests.live._chaos_look import run
from tests.live._llama_server import look_servers

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_held_answers_survive_it() -> None:
    with look_servers(servers_home(), (free_port(), free_port())) as (small, large):
        tally = run(small, large, calls=150, kills=2, stops=2)
    assert not tally.lost
    assert tally.wrong == []
    assert (tally.calls, tally.kills, tally.stops, tally.threads_left) == (150, 2, 2, 0)
    assert tally.in_the_middle
    assert {"kept", "escalated", "fallback"} <= set(tally.reasons)
