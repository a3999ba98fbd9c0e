"""What 100, 300 and 1,000 graded prompts buy: the rows of ``hybrid-llm run``, on public tables.

    python -m benchmarks.own_pair_sizes.run DATA_DIR [--draws 8] [--cache DIR]

It writes docs/measured/own_pair_sizes.md. Rows are drawn out of a pair's table and used as ``run`` uses graded
prompts: under 200 all of them train, above half of those that are not kept for the report certify one level, at the
confidence of a first attempt. What the level then does is measured on all rows that were not drawn.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.results import file_of, keep
from benchmarks.own_pair_sizes.page import PAGE, write_page
from benchmarks.own_pair_sizes.study import run
from hybrid_llm.scoring import Encoder


def main() -> None:
    """Draw, train, certify, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with the quality tables")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    options = parser.parse_args()
    results = list(run(options.data, options.draws, CachedEncoder(Encoder.load(), options.cache)))
    write_page(PAGE, keep(file_of("own_pair_sizes"), results))
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
