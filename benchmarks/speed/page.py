"""From the results of ``run`` to ``docs/measured/speed.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.places import MEASURED

PAGE: Final = MEASURED / "speed.md"
TEXT: Final = """\
# How fast a score is

`python -m benchmarks.speed.run DATA_DIR` writes this table. The goals are for a quiet machine with two cores. What is
compared runs in turns in the same process. Figures are medians of the time on the clock; CPU time stands beside it,
because other programs on the machine stretch the clock and not the CPU time. *ST* is `SentenceTransformer.encode` of
the same encoder in float32 on torch: it makes the embedding alone, without a score.

<!-- begin: speed -->
<!-- end: speed -->

Each text is run alone, on as many threads as there are cores (at most four), so that its score is the same to the last
bit whatever is scored beside it. Scores are remembered by text, 20,000 texts and 2,000,000 characters at most, in the
trained scorer; a scorer of your own is asked every time. Concurrent `await`s are scored together, at most 32 texts in
a pass; a call of 32 or more has a pass of its own. `Router.load` opens the network, so that the first query holds up
no event loop; a forked process opens its own at its first query.

One text runs on one thread too. A second one helps only if it waits actively between the steps of the network, and it
then goes on waiting after the answer: see the CPU times with a pause. It is not used.

On a busy machine (see the load average) read the CPU times, and of the comparisons with ST the one on a single thread:
torch's threads wait for each other actively, so that other programs hold it up most. A thread for each call competes
with six threads where the joint pass has two (on two cores), which probably gets it a larger share of a busy machine;
the event loop stops for longer then.
"""


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write the page."""
    table = markdown(["what", "figure", "goal", ""], results["rows"])
    file.write_text(TEXT, encoding="utf-8")
    write_between(file, "speed", f"{results['setting']}\n\n{table}")
