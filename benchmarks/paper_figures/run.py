"""Train and judge routers on public quality tables, and write docs/measured/benchmarks.md with its pictures.

    python -m benchmarks.paper_figures.run DATA_DIR [--out docs/measured/benchmarks.md] [--cache DIR] [--quick]

DATA_DIR is a folder of quality tables (``NAME.jsonl.gz``; the names are in ``benchmarks/common/pairs.py``); what is not
there is left out. The first run embeds some 45,000 texts, ten minutes on two cores; ``--cache`` spares later runs that.
Results are kept in ``benchmarks/results/paper_figures.json``: ``--only pairs`` redoes a part of them. ``--quick`` does
little work, for a look.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.machine import machine
from benchmarks.common.pairs import ORIGIN, ZEROEVAL, Tables
from benchmarks.common.results import file_of, keep, read, rounded
from benchmarks.paper_figures.figures import all_pairs
from benchmarks.paper_figures.labels import LabelEffort, real_groups
from benchmarks.paper_figures.page import PAGE, draw, write_page
from benchmarks.paper_figures.simulated import simulated
from benchmarks.paper_figures.transfer import transfer
from hybrid_llm.scoring import Encoder

PARTS: Final = ("pairs", "labels", "simulated", "transfer")
QUICK: Final = LabelEffort(bootstrap=30, folds=3, repetitions=1, seeds=2, train_rows=100, test_rows=100)

Results = dict[str, Any]


def measure(part: str, tables: Tables, encoder: CachedEncoder, effort: LabelEffort) -> Any:
    """Do one part of the work; return plain JSON values."""
    if part == "pairs":
        return all_pairs(tables, encoder, effort.bootstrap)
    if part == "labels":
        return _timed("labels on real pairs", lambda: real_groups(tables, encoder, effort))
    if part == "simulated":
        return _timed("labels on simulated tables", lambda: simulated(encoder, effort))
    if not tables.has(ZEROEVAL):
        return None
    return _timed("transfer", lambda: transfer(tables, encoder, effort.bootstrap))


def setting_of(tables: Tables, encoder: CachedEncoder, effort: LabelEffort, quick: bool) -> dict[str, Any]:
    """Describe what the numbers were made with."""
    command = "python -m benchmarks.paper_figures.run DATA_DIR" + (" --quick" if quick else "")
    return {
        "command": command,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "python": platform.python_version(),
        "encoder": encoder.id,
        "quick": quick,
        "bootstrap": effort.bootstrap,
        "rows": {name: tables.rows(name) for name in ORIGIN if tables.has((name,))},
    }


def _timed(what: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = work()
    print(f"{what}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return result


def run(
    data_dir: Path,
    out: Path,
    encoder: CachedEncoder,
    *,
    quick: bool = False,
    only: tuple[str, ...] = PARTS,
    kept: Path | None = None,
) -> Results:
    """Do the parts asked for and write the page.

    Args:
        data_dir: Folder with the quality tables.
        out: The page; pictures go to ``img`` beside it.
        encoder: The encoder of every router.
        quick: Do little work.
        only: The parts to do; the others are taken from ``kept``.
        kept: Results of earlier runs; read if it is there, and written.
    """
    tables, effort = Tables(data_dir), QUICK if quick else LabelEffort()
    results: Results = read(kept) if kept and kept.exists() else {}
    if results.get("setting", {}).get("encoder") != encoder.id:
        results = {}
    for part in only:
        # small fits wait for each other's BLAS threads on busy cores: one thread is up to a hundred times faster there
        with threadpool_limits(limits=1, user_api="blas"):
            results[part] = measure(part, tables, encoder, effort)
        results["setting"] = setting_of(tables, encoder, effort, quick)
        if kept:
            keep(kept, results)
    results = rounded(results)
    write_page(out, results)
    draw(out.parent / "img", results)
    return results


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="redo these parts; take the others from earlier runs")
    parser.add_argument("--quick", action="store_true", help="little work, for a look; give it another --out")
    options = parser.parse_args(arguments)
    run(
        options.data_dir,
        options.out,
        CachedEncoder(Encoder.load(), options.cache),
        quick=options.quick,
        only=PARTS if options.only is None else tuple(options.only),
        kept=None if options.quick else file_of("paper_figures"),
    )
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
