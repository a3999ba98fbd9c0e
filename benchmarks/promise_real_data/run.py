"""Does the promise hold on real pairs of models, where the paper's empirical rule breaks?

    python -m benchmarks.promise_real_data.run DATA_DIR    # minutes on one core; rewrites docs/measured/promise.md

Rows that fitting and choosing never saw (validation and test pooled, one row per distinct query) stand for the traffic.
Two ways to draw calibration queries from them, 500 times each:

- *draws*: n queries with replacement. The traffic is then exactly these rows, and the true drop of a threshold is the
  drop on all of them: no noise in the verdict. This is the column to trust.
- *splits*: a random half calibrates, the other half judges. The verdict carries the noise of the judging half, so even
  a threshold that is exactly right looks broken half of the time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.common.results import file_of, keep
from benchmarks.promise_real_data.page import PAGE, write_page
from benchmarks.promise_real_data.study import REPETITIONS, pair_scores, study


def main() -> int:
    """Run all pairs, write the results and the page; 1 when a promise breaks more often than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    arguments = parser.parse_args()
    pairs = pair_scores(arguments.data_dir, arguments.cache)
    cells = [cell for pair in pairs for cell in study(pair, repetitions=arguments.repetitions)]
    write_page(PAGE, keep(file_of("promise_real_data"), cells))
    limit = 0.05 + 2 * (0.05 * 0.95 / arguments.repetitions) ** 0.5
    worst = max(c["ours"]["broken"] for c in cells if c["way"] == "draws")
    print(f"ours breaks at most {worst:.3f} of its promises for any pair and limit; {limit:.3f} is allowed")
    return 0 if worst <= limit else 1


if __name__ == "__main__":
    sys.exit(main())
