"""A folder is whole at every moment, whatever interrupts its writing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ours = pytest.mark.skipif(not hasattr(os, "fork"), reason="interrupted in forked processes")


@pytest.mark.slow
@ours
@pytest.mark.parametrize("way", ["exchange", "renames"])
@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_interrupted_at_any_call_the_old_folder_or_the_new_one_is_there(tmp_path: Path, signal: str, way: str) -> None:
    program = Path(__file__).with_name("interrupted.py")
    done = subprocess.run([sys.executable, program, tmp_path, signal, way], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["calls"] > 40
    assert seen["old"] > 5
    assert seen["new"] > 5
    assert set(seen) <= {"calls", "old", "new", "away"}
    if way == "exchange" and sys.platform == "linux":
        assert not seen["away"], "there was a moment without a folder"
