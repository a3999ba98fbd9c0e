"""From the results of ``run`` to ``docs/measured/benchmarks.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import write_between
from benchmarks.common.places import MEASURED
from benchmarks.common.results import file_of, read
from benchmarks.paper_figures.label_sections import labels_section
from benchmarks.paper_figures.plots import draw_curves, draw_labels, pictures
from benchmarks.paper_figures.sections import baselines_section, figures_section, levels_section
from benchmarks.paper_figures.skeleton import prepare
from benchmarks.paper_figures.summary import data_text, missed_elsewhere, setting_text, summary, weak
from benchmarks.paper_figures.transfer import transfer_section

Results = Mapping[str, Any]

PAGE: Final = MEASURED / "benchmarks.md"
ROBUSTNESS: Final = file_of("robustness")
SPEED: Final = MEASURED / "speed.md"


def write_page(page: Path, results: Results) -> None:
    """Write the page from the results."""
    prepare(page)
    pairs, pooled = results["pairs"]["each"], results["pairs"]["pooled"]
    real, simulation = (results.get(part) or [] for part in ("labels", "simulated"))
    sections = {
        "summary": summary(results),
        "setting": setting_text(results["setting"]),
        "figures": figures_section(pairs) + pictures(pairs),
        "levels": levels_section(pairs),
        "baselines": baselines_section(pairs, pooled),
        "labels": labels_section(real, simulation),
        "transfer": transfer_section(results["transfer"]) if results.get("transfer") else "The files are not there.",
        "weak": weak(pairs),
        "missed": missed_elsewhere(read(ROBUSTNESS), SPEED.read_text(encoding="utf-8")),
        "data": data_text(results["setting"]),
    }
    for name, text in sections.items():
        write_between(page, name, text)


def draw(folder: Path, results: Results) -> None:
    """Draw the pictures of the page."""
    draw_curves(results["pairs"]["each"], folder)
    if results.get("simulated"):
        draw_labels(results["simulated"], folder / "labels.png")
