"""On Ray every row is scored once and as it is elsewhere, also when a worker is killed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import _ray_run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs pip install 'hybrid-llm[ray]'"),
]
ROOT = Path(__file__).resolve().parents[2]


def test_every_row_is_there_once_with_its_score_though_a_worker_was_killed_and_in_a_cluster_that_was_joined(tmp_path):
    child = [sys.executable, _ray_run.__file__, str(tmp_path)]
    done = subprocess.run(child, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert int(found["died"])  # somebody did die
    assert found["workers"] == [2, 1]  # an actor on each core, and no more than there are parts
    assert found["new"] == [60, 20]  # what was scored without Ray stays
    for name in ("killed", "joined"):
        assert found["rows"][name] == list(range(len(_ray_run.QUERIES)))
        assert found["scores"][name] == found["alone"]
