"""Which head on the frozen encoder? Linear, kernel, neighbours, network, trees and averages, on held-out training rows.

    python -m benchmarks.heads.run DATA_DIR [--cache DIR] [--out docs/measured/benchmarks.md]    # minutes on two cores

Only the split ``train`` is read. Heads are fitted to four fifths of it and judged on the fifth that
``hybrid_llm.training.train`` holds out. That fifth is halved by a hash: what has settings chooses them on one half and
is judged on the other, both ways, so that a head with many settings has no advantage.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.pairs import PAIRS, Tables
from benchmarks.common.results import file_of, keep
from benchmarks.heads.candidates import HEADS
from benchmarks.heads.page import PAGE, write_page
from benchmarks.heads.study import SKIPPED, halves, problem_of, results_of
from hybrid_llm.scoring import Encoder
from hybrid_llm.training import TrainConfig


def main(arguments: list[str] | None = None) -> None:
    """Compare the heads and write the section of the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    parser.add_argument("--repetitions", type=int, default=1000, help="bootstrap resamples")
    options = parser.parse_args(arguments)
    tables, encoder = Tables(options.data_dir), CachedEncoder(Encoder.load(), options.cache)
    judged, settings = {}, {}
    for spec in PAIRS:
        if spec.name in SKIPPED or not tables.has(spec.files):
            continue
        problem, held = problem_of(spec, tables, encoder)
        if len(held.ids) < 2 * TrainConfig().min_heldout:
            continue
        print(f"{spec.name}: {len(problem.fit)} rows to fit, {len(held.ids)} held out", flush=True)
        with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="blas"):
            warnings.simplefilter("ignore")  # a network that is stopped before it converges
            found = {name: learn(problem) for name, learn in HEADS.items()}
        settings = {name: len(candidates) for name, candidates in found.items()}
        judged[spec.name] = halves(held, found)
    write_page(options.out, keep(file_of("heads"), results_of(judged, settings, options.repetitions)))
    print(f"wrote the section on heads of {options.out}")


if __name__ == "__main__":
    main()
