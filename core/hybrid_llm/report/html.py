"""The report as one HTML page that fetches nothing: it opens from a file, on a phone, and printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from hybrid_llm.certify import Menu, percent
from hybrid_llm.report.breakdown import FEW, score_bins, task_rows
from hybrid_llm.report.evaluation import Evaluation
from hybrid_llm.report.figures import LEGEND, figure_columns, figure_rows
from hybrid_llm.report.levels import OperatingPoint, menu_levels
from hybrid_llm.report.paper import check_page, inline, page_template, write_text
from hybrid_llm.report.pictures import curve_picture, gap_picture, score_picture, task_picture
from hybrid_llm.report.savings_page import Traffic

FIRST: Final = 0.95
"""The level that the page shows first when no other one is certified."""
EXAMPLES: Final = 5
_EXCERPT: Final = 600
_FEW_ROWS: Final = 100


def write_page(
    path: str | Path,
    evaluation: Evaluation,
    *,
    verdict: str = "",
    with_texts: bool = False,
    traffic: Traffic | None = None,
) -> None:
    """Write the report page; a file that is there is overwritten.

    Args:
        path: A .html file.
        evaluation: What :func:`~hybrid_llm.report.evaluate_router` found, best at the levels of
            :func:`~hybrid_llm.report.dial`.
        verdict: Said at the top, in plain text.
        with_texts: Whether the page shows some of the queries.
        traffic: What a journal of requests came to, if there is one.

    Raises:
        HybridLLMError: The file has another ending, or cannot be written.
        MissingExtraError: jinja2 is not installed.
    """
    check_page(Path(path))
    write_text(Path(path), html_page(evaluation, verdict=verdict, with_texts=with_texts, traffic=traffic))


def html_page(
    evaluation: Evaluation, *, verdict: str = "", with_texts: bool = False, traffic: Traffic | None = None
) -> str:
    """Return the report page.

    Args:
        evaluation: What :func:`~hybrid_llm.report.evaluate_router` found.
        verdict: Said at the top, in plain text.
        with_texts: Whether the page shows some of the queries.
        traffic: What a journal of requests came to, if there is one.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    return page_template("report.html.j2").render(
        _content(evaluation, verdict, with_texts),
        traffic=traffic.content() if traffic else None,
        style=inline("style.css"),
        script=inline("dial.js"),
    )


def _content(evaluation: Evaluation, verdict: str, with_texts: bool) -> dict[str, Any]:
    """Return everything that the template writes."""
    from hybrid_llm import __version__

    pair, certificate = evaluation.pair, _certificate(evaluation)
    now = _first(evaluation, certificate)
    menu = [point for quality in menu_levels(evaluation.parts) if (point := evaluation.at(quality))]
    tasks = task_rows(evaluation, now)
    return {
        "version": __version__,
        "small": pair.small,
        "large": pair.large,
        "n": len(pair),
        "about": _about(evaluation),
        "verdict": verdict,
        "notes": _notes(evaluation),
        "figures": evaluation.figures,
        "now": now,
        "dial": list(evaluation.points),
        "intervals": any(point.drop_interval for point in evaluation.points),
        "money": any(point.usd_per_1000 is not None for point in evaluation.points),
        "menu": menu,
        "proofs": {point.quality: _proof_in_words(point, certificate) for point in menu},
        "certificate": certificate.explain().split("\n\n") if certificate else [],
        "curve": curve_picture(evaluation, now),
        "gaps": gap_picture(evaluation),
        "score": score_picture(score_bins(evaluation)),
        "tasks": {**task_picture(tasks, now), "remark": _task_remark(evaluation)} if tasks else None,
        "arms": list(evaluation.spent.values()),
        "columns": figure_columns(evaluation.figures),
        "all": figure_rows(evaluation.figures),
        "legend": LEGEND,
        "examples": _examples(evaluation, now) if with_texts else [],
        "look": _look(evaluation),
    }


def _look(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return what the page says of a second look; None where there is none."""
    looked, small = evaluation.looked, evaluation.pair.small
    if looked is None:
        return None
    levels = [
        (evaluation.at(quality), point)
        for quality in menu_levels(evaluation.parts)
        if (point := looked.at(quality)) is not None
    ]
    names = {"query": "the query's score", "logprobs": f"how sure {small} is of its words"}
    seen = [names.get(name, f"whether {name.partition(':')[2]} says the same") for name in looked.look.columns]
    time = ""
    if looked.seconds:
        time = (
            f" A request takes {looked.seconds['look']:.2g} s on average, and {looked.seconds['large']:.2g} s with "
            f"{evaluation.pair.large} alone."
        )
    certificate = looked.look.certificate
    return {
        "words": (
            f"{small} answers first, and its answer is held back and judged by {', '.join(seen)}. Where it is not good "
            f"enough, {evaluation.pair.large} answers. Queries below a gate go to {evaluation.pair.large} at once."
            f"{time}"
        ),
        "levels": levels,
        "certificate": certificate.explain().split("\n\n") if certificate else [],
    }


def _certificate(evaluation: Evaluation) -> Menu | None:
    """Return the certificate, if the router has one of this pair."""
    menu = evaluation.parts.certificate
    same = menu is not None and (menu.provenance.small, menu.provenance.large) == (
        evaluation.pair.small,
        evaluation.pair.large,
    )
    return menu if same else None


def _first(evaluation: Evaluation, certificate: Menu | None) -> OperatingPoint | None:
    """Return the level that the page shows first: the one that was asked for and certified, else 95 %."""
    if not evaluation.points:
        return None
    asked = certificate.asked if certificate and not certificate.provenance.void else None
    wanted = asked.quality if asked and asked.feasible else FIRST
    return min(evaluation.points, key=lambda point: abs(point.quality - wanted))


def _about(evaluation: Evaluation) -> str:
    record = evaluation.parts.record
    trained = f", trained {record.created} on {record.n_fit:,} rows (labels: {record.label})" if record else ""
    source = f" from {evaluation.source}" if evaluation.source else ""
    return f"{len(evaluation.pair):,} queries{source}. Router {evaluation.parts.id}{trained}."


def _notes(evaluation: Evaluation) -> list[str]:
    """Return what makes the figures worth less than they look."""
    n, measured, pair = len(evaluation.pair), evaluation.parts.calibration, evaluation.pair
    notes = []
    if evaluation.left_out:
        notes.append(
            "Training used all of these queries: each was scored by a fit that left it out. That is an honest "
            "estimate, but no test, and nothing can be certified with it."
        )
    if evaluation.seen:
        notes.append(
            f"{evaluation.seen:,} of the {n:,} queries were seen in training, so that the figures look better than "
            "they are."
        )
    if n < _FEW_ROWS:
        notes.append(f"{n} queries say little: figures of fewer than {_FEW_ROWS} are mostly noise.")
    if evaluation.points and measured is not None and measured.data_hash == pair.data_hash:
        notes.append("The thresholds were chosen on these very queries: on new ones expect to lose more.")
    unfamiliar = int((~evaluation.familiar).sum())
    if unfamiliar:
        notes.append(
            f"{unfamiliar:,} of the queries are unlike those of training. At a quality level these go to {pair.large}, "
            "whatever their score."
        )
    return notes


def _proof_in_words(point: OperatingPoint, certificate: Menu | None) -> str:
    if certificate is None:
        return "none"
    if certificate.provenance.void:
        return "void"
    if point.certified:
        proved = certificate.for_quality(point.quality)
        assert proved is not None
        return (
            f"at most {percent(proved.max_drop)} lost, with {percent(proved.confidence)} confidence "
            f"({proved.n:,} other queries)"
        )
    own = next((c for c in certificate.certificates if abs(c.quality - point.quality) < 1e-9), None)
    if own is not None and own.needed_n:
        return f"none; some {own.needed_n:,} graded queries could"
    return "none"


def _task_remark(evaluation: Evaluation) -> str:
    return (
        f"Where {evaluation.pair.small} is behind, and where it is not. A task of fewer than {FEW} queries says little."
    )


def _examples(evaluation: Evaluation, now: OperatingPoint | None) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return queries: those with the highest and the lowest scores, and those on which small lost most."""
    order = np.argsort(-evaluation.scores, kind="stable")
    pair = evaluation.pair
    found = [("Highest scores: small first", order[:EXAMPLES]), ("Lowest scores: large first", order[::-1][:EXAMPLES])]
    if now is not None:
        lost = np.where(evaluation.kept(now), pair.mean_large - pair.mean_small, 0.0)
        worst = np.argsort(-lost, kind="stable")[:EXAMPLES]
        title = f"Sent to small at the level {percent(now.quality)}, and worse than large would have been"
        found.append((title, worst[lost[worst] > 0]))
    return [(title, [_example(evaluation, int(row)) for row in rows]) for title, rows in found if len(rows)]


def _example(evaluation: Evaluation, row: int) -> dict[str, Any]:
    pair = evaluation.pair
    text = pair.queries[row]
    return {
        "query": text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…",
        "score": float(evaluation.scores[row]),
        "small": float(pair.mean_small[row]),
        "large": float(pair.mean_large[row]),
        "task": pair.tasks[row],
    }
