"""Does an audit tell the truth whenever one looks, and how soon? A simulation in which the truth is known.

    python -m benchmarks.audit.run            # two minutes on one core; writes docs/measured/audit.md
    python -m benchmarks.audit.run --quick    # seconds, few repetitions, writes nothing

Traffic is a population whose drop is known exactly. Each repetition draws audits from it one after another and looks at
both bets after each. Exits with 1 when a claim of docs/measured/audit.md does not hold.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.audit.page import PAGE, write_page
from benchmarks.audit.study import AUDITS, REPETITIONS, claims, run
from benchmarks.common.results import file_of, keep


def main() -> int:
    """Run, write the page, and say which claims hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions, and write nothing")
    quick = parser.parse_args().quick
    results = run(100 if quick else REPETITIONS, 600 if quick else AUDITS)
    if not quick:
        write_page(PAGE, keep(file_of("audit"), results))
    verdicts = claims(results)
    for claim, holds in verdicts.items():
        print(f"{'holds' if holds else 'DOES NOT HOLD'}: {claim}")
    return 0 if all(verdicts.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
