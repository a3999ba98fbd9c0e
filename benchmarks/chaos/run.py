"""What a small server that may say anything costs: thousands of calls through a proxy that breaks its answers.

Run: ``HYBRID_LIVE_SERVERS=SCRIPT python -m benchmarks.chaos.run [--calls 2000] [--kills 20] [--out
docs/measured/chaos.md]``. SCRIPT starts and stops the two real servers of the live tests, which this run has copies of.
Needs the extra ``dev``. It fails when a call was lost or a cut answer passed for a whole one.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
import tempfile
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.chaos.page import PAGE, chaos, write_page
from benchmarks.common.machine import processor
from benchmarks.common.results import file_of, keep
from tests.live._chaos import chaos_servers
from tests.live._chaos_run import Tally, run
from tests.live._proxy import WAYS


def told(tally: Tally) -> dict[str, Any]:
    """Return what a run counted, as plain values."""
    return {
        "calls": tally.calls,
        "kills": tally.kills,
        "small": tally.small,
        "large": tally.large,
        "raised before": tally.raised_before.total(),
        "cut": len(tally.cut),
        "raised after": dict(tally.raised_after.most_common()),
        "threads left": tally.threads_left,
        "proxied": {way: tally.proxied.get(way, 0) for way in WAYS},
    }


def main() -> None:
    """Make the calls, print the table and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    if "HYBRID_LIVE_SERVERS" not in os.environ:
        parser.error("set HYBRID_LIVE_SERVERS to the script that starts the real servers")
    warnings.simplefilter("ignore")
    logging.getLogger("hybrid_llm").setLevel(logging.ERROR)
    day = datetime.now(tz=UTC).date()
    with tempfile.TemporaryDirectory() as folder, chaos_servers(Path(folder)) as servers:
        tally = run(servers, options.calls, options.kills, options.seed)
    setting = (
        f"`--calls {options.calls} --kills {options.kills} --seed {options.seed}`, {day}; {processor()}; "
        f"{tally.seconds:.0f} s; Python {platform.python_version()}, langchain-ollama {version('langchain-ollama')}, "
        f"llama-index-llms-ollama {version('llama-index-llms-ollama')}."
    )
    results = {"setting": setting, **told(tally)}
    print(chaos(results))
    for lost in (*tally.raised_before, *tally.cut):
        print(f"LOST: {lost}", file=sys.stderr)
    if tally.raised_before or tally.cut or tally.threads_left:
        sys.exit(1)
    write_page(options.out, keep(file_of("chaos"), results))


if __name__ == "__main__":
    main()
