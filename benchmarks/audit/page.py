"""From the results of ``run`` to ``docs/measured/audit.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, percent
from benchmarks.common.places import MEASURED

Results = Mapping[str, Any]

PAGE: Final = MEASURED / "audit.md"
TEXT: Final = """\
# How often an audit is wrong, and how soon it knows

`python -m benchmarks.audit.run` writes this page. What an audit is, and what to do with its verdict, is in
[the guide](../guide/audit.md).

Simulated traffic whose drop is known, {repetitions:,} repetitions of {audits:,} audits, looking after each. Where the
drop is exactly the limit, neither word is deserved; both are allowed in 5 % of the repetitions.

{wrong}

The promise is a drop of at most 5 %; how many audits until one knows ({few:,} repetitions):

{delay}

Small differences take many audits: with a true drop just inside or outside the limit nobody can tell soon. A break
that comes after long good traffic is found too, a little later (from no drop to one of 20 %):

{anew}
"""


def write_page(file: Path, results: Results) -> None:
    """Write the page."""
    wrong = [
        (one["traffic"], percent(one["max_drop"], 0), percent(one["broken"]), percent(one["holds"]))
        for one in results["wrong"]
    ]
    delay = [
        (one["traffic"], percent(one["drop"], 0), one["verdict"], _audit(one["half"]), _audit(one["most"]))
        for one in results["delay"]
    ]
    anew = [(f"{one['before']:,}", _audit(one["half"]), _audit(one["most"])) for one in results["anew"]]
    text = TEXT.format(
        repetitions=results["repetitions"],
        audits=results["audits"],
        few=results["few"],
        wrong=markdown(("traffic whose drop is the limit", "limit", '"broken"', '"holds"'), wrong),
        delay=markdown(("traffic", "true drop", "verdict", "half know by audit", "90 % by"), delay),
        anew=markdown(("audits before the break", "half know after", "90 % after"), anew),
    )
    file.write_text(text, encoding="utf-8")


def _audit(number: float | None) -> str:
    return "later" if number is None else f"{number:,.0f}"
