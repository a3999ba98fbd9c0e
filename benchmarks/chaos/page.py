"""From the results of ``run`` to ``docs/measured/chaos.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.places import MEASURED

Results = Mapping[str, Any]

PAGE: Final = MEASURED / "chaos.md"
TEXT: Final = """\
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


def write_page(file: Path, results: Results) -> None:
    """Write the page, or its first part where it is there: ``look`` writes the second."""
    if not file.exists():
        file.write_text(TEXT, encoding="utf-8")
    write_between(file, "chaos", chaos(results))


def chaos(results: Results) -> str:
    """Return what stands between the markers of the page."""
    rows = [
        ["calls", str(results["calls"]), ""],
        ["kills of the small server", str(results["kills"]), ""],
        ["whole answers of small", str(results["small"]), ""],
        ["whole answers of large", str(results["large"]), ""],
        ["raised before the first token", str(results["raised before"]), "0"],
        ["cut answers passed on as whole", str(results["cut"]), "0"],
        ["raised after the first token of a stream, as promised", str(sum(results["raised after"].values())), ""],
        ["threads of the library left at the end", str(results["threads left"]), "0"],
    ]
    proxied = ", ".join(f"`{way}` {n}" for way, n in results["proxied"].items())
    errors = ", ".join(f"{name} {n}" for name, n in results["raised after"].items()) or "nothing"
    table = markdown(["what", "figure", "goal"], rows)
    return f"{results['setting']}\n\n{table}\n\nRequests of chats that reached the proxy: {proxied}. Raised: {errors}."
