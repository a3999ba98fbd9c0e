"""What each observer adds to a request: the time that the request waits for it.

Run: ``python -m benchmarks.observers.run [--calls 2000] [--out docs/measured/observers.md]``. Both arms answer at once
inside the process; a pair with an observer and one without are called in turns, and the medians are compared.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common.doc_tables import markdown, shared, write_between
from benchmarks.common.machine import processor
from hybrid_llm import Pair
from hybrid_llm.dispatch import Request
from hybrid_llm.event import Observer
from hybrid_llm.observe import Journal, Log, OpenTelemetry
from hybrid_llm.testing import FixedScorer

GOAL = 50
"""Microseconds a request."""
PAGE = """\
# What an observer adds to a request

`python -m benchmarks.observers.run` writes this table: the median of a request to a pair with the observer, less that
of a request to a pair without any, in turns. The journal and the spans are written by a thread, which works beside.

<!-- begin: observers -->
<!-- end: observers -->
"""


def added(observers: Sequence[Observer], calls: int) -> list[float]:
    """Return the seconds that each observer adds to a request."""
    request = Request("What is the capital of Peru?")
    told = [[], *([one] for one in observers)]
    pairs = [Pair(FixedScorer(0.9), threshold=0.5, observers=given) for given in told]
    seconds: list[list[float]] = [[] for _ in pairs]
    for _ in range(calls):
        for pair, took in zip(pairs, seconds, strict=True):
            start = time.perf_counter()
            pair.call(request, lambda decision: "Lima.")
            took.append(time.perf_counter() - start)
    bare, *others = map(statistics.median, seconds)
    return [other - bare for other in others]


def main() -> None:
    """Measure, print the table and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("docs/measured/observers.md"))
    options = parser.parse_args()
    load, day = os.getloadavg()[0], datetime.now(tz=UTC).date()
    log = logging.getLogger("hybrid_llm")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    with tempfile.TemporaryDirectory() as folder:
        journals = [Journal(Path(folder, f"{texts}.sqlite"), texts=texts) for texts in (False, True)]
        names = [
            "one that does nothing",
            "`Log()`, DEBUG off",
            "`Journal(file)`",
            "`Journal(file, texts=True)`",
            "`OpenTelemetry()`",
        ]
        found = added([Observer(), Log(), *journals, OpenTelemetry()], options.calls)
        log.setLevel(logging.DEBUG)
        names.append("`Log()` at DEBUG")
        found += added([Log()], options.calls)
        for journal in journals:
            journal.flush()
    rows = [
        [name, f"{1e6 * seconds:.1f} µs", f"{GOAL} µs", "met" if 1e6 * seconds < GOAL else "**missed**"]
        for name, seconds in zip(names, found, strict=True)
    ]
    setting = (
        f"`python -m benchmarks.observers.run --calls {options.calls}`, {day}; {processor()}; {shared(load)}; "
        f"Python {platform.python_version()}."
    )
    if not options.out.exists():
        options.out.write_text(PAGE, encoding="utf-8")
    table = markdown(["observer", "a request waits", "goal", ""], rows)
    write_between(options.out, "observers", f"{setting}\n\n{table}")
    print(table)


if __name__ == "__main__":
    main()
