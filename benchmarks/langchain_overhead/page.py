"""From the results of ``run`` to ``docs/measured/overhead.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, write_between
from benchmarks.common.places import MEASURED

PAGE: Final = MEASURED / "overhead.md"
TEXT: Final = """\
# What routing adds to a call in LangChain

`python -m benchmarks.langchain_overhead.run` writes this table: medians of calls of a model inside the process that
answers at once, in turns with the bare model. *Score known* is a query whose score is remembered (or a scorer that
answers at once); a new query takes the time of a score more ([speed](speed.md)).

<!-- begin: overhead -->
<!-- end: overhead -->
"""


def write_page(file: Path, results: Mapping[str, Any]) -> None:
    """Write the page."""
    table = markdown(["what", "figure", "goal", ""], results["rows"])
    file.write_text(TEXT, encoding="utf-8")
    write_between(file, "overhead", f"{results['setting']}\n\n{table}")
