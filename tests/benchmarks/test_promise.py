from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.promise_real_data.page import table
from benchmarks.promise_real_data.study import PairScores, study
from benchmarks.promise_simulation.study import choices
from benchmarks.promise_simulation.worlds import BINS, worlds
from hybrid_llm.certify import Evidence, certify

pytestmark = pytest.mark.slow  # a study each

ROOT = Path(__file__).resolve().parents[2]


def test_the_claims_of_the_promise_hold_in_a_short_run():
    command = [sys.executable, "-m", "benchmarks.promise_simulation.run", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("holds: ") == 3


def test_the_simulation_tests_what_certify_does():
    rng = np.random.default_rng(0)
    for world in worlds():
        scores, small, large, groups = world.draw(rng, 800)
        rows = Evidence.gather(scores, small, large, groups=groups)
        for max_drop in (0.02, 0.1):
            index = choices(rows, max_drop, likely=BINS // 3)["betting"]
            threshold = rows.thresholds[index] if index >= 0 and rows.routed[index] else 2.0
            assert certify(scores, small, large, max_drop, groups=groups).threshold == threshold


def test_what_the_simulation_takes_for_the_truth_is_what_it_draws():
    rng = np.random.default_rng(0)
    for world in worlds():
        scores, small, large, groups = world.draw(rng, 200_000)
        weights = None if groups is None else 1.0 / np.bincount(groups)[groups]
        routed = scores >= 0.5
        drop = np.average(routed * (large - small), weights=weights) / np.average(large, weights=weights)
        share, truth = world.truth(np.array([0.5]))
        assert drop == pytest.approx(truth[0], abs=0.005)
        assert np.average(routed, weights=weights) == pytest.approx(share[0], abs=0.005)


def test_the_study_of_real_pairs_judges_draws_against_all_rows():
    rng = np.random.default_rng(0)
    scores = rng.random(1200)
    small = (rng.random(1200) >= 0.3 * (1 - scores)).astype(float)
    cells = study(PairScores("made up", scores, small, np.ones(1200)), repetitions=20)
    draws = [c for c in cells if c["way"] == "draws"]
    assert all(c["ours"]["broken"] <= 0.1 for c in draws)
    assert max(c["empirical"]["broken"] for c in draws) > 0.2
    assert all(c["ours"]["cost_advantage"] <= c["best"] + 0.05 for c in draws)
    assert table(cells).count("made up, 600 queries") == 4


def test_a_table_is_written_between_its_markers_only(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin: x -->\nold\n<!-- end: x -->\nafter\n", encoding="utf-8")
    write_between(page, "x", markdown(["a", "b"], [["1", "2"]]))
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| 1 | 2 |" in text
    assert "old" not in text
    with pytest.raises(ValueError, match="needs the lines"):
        write_between(page, "y", "")


def test_the_claims_of_the_page_on_audits_hold_in_a_short_run():
    command = [sys.executable, "-m", "benchmarks.audit.run", "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("holds: ") == 3
