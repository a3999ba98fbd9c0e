"""What is a look at small's answer worth? Writes docs/measured/second_look.md.

    python -m benchmarks.second_look.run DATA_DIR [--cache DIR] [--write]

DATA_DIR is a folder of quality tables with answers (``gsm8k``, ``math_l5``, ``mmlu_pro``, ``plain``); files that are
not there are left out. Without ``--write`` the figures are printed; with it they are kept in
``benchmarks/results/second_look.json``, and the page and its picture are written. About 20 minutes on two cores the
first time, most of it for 12,000 embeddings and 130 query routers; with ``--cache`` a few minutes after that.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import time
from pathlib import Path
from typing import Any, Final

from threadpoolctl import threadpool_limits

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.machine import machine
from benchmarks.common.results import file_of, keep, lines, rounded
from benchmarks.second_look.answers import answers_study
from benchmarks.second_look.data import PLAIN, SPECS, Fits
from benchmarks.second_look.forms import forms_study
from benchmarks.second_look.page import PAGE, draw, write_page
from benchmarks.second_look.pairs import grades_study, groups_study, pair_study, served_on_new_tasks
from benchmarks.second_look.speed import speed_study
from benchmarks.second_look.three import FILES, three_study
from hybrid_llm import Router
from hybrid_llm.scoring import Encoder

SIZES, DRAWS = (30, 100, 400), 5
GRADED: Final = ("gemma-2-9b", "mmlu_pro, one checker", "0.5B to 1.5B")
"""Pairs that are trained on a few grades."""

_started = time.perf_counter()


def say(what: str) -> None:
    """Say on stderr what is done and when."""
    print(f"{time.perf_counter() - _started:5.0f} s  {what}", file=sys.stderr, flush=True)


def run(fits: Fits, *, repetitions: int = 500, sizes: tuple[int, ...] = SIZES, draws: int = DRAWS) -> dict[str, Any]:
    """Do everything; return plain JSON values.

    Args:
        fits: Fits the query's scores.
        repetitions: Bootstrap resamples.
        sizes: Numbers of graded rows to train on.
        draws: Draws of each.
    """
    specs = [spec for spec in SPECS if fits.tables.has(spec.files)]
    plain = [spec for spec in specs if spec.files == PLAIN]
    others = [spec for spec in specs if spec.files != PLAIN]
    pairs = []
    for spec in specs:
        shipped = Router.load().score(fits.pair(spec).queries) if spec in plain else None
        pairs.append(pair_study(fits, spec, repetitions, shipped))
        say(f"pair {spec.name}")
    forms = {}
    for name, some, logprobs in (("with log-probabilities", plain, True), ("without", others, False)):
        if some:
            forms[name] = forms_study(fits, some, logprobs, repetitions)
            say(f"forms {name}")
    results: dict[str, Any] = {
        "setting": {
            "command": "python -m benchmarks.second_look.run DATA_DIR --write",
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": machine(),
            "python": platform.python_version(),
            "encoder": fits.encoder_id,
            "shipped": Router.load().id,
            "repetitions": repetitions,
        },
        "answers": answers_study(fits),
        "pairs": pairs,
        "forms": forms,
        "new_tasks": {spec.name: served_on_new_tasks(fits, spec, repetitions) for spec in plain},
        "groups": [groups_study(fits, spec, repetitions) for spec in plain],
    }
    say("tasks left out")
    results["three"] = three_study(fits, repetitions) if all(fits.tables.has(spec.files) for spec in FILES) else None
    say("three tasks")
    results["grades"] = [grades_study(fits, spec, sizes, draws, repetitions) for spec in specs if spec.name in GRADED]
    say("a few grades")
    results["speed"] = speed_study(fits)
    return results


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print or write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables that hold answers")
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings and scores between runs")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--results", type=Path, default=file_of("second_look"), help="where the numbers are kept")
    parser.add_argument("--repetitions", type=int, default=500, help="bootstrap resamples")
    parser.add_argument("--write", action="store_true", help="keep the results and write the page and its picture")
    options = parser.parse_args(arguments)
    encoder = CachedEncoder(Encoder.load(), options.cache)
    with threadpool_limits(limits=1, user_api="blas"):
        results = run(Fits(options.data_dir, encoder, options.cache), repetitions=options.repetitions)
    if not options.write:
        print(lines(rounded(results)))
        return
    results = keep(options.results, results)
    write_page(options.out, results)
    draw(options.out.parent / "img", results)
    print(f"wrote {options.out} and its picture")


if __name__ == "__main__":
    main()
