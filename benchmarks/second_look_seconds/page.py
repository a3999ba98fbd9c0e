"""From the results of ``run`` to ``docs/measured/second_look_seconds.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.places import MEASURED

PAGE: Final = MEASURED / "second_look_seconds.md"
TEXT: Final = """\
# What a second look costs in time

`python -m benchmarks.second_look_seconds.run` writes this page. {n} short questions, one after the other; two real
models on llama-server, one thread each: {small} as small, {large} as large; answers of at most {most} tokens, streamed.
*Query only* sends every second question to small, whatever it says; *second look* asks small each time, and keeps the
surer half of its answers (`second_look="logprobs"`, `cost_advantage=0.5`), so large has to answer after it in the other
half.

| seconds | first token p50 | p95 | end p50 | p95 | answered by small |
| --- | ---: | ---: | ---: | ---: | ---: |
{rows}

Nothing is shown before small's whole answer is there: a kept answer comes as late as small is done, an escalated one
later by that much. With a hosted large model that is fast the difference is what small takes.

What the look adds to a call itself, beyond its models (both fakes that answer at once, {calls} calls, medians):
{invoke:.2f} ms to `invoke`, {stream:.2f} ms to a whole `stream`, for an answer of 200 tokens with log-probabilities.
"""


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write the page."""
    rows = "\n".join(
        f"| {name} | {' | '.join(f'{figure:.2f}' for figure in way['seconds'])} | {way['by small']:.0%} |"
        for name, way in results["ways"].items()
    )
    file.write_text(TEXT.format(**{**results, "rows": rows}), encoding="utf-8")
