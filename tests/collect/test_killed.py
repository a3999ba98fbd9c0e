"""A process that is killed at any moment loses what was in flight and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.collect import killed

KILLS = 50


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(killed.os, "fork"), reason="processes are forked here")
def test_killed_at_fifty_moments_every_answer_is_there_and_none_was_asked_for_twice(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, killed.__file__, str(tmp_path / "pair"), str(KILLS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rounds = json.loads(done.stdout)
    stopped_at = {len(found["answered"]) for found in rounds[:-1]}
    assert len(stopped_at) > 10  # the kills came at many moments
    before = {"asked": [], "answered": []}
    for found in rounds:
        anew = found["asked"][len(before["asked"]) :]
        assert not set(anew) & set(before["answered"])  # what is answered is not asked for again
        assert set(before["answered"]) <= set(found["answered"])  # and stays
        lost = set(anew) - set(found["answered"])
        assert len(lost) <= 2 * killed.PARALLEL  # but for what was in flight
        before = found
    last = rounds[-1]["answered"]
    assert len(last) == len(set(last)) == 2 * killed.PROMPTS
    again = Counter(rounds[-1]["asked"])
    assert sum(again.values()) - len(again) <= KILLS * 2 * killed.PARALLEL
