"""Time and memory of the labels of 10,000 queries with 10 x 10 sampled responses.

Run: ``python -m benchmarks.label_speed.run``. Exits with 1 when prob, trans and t* together take more than 2 s or 1 GB.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Final

import numpy as np

from hybrid_llm.labels import Samples, optimal_t, prob_labels, trans_labels

QUERIES: Final = 10_000
SECONDS: Final = 2.0
BYTES: Final = 1e9


def measure(work: Callable[[], object]) -> tuple[float, int]:
    """Return seconds and peak bytes of a piece of work, from two runs: tracing the memory would slow the clock."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def report(title: str, small: Samples, large: Samples) -> tuple[float, int]:
    """Print one line a function; return the seconds together and the highest peak."""
    print(title)
    works: dict[str, Callable[[], object]] = {
        "prob_labels": lambda: prob_labels(small, large),
        "trans_labels": lambda: trans_labels(small, large, 0.1),
        "optimal_t": lambda: optimal_t(small, large),
    }
    results = {name: measure(work) for name, work in works.items()}
    for name, (seconds, peak) in results.items():
        print(f"  {name:12} {seconds:7.3f} s {peak / 1e6:7.0f} MB")
    return sum(seconds for seconds, _ in results.values()), max(peak for _, peak in results.values())


def main() -> int:
    """Measure equal counts, which have a limit, and varying counts, which have none."""
    rng = np.random.default_rng(0)
    small, large = rng.normal(0.4, 0.2, (QUERIES, 10)), rng.normal(0.6, 0.2, (QUERIES, 10))
    seconds, peak = report(f"{QUERIES} queries, 10 x 10 samples", small, large)
    for most in (10, 15):
        counts = rng.integers(1, most + 1, (2, QUERIES))
        of_small = [rng.normal(0.4, 0.2, count) for count in counts[0]]
        of_large = [rng.normal(0.6, 0.2, count) for count in counts[1]]
        report(f"{QUERIES} queries, 1 to {most} samples of each model", of_small, of_large)
    good = seconds <= SECONDS and peak <= BYTES
    print(f"together {seconds:.2f} s (limit {SECONDS:g}), peak {peak / 1e6:.0f} MB (limit {BYTES / 1e6:.0f}):", end=" ")
    print("within the limits" if good else "ABOVE THE LIMITS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
