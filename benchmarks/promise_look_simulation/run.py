"""Does the promise for the second look hold, and what does it cost? A simulation in which the truth is known.

    python -m benchmarks.promise_look_simulation.run # minutes on one core
    python -m benchmarks.promise_look_simulation.run --quick    # seconds, few repetitions, writes nothing

Each world is a population of answers whose drop is known exactly at every rung of the ladder. A repetition draws
calibration queries from it, lets several rules choose a rung, and looks up what that rung does to the population. A
promise is broken when the true drop exceeds the limit. Exits with 1 when a claim of docs/measured/promise_look.md does
not hold.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.common.results import file_of, keep
from benchmarks.promise_look_simulation.page import PAGE, write_page
from benchmarks.promise_look_simulation.study import REPETITIONS, SIZES, claims, run


def main() -> int:
    """Run, write the results and the page, and say which claims hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions and sizes; write nothing")
    quick = parser.parse_args().quick
    cells = run((300, 2000), 40) if quick else run(SIZES, REPETITIONS)
    if not quick:
        write_page(PAGE, keep(file_of("promise_look_simulation"), cells))
    verdicts = claims(cells)
    for claim, holds in verdicts.items():
        print(f"{'holds' if holds else 'FAILS'}: {claim}")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
