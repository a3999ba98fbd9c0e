"""Does the promise hold, and what does it cost? A simulation in which the truth is known.

    python -m benchmarks.promise_simulation.run # about ten minutes on one core
    python -m benchmarks.promise_simulation.run --quick    # seconds, few repetitions, writes nothing

Each world is a population of queries whose drop is known exactly at every threshold. A repetition draws calibration
queries from it, lets several rules choose a threshold, and looks up what that threshold does to the population. A
promise is broken when the true drop exceeds the limit. Exits with 1 when a claim of docs/measured/promise.md does not
hold.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.common.results import file_of, keep
from benchmarks.promise_simulation.page import PAGE, write_page
from benchmarks.promise_simulation.study import REPETITIONS, SIZES, claims, estimates, menu_costs, run


def main() -> int:
    """Run, write the results and the page, and say which claims hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions and sizes; write nothing")
    quick = parser.parse_args().quick
    cells = run((300, 2000), 60) if quick else run(SIZES, REPETITIONS)
    guesses, menus = estimates(10 if quick else 200), menu_costs(2 if quick else 200)
    if not quick:
        results = keep(file_of("promise_simulation"), {"cells": cells, "estimates": guesses, "menus": menus})
        write_page(PAGE, results)
    verdicts = claims(cells)
    for claim, holds in verdicts.items():
        print(f"{'holds' if holds else 'FAILS'}: {claim}")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
