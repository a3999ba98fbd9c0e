"""Held answers while the small server is killed and stopped in the middle of them: what is lost, glued or mislabelled.

Run: ``python -m benchmarks.chaos.look [--servers FOLDER] [--calls 1000] [--kills 10] [--stops 10] [--out
docs/measured/chaos.md]``. FOLDER holds the programs and models of the live tests, of which this run starts servers of
its own. Needs the extra ``dev``. It fails when an answer was lost, is that of no model, or says what is not true.
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.machine import processor
from tests.live._chaos import free_port
from tests.live._chaos_look import LookTally, run
from tests.live._llama_server import look_servers

UNSEEN = "of these without log-probabilities: it said 400 while it stopped, and was asked without"
SECTION = """
## Held answers, with a second look

`python -m benchmarks.chaos.look` writes this part. Small and large are two llama-servers; small says word salad, the
same to the same question each time, and is surer of some of it than of the rest. What it says to each question is asked
first, in peace. Then three threads and three tasks of an event loop ask pairs with `second_look="logprobs"`, by
`ChatHybrid` (whole, streamed, in batches), a chain that ends in a text parser, and `HybridLLM`, whole and streamed,
while small is killed or stopped in the middle of its answers, and started again. Each answer has to be the whole text
of the model that it names; kept or escalated as the server's own log-probabilities say, with these on it; and to list
exactly the calls that were made for it.

<!-- begin: chaos look -->
<!-- end: chaos look -->
"""


def rows(tally: LookTally) -> list[list[str]]:
    """Return the table of a run."""
    reasons = tally.reasons
    return [
        ["calls", str(tally.calls), ""],
        ["small was killed (`SIGKILL`)", str(tally.kills), ""],
        ["small was stopped (`SIGTERM`)", str(tally.stops), ""],
        ["of these while an answer of it was on its way", str(tally.in_the_middle), ""],
        ["kept", str(reasons["kept"]), ""],
        ["escalated", str(reasons["escalated"]), ""],
        [
            "of these without log-probabilities: it said 400 while it stopped, and was asked without",
            str(tally.unseen),
            "",
        ],
        ["rejected by a check", str(reasons["rejected"]), ""],
        ["large, since small broke (`fallback`)", str(reasons["fallback"]), ""],
        ["large, since small rests (`cooldown`)", str(reasons["cooldown"]), ""],
        ["answers of chains, which are a text alone", str(tally.texts), ""],
        ["lost: an error in place of an answer", str(tally.lost.total()), "0"],
        ["glued, cut, or with a wrong note on it", str(len(tally.wrong)), "0"],
        ["threads of the library left at the end", str(tally.threads_left), "0"],
    ]


def main() -> None:
    """Make the calls, print the table and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=Path, default=Path.home() / ".cache" / "hybrid-llm-servers")
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("docs/measured/chaos.md"))
    options = parser.parse_args()
    if not (options.servers / "llama" / "llama-server").is_file():
        parser.error(f"{options.servers} holds no llama-server; the script of the live tests sets one up")
    warnings.simplefilter("ignore")
    logging.getLogger("hybrid_llm").setLevel(logging.ERROR)
    day = datetime.now(tz=UTC).date()
    with look_servers(options.servers, (free_port(), free_port())) as (small, large):
        tally = run(small, large, options.calls, options.kills, options.stops)
    setting = (
        f"`--calls {options.calls} --kills {options.kills} --stops {options.stops}`, {day}; {processor()}; "
        f"{tally.seconds:.0f} s; Python {platform.python_version()}, langchain-openai {version('langchain-openai')}, "
        f"llama-index-llms-openai-like {version('llama-index-llms-openai-like')}."
    )
    said = f"{setting}\n\n{markdown(['what', 'figure', 'goal'], rows(tally))}"
    print(said)
    for problem in (*tally.lost, *tally.wrong):
        print(f"WRONG: {problem}", file=sys.stderr)
    if tally.lost or tally.wrong or tally.threads_left:
        sys.exit(1)
    if "<!-- begin: chaos look -->" not in options.out.read_text(encoding="utf-8"):
        with options.out.open("a", encoding="utf-8") as page:
            page.write(SECTION)
    write_between(options.out, "chaos look", said)


if __name__ == "__main__":
    main()
