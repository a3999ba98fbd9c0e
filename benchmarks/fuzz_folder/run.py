"""Router folders made to hurt, by the thousand: none may crash, hang, fill the memory or raise a foreign error.

::

    python -m benchmarks.fuzz_folder.run --minutes 10

Each try changes one file of a small router folder at random (bits, lengths, JSON values, tensor headers, numbers), puts
sizes, hashes and seal right again in most of them, and loads it; what can be loaded must score, decide and save too.
Tries run in processes of their own, so a crash of a library below is seen; a try that failed is run again with --seed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from benchmarks.fuzz_folder.tries import try_once, write_base

BATCH = 200
HANGS = 120.0
"""Seconds after which a batch without a word counts as hung."""


def main() -> int:
    """Run tries until the time is over, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0, help="number of the first try")
    parser.add_argument("--tries", type=int, help="run so many in this process, and print each that fails")
    arguments = parser.parse_args()
    if arguments.tries is not None:
        return run_here(arguments.seed, arguments.tries)
    ends, seed, came, bad = time.monotonic() + 60 * arguments.minutes, arguments.seed, Counter[str](), 0
    slowest, most = 0.0, 0
    while time.monotonic() < ends:
        command = [sys.executable, "-m", "benchmarks.fuzz_folder", "--seed", str(seed), "--tries", str(BATCH)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=BATCH * HANGS)
        except subprocess.TimeoutExpired:
            print(f"tries from {seed} on hang")
            bad += 1
            break
        lines = done.stdout.splitlines()
        if done.returncode not in (0, 1) or not lines:
            print(f"tries from {seed} on crashed with {done.returncode}: {done.stderr[-2_000:]}")
            bad += 1
        else:
            told = json.loads(lines[-1])
            came.update(told["came"])
            slowest, most = max(slowest, told["slowest"]), max(most, told["memory"])
            bad += len(lines) - 1
            print("\n".join(lines[:-1]), end="\n" * (len(lines) > 1))
        seed += BATCH
    print(f"{came.total():,} folders: {dict(came)}, {bad} bad; slowest {slowest:.1f} s, at most {most:,} MB")
    return 1 if bad else 0


def run_here(first: int, tries: int) -> int:
    """Run tries in this process, and print those that fail and a line of figures."""
    came: Counter[str] = Counter()
    slowest, bad = 0.0, 0
    with tempfile.TemporaryDirectory() as place:
        base = write_base(Path(place, "base"))
        for seed in range(first, first + tries):
            began = time.perf_counter()
            try:
                came[try_once(base, Path(place), seed)[1]] += 1
            except BaseException as error:  # a panic of Rust is no Exception
                if isinstance(error, KeyboardInterrupt):
                    raise
                bad += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                print(f"try {seed}: {type(error).__name__}: {str(error)[:200]!r} at {where.filename}:{where.lineno}")
            slowest = max(slowest, time.perf_counter() - began)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"came": came, "slowest": slowest, "memory": memory}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
