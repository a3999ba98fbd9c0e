"""From the results of ``run`` to ``docs/measured/graders.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, percent
from benchmarks.common.places import MEASURED

PAGE: Final = MEASURED / "graders.md"
TEXT: Final = """\
# How far the graders agree with grades from elsewhere

`python -m benchmarks.graders.run DATA_DIR` writes this page: [the graders](../guide/graders.md) beside the grades that
public results carry. In `plain` an accepted text anywhere in the answer is right. The other files have no references: a
right answer of another model stands in.

{table}

Most of what differs is the data's: `plain` counts "3 + 2 = 5 is a classic example" as a right 3, a plural ("rupees")
and "4.00" as wrong, and "18 is larger than 69" as right; the readers behind `gsm8k` and `math_l5` take the first
number of "4000 * 2/5 * 3.5 = 5600" and of "-4, -5"; a few answers of `mmlu_pro` are the right letter and graded
wrong. Where the graders here are wrong: an answer whose last number is not its answer ("30 - 10 = 20 remain after
giving 10 away"), "African" for Africa, and clock times, which are no numbers to them.
"""


def write_page(file: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write the page."""
    header = ("grader and task", "answers", "agree", "wrong here, right there", "right here, wrong there", "not graded")
    file.write_text(TEXT.format(table=markdown(header, map(_line, results))), encoding="utf-8")


def _line(found: Mapping[str, Any]) -> Sequence[str]:
    graded = found["n"] - found["none"]
    counts = (f"{found[key]:,}" for key in ("stricter", "kinder", "none"))
    agree = percent(found["agree"] / graded) if graded else "n/a"
    return (f"`{found['grader']}` on {found['task']}", f"{found['n']:,}", agree, *counts)
