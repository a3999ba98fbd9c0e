"""The benchmarks of the recipe ``full``: what they make of runs, and what a size costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks.full import run as full
from benchmarks.full import trained
from benchmarks.full.trained import HEAD, Outcome, RunSpec, outcomes, rows_of
from benchmarks.full_sizes import run as full_sizes
from benchmarks.full_sizes.page import table_of
from tests.benchmarks.test_paper_figures import write_table

PAIR, FULL = "mmlu", "full, 2 epochs"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_table(folder, "routellm_mmlu", ["Mixtral-8x7B-Instruct-v0.1"], "gpt-4-1106-preview", 600)
    return folder


def run_with(scores: np.ndarray, losses: tuple[float, ...] = (0.5,)) -> Outcome:
    return Outcome(360, 12.0, 345.0, {"epochs": [{"loss": loss} for loss in losses]}, scores.tolist())


def test_so_many_training_rows_are_drawn_and_every_test_row_is_judged(data: Path) -> None:
    few, test = rows_of(data, PAIR, 50)
    every, same = rows_of(data, PAIR, full.ALL)
    assert (len(few), len(every), len(test)) == (50, 360, len(same))
    assert set(few.ids) < set(every.ids)


def test_a_run_and_its_average_are_held_against_head(data: Path) -> None:
    _, test = rows_of(data, PAIR, 1)
    good = np.clip(0.5 + 0.4 * (test.mean_small - test.mean_large), 0.05, 0.95)
    noise = np.random.default_rng(0).uniform(0.3, 0.7, len(test))
    head, run = full.judged_rows(PAIR, data, {HEAD: run_with(good), FULL: run_with(noise, (0.6, 0.4))}, 200)
    assert head[0] == "mmlu, 360 rows: head"
    assert head[2:4] == ["", ""]
    assert run[2].startswith("**-")
    assert float(run[2].split("**")[1]) < float(run[3].split()[0].strip("*")) <= 0
    assert run[4:] == ["12 s", "345 MB", "2"]


def test_where_nothing_was_held_out_the_last_epoch_was_kept(data: Path) -> None:
    _, test = rows_of(data, PAIR, 1)
    run = run_with(np.full(len(test), 0.5))
    last = Outcome(**{**asdict(run), "heldout": {"epochs": [{"loss": None}, {"loss": None}]}})
    assert full.judged_rows(PAIR, data, {HEAD: run, FULL: last}, 20)[1][-1] == "2"


def test_a_run_that_was_made_is_not_made_again(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Here:
        """Runs at once, in this process."""

        def __init__(self, *args: object, **more: object) -> None: ...
        def __enter__(self) -> Here:
            return self

        def __exit__(self, *args: object) -> None: ...
        def submit(self, work: object, *args: object) -> Here:
            work(*args)
            return self

        def result(self) -> None: ...

    monkeypatch.setattr(trained, "ProcessPoolExecutor", Here)
    spec, kept = RunSpec(PAIR, 10, FULL, {"epochs": 2}), run_with(np.array([0.5]))
    trained._kept(spec, tmp_path, Path("model")).write_text(json.dumps(asdict(kept)))
    assert outcomes([spec], data, Path("model"), tmp_path, 1) == [kept]


def test_settings_tell_kept_runs_apart(tmp_path: Path) -> None:
    runs = [(*place, *run) for place, some in full.RUNS.items() for run in ((HEAD, {}), *some)]
    kept = {trained._kept(RunSpec(*run), tmp_path, Path("model")) for run in runs}
    assert len(kept) == len(runs)


@pytest.mark.slow
def test_a_size_is_fine_tuned_for_a_few_steps_and_its_cost_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(full_sizes.SIZES, "tiny", (1, 16, 2))
    cost = full_sizes.cost("tiny", "bf16", 2, 2, checkpointing=True, vocabulary=50)
    assert cost.precision == "bf16"
    assert cost.rows_per_second > 0
    assert cost.millions < 0.1
    assert "deberta-v3-tiny, checkpointing | CPU, " in table_of([asdict(cost)], 2)
