"""The promise for the second look: the simulation is honest, and the page says what the results say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.promise_look_real_data import study as real
from benchmarks.promise_look_real_data.page import page
from benchmarks.promise_look_simulation import study as simulation
from benchmarks.promise_look_simulation.worlds import LookWorld, worlds
from hybrid_llm import QualityTable, Router
from hybrid_llm.certify import LEVELS, certify, certify_menu
from hybrid_llm.router.looking import prove_look
from hybrid_llm.testing import FixedScorer

pytestmark = pytest.mark.slow  # a study each

N = 400
PAIR = QualityTable.from_rows(
    {"id": i, "query": f"query {i}", "quality": {"small": [1.0], "large": [1.0]}} for i in range(N)
).pair("small", "large")


@pytest.fixture(scope="module")
def all_worlds() -> list[LookWorld]:
    return worlds()


def test_the_claims_hold_in_a_short_run(all_worlds, monkeypatch):
    monkeypatch.setattr(simulation, "worlds", lambda: all_worlds)
    verdicts = simulation.claims(simulation.run((300, 2000), 30))
    assert len(verdicts) == 4
    assert all(verdicts.values()), verdicts


def test_the_simulation_tests_what_a_router_s_certificate_tests(all_worlds):
    parts = Router(FixedScorer()).parts
    for world in all_worlds:
        places, shown = world.draw(np.random.default_rng(3), 2, N)
        batch = world.batch(places, shown)
        for number in range(2):
            rows = replace(world.rows.take(places[number].ravel()), query=np.repeat(np.arange(N), world.samples))
            if world.gaps:  # as a table that lacks the checker's answers there
                lacks = ~shown[number].ravel()
                columns = {name: np.where(lacks, np.nan, column) for name, column in rows.columns.items()}
                rows = replace(rows, columns=columns)
            for max_drop in (0.03, 0.1):
                options = {"confidence": 0.95, "data": "", "measured_by": "", "void_reason": "", "menu": False}
                menu = prove_look(parts, world.look, rows, PAIR, max_drop=max_drop, **options)
                rung = batch.proved(max_drop, 0.95, likely=world.ladder.heights.size // 3)[number]
                assert menu.asked.threshold == (world.ladder.heights[rung] if rung >= 0 else 2.0), world.name
                assert menu.asked.n == batch.n[number], world.name
                if rung >= 0:
                    assert menu.asked.cost_advantage == pytest.approx(batch.kept[number, rung])
                    assert menu.asked.drop == pytest.approx(batch.drop[number, rung])


def test_what_the_simulation_takes_for_the_truth_is_what_it_draws(all_worlds):
    for world in all_worlds:
        batch = replace(world, gaps=0.0)
        places, shown = batch.draw(np.random.default_rng(0), 1, 60_000)
        drawn = batch.batch(places, shown, gaps_as_large=True)
        share, drop = world.truth()
        assert drawn.kept[0] == pytest.approx(share, abs=0.01), world.name
        assert drawn.drop[0] == pytest.approx(drop, abs=0.01), world.name


def test_worlds_have_something_to_break(all_worlds):
    for world in all_worlds:
        _, drop = world.truth()
        assert (drop > min(world.drops)).any(), world.name


def made_up(n: int = 1200) -> real.PathScores:
    rng = np.random.default_rng(0)
    heights, large = rng.random(n), np.ones(n)
    small = (rng.random(n) >= 0.3 * (1 - heights)).astype(float)
    blurred = np.clip(heights + rng.normal(0, 0.5, n), 0, 1)
    grid, everybody = (np.arange(200) / 200)[::-1], np.ones(n, dtype=bool)
    return real.PathScores(
        "made up",
        real.Judged(heights, heights > 0.1, small, large, grid[:-1]),
        real.Judged(blurred, everybody, small, large, grid),
    )


def test_the_study_of_real_pairs_judges_draws_against_all_rows():
    cells = real.study(made_up(), sizes=(600, 2000), repetitions=20)
    draws = [c for c in cells if c["way"] == "draws"]
    assert len(cells) == 3 * len(real.DROPS)
    assert all(c[rule]["broken"] <= 0.1 for c in draws for rule in real.RULES[:4])
    assert max(c["look, empirical"]["broken"] for c in draws) > 0.2
    assert all(c["look in a menu"]["cost_advantage"] <= c["look"]["cost_advantage"] for c in draws)
    assert all(c["look"]["cost_advantage"] <= c["best"]["look"] + 0.05 for c in draws)
    assert page(cells).count("second look, in a menu, 600 queries") == 1


def test_the_study_proves_what_certify_proves():
    pair = made_up()
    for way, families in ((pair.look, 2), (pair.query, 1)):
        rows = np.random.default_rng(1).integers(1200, size=900)
        columns = (way.heights[rows], way.small[rows], way.large[rows])
        options = {"thresholds": way.thresholds, "eligible": way.eligible[rows]}
        for max_drop in real.DROPS:
            alone, menu = real.proved(way.evidence(rows), max_drop, families * len(LEVELS))
            grid = np.append(way.thresholds, 2.0)  # -1: always large
            assert certify(*columns, max_drop, **options).threshold == grid[alone]
            assert certify_menu(*columns, max_drop, **options, families=families).asked.threshold == grid[menu]
