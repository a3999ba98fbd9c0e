"""A small server that may say anything: calls through a proxy that breaks its answers, and kills.

``python -m benchmarks.chaos.run`` makes 2,000 of them with twenty kills; ``HYBRID_CHAOS_CALLS`` sets the number here.
"""

from __future__ import annotations

import os

import pytest

from tests.live._chaos import ChaosServers
from tests.live._chaos_run import run

pytestmark = [
    pytest.mark.live,
    pytest.mark.allow_hosts(["127.0.0.1"]),
    pytest.mark.filterwarnings("ignore::hybrid_llm.errors.HybridLLMWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # clients that were cancelled
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def test_nothing_is_lost_before_the_first_token_and_no_cut_answer_passes_for_a_whole_one(chaos: ChaosServers) -> None:
    calls = int(os.environ.get("HYBRID_CHAOS_CALLS", "150"))
    kills = max(2, calls // 100)
    tally = run(chaos, calls, kills)
    assert tally.calls == calls, tally
    assert not tally.raised_before, tally
    assert not tally.cut, tally
    assert tally.small > 0
    assert tally.large > 0
    assert tally.kills == kills
    assert tally.threads_left == 0


def test_where_answers_are_held_back_not_even_one_that_breaks_in_the_middle_is_lost(chaos: ChaosServers) -> None:
    calls = int(os.environ.get("HYBRID_CHAOS_CALLS", "150"))
    tally = run(chaos, calls, kills=max(2, calls // 50), holds=True)
    assert not tally.raised_before, tally
    assert not tally.raised_after, tally
    assert not tally.cut, tally
    assert tally.small + tally.large == calls, tally
    assert tally.small > 0
    assert tally.large >= calls // 2, tally  # every second answer of small is rejected
    assert tally.threads_left == 0
