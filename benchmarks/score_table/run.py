"""How fast a whole table is scored, on one core and on two, locally and on Ray, and how much memory that takes.

Run: ``python -m benchmarks.score_table.run [--rows 2000]``. It writes ``docs/measured/score_table.md``, and needs the
extra ``ray``.

Each run is a process of its own. Memory is the sum over it and all its descendants, shared pages counted once (PSS),
the highest of samples that are taken twice a second; CPU time is theirs too. Ray's own processes are among them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.common.doc_tables import markdown, shared, write_between
from benchmarks.common.machine import processor
from benchmarks.common.places import MEASURED
from hybrid_llm import Router

PAGE = """\
# How fast a whole table is scored

`python -m benchmarks.score_table.run` writes this page; [what it measures](../guide/score.md) is `hybrid-llm score`.

<!-- begin: runs -->
<!-- end: runs -->

*Rows/s* are those of the scoring, after the start: `Router.load()` and, on Ray, the start of Ray and of its workers.
On a busy machine read the CPU time of a row: it says how many rows a core does that has nothing else to do. *In all*
counts the start too, and on Ray its own processes. [How fast a score is](speed.md) has the router on 100,000 texts in
one stream: linear, and in flat memory.

Where the load average above is far beyond the number of cores, rows/s compare nothing: neither one core with two nor
local with Ray.

The free scorer gives every text the same score at once, so that what is left is reading, checking and writing; it
shows how memory grows with the table.

<!-- begin: paper -->
<!-- end: paper -->
"""
TEXT = "what is the capital of country number {}"
ROUTER, FREE = "the shipped router", "a free scorer"
GROUP = 50_000
TICKS = os.sysconf("SC_CLK_TCK")


class Free:
    """Scores everything alike, at once."""

    id = "free"

    def score(self, queries: Sequence[str]) -> NDArray[np.float64]:
        """Return a half of everything."""
        return np.full(len(queries), 0.5)


def main() -> None:
    """Make all runs and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000, help="of the table that the router scores")
    parser.add_argument("--out", type=Path, default=MEASURED / "score_table.md")
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(*arguments.child)
        return
    load = os.getloadavg()[0]
    runs = [(FREE, rows, "local", 2) for rows in (10_000, 100_000, 1_000_000)]
    runs += [(ROUTER, arguments.rows, engine, workers) for engine in ("local", "ray") for workers in (1, 2)]
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        for number, run in enumerate(runs):
            table = Path(folder) / f"{run[1]}.parquet"
            if not table.exists():
                write_table(table, run[1])
            measured.append(measure(*run, table, Path(folder) / f"scores-{number}"))
            print(run, measured[-1], flush=True)
    if not arguments.out.exists():
        arguments.out.write_text(PAGE, encoding="utf-8")
    setting = (
        f"`python -m benchmarks.score_table.run --rows {arguments.rows}`, {datetime.now(UTC):%Y-%m-%d}; {processor()}, "
        f"{shared(load)}; Python {sys.version.split()[0]}; onnxruntime {version('onnxruntime')}, ray {version('ray')}, "
        f"pyarrow {version('pyarrow')}. Texts of about ten tokens, each another one; "
        "parts of 100 rows, of 5,000 with the free scorer."
    )
    write_between(arguments.out, "runs", f"{setting}\n\n{table_of(runs, measured)}")
    write_between(arguments.out, "paper", on_paper(runs, measured))


def write_table(file: Path, rows: int) -> None:
    """Write a table of short questions, some thousand rows at a time."""
    schema = pa.schema([("query", pa.string()), ("id", pa.int64())])
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, rows, GROUP):
            numbers = range(start, min(rows, start + GROUP))
            writer.write_table(pa.table([[TEXT.format(i) for i in numbers], list(numbers)], schema=schema))


def child(scorer: str, table: str, out: str, engine: Any, workers: str) -> None:
    """Score a table in this process, and say when the first and the last row was told."""
    told: list[tuple[float, float, int]] = []

    def tell(what: str, done: int, total: int) -> None:
        told.append((time.monotonic(), time.process_time(), done))

    router = Router.load() if scorer == ROUTER else Router(Free())
    size = 100 if scorer == ROUTER else 5_000
    router.watched(tell).score_table(table, out, engine=engine, workers=int(workers), part_rows=size)
    first = next(one for one in told if one[2]) if engine == "ray" else told[0]
    seconds, cpu, rows = (last - before for last, before in zip(told[-1], first, strict=True))
    print(json.dumps({"rate": rows / seconds, "cpu": 1000 * cpu / rows if engine == "local" else None}))


def measure(scorer: str, rows: int, engine: str, workers: int, table: Path, out: Path) -> dict[str, Any]:
    """Run once; return rows a second, CPU milliseconds a row, seconds and CPU seconds in all, highest memory in MB."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.score_table.run",
        "--child",
        scorer,
        str(table),
        str(out),
        engine,
        str(workers),
    ]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak, cpu = 0.0, {}
    while process.poll() is None:
        tree = list(family(process.pid))
        peak = max(peak, sum(map(memory, tree)))
        cpu |= {pid: seconds for pid in tree if (seconds := cpu_of(pid))}
        time.sleep(0.5)
    assert process.stdout is not None
    if process.returncode:
        raise SystemExit(f"{command} failed")
    said = json.loads(process.stdout.read().splitlines()[-1])
    return {
        **said,
        "all": time.monotonic() - began,
        "cpu_all": sum(cpu.values()),
        "peak": peak,
    }


def family(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # the thread is gone
            for one in file.read_text().split():
                yield from family(int(one))


def memory(pid: int) -> float:
    """Return the megabytes of a process, each shared page divided among those that share it; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def table_of(runs: Sequence[tuple[str, int, str, int]], measured: Sequence[dict[str, Any]]) -> str:
    """Return the table of all runs."""
    rows = [
        (
            f"{scorer}, {engine}, {workers} {'core' if workers == 1 else 'cores'}",
            f"{n:,}",
            f"{found['rate']:,.0f}",
            "" if found["cpu"] is None else f"{found['cpu']:.2f} ms",
            f"{found['all']:,.0f} s",
            f"{found['cpu_all']:,.0f} s",
            f"{found['peak']:,.0f} MB",
        )
        for (scorer, n, engine, workers), found in zip(runs, measured, strict=True)
    ]
    columns = ("what", "rows", "rows/s", "CPU of a row", "in all", "CPU in all", "peak memory")
    return markdown(columns, rows)


def on_paper(runs: Sequence[tuple[str, int, str, int]], measured: Sequence[dict[str, Any]]) -> str:
    """Say what a hundred machines would do: a calculation, no measurement."""
    cpu = next(found["cpu"] for run, found in zip(runs, measured, strict=True) if run[0] == ROUTER) / 1000
    cores = 100 * 16
    rate = cores / cpu
    return (
        f"**On paper, not measured:** at {1000 * cpu:.1f} ms of CPU a row, one such core does {1 / cpu:,.0f} rows a "
        f"second and 10^6 rows in {1e6 * cpu / 3600:.1f} hours (so the router was not run on them here). A hundred "
        f"machines of 16 cores do {rate:,.0f} a second, 10^9 rows in {1e9 / rate / 3600:.1f} hours: rows do not wait "
        f"for each other, and what passes through the driver is one number for each part. With `--part-rows 50000` "
        f"those are {rate / 50_000:.0f} parts a second. The disk that all machines see has to give that many texts, "
        "and row groups should have no more than some hundred thousand rows: a part is read from the beginning of its "
        "row group. Longer texts take longer, in proportion to their tokens."
    )


if __name__ == "__main__":
    main()
