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

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.machine import processor
from tests.live._chaos import chaos_servers
from tests.live._chaos_run import Tally, run
from tests.live._proxy import WAYS

PAGE = """\
# A small server that may say anything

`python -m benchmarks.chaos.run` writes this table. A real Ollama stands behind a proxy that draws by lot what becomes
of each request; a real OpenAI-compatible server is large. Four threads and four tasks of an event loop ask at the same
time, by `ChatHybrid`, a chain that ends in a text parser, and `HybridLLM`, whole and in streams, while the small server
is killed and comes back. Small has a second until its first token, and its client waits two seconds for a word more.
Large is up all the time. Each server says one known sentence, so an answer is whole or it is not.

<!-- begin: chaos -->
<!-- end: chaos -->

The proxy ends an answer as if it were whole after some of its lines (`cut`), closes the connection there (`break`),
says nothing more for ever (`stall later`) or from the start (`stall`), closes at once (`close`), and answers 200 with a
web page, half a line of JSON, another server's JSON or nothing, or 503.
"""


def rows(tally: Tally) -> list[list[str]]:
    """Return the table of a run."""
    return [
        ["calls", str(tally.calls), ""],
        ["kills of the small server", str(tally.kills), ""],
        ["whole answers of small", str(tally.small), ""],
        ["whole answers of large", str(tally.large), ""],
        ["raised before the first token", str(tally.raised_before.total()), "0"],
        ["cut answers passed on as whole", str(len(tally.cut)), "0"],
        ["raised after the first token of a stream, as promised", str(tally.raised_after.total()), ""],
        ["threads of the library left at the end", str(tally.threads_left), "0"],
    ]


def main() -> None:
    """Make the calls, print the table and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/measured/chaos.md"))
    options = parser.parse_args()
    if "HYBRID_LIVE_SERVERS" not in os.environ:
        parser.error("set HYBRID_LIVE_SERVERS to the script that starts the real servers")
    warnings.simplefilter("ignore")
    logging.getLogger("hybrid_llm").setLevel(logging.ERROR)
    day = datetime.now(tz=UTC).date()
    with tempfile.TemporaryDirectory() as folder, chaos_servers(Path(folder)) as servers:
        tally = run(servers, options.calls, options.kills, options.seed)
    table = markdown(["what", "figure", "goal"], rows(tally))
    proxied = ", ".join(f"`{way}` {tally.proxied.get(way, 0)}" for way in WAYS)
    errors = ", ".join(f"{name} {n}" for name, n in tally.raised_after.most_common())
    setting = (
        f"`--calls {options.calls} --kills {options.kills} --seed {options.seed}`, {day}; {processor()}; "
        f"{tally.seconds:.0f} s; Python {platform.python_version()}, langchain-ollama {version('langchain-ollama')}, "
        f"llama-index-llms-ollama {version('llama-index-llms-ollama')}."
    )
    said = (
        f"{setting}\n\n{table}\n\nRequests of chats that reached the proxy: {proxied}. Raised: {errors or 'nothing'}."
    )
    print(said)
    for lost in (*tally.raised_before, *tally.cut):
        print(f"LOST: {lost}", file=sys.stderr)
    if tally.raised_before or tally.cut or tally.threads_left:
        sys.exit(1)
    if not options.out.exists():
        options.out.write_text(PAGE, encoding="utf-8")
    write_between(options.out, "chaos", said)


if __name__ == "__main__":
    main()
