"""The report as one HTML page that fetches nothing: it opens from a file, on a phone, and printed."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from hybrid_llm.certify import Menu, percent
from hybrid_llm.errors import HybridLLMError, MissingExtraError
from hybrid_llm.report.breakdown import FEW, score_bins, task_rows
from hybrid_llm.report.evaluation import Evaluation
from hybrid_llm.report.figures import LEGEND, figure_columns, figure_rows, tenths
from hybrid_llm.report.levels import OperatingPoint, menu_levels
from hybrid_llm.report.pictures import curve_picture, gap_picture, score_picture, task_picture

FIRST: Final = 0.95
"""The level that the page shows first when no other one is certified."""
EXAMPLES: Final = 5
_EXCERPT: Final = 600
_FEW_ROWS: Final = 100
_TEMPLATES: Final = Path(__file__).parent / "page"


def check_page(path: Path) -> None:
    """Find out, before any work is done, whether a page can be made and kept.

    Raises:
        HybridLLMError: The file does not end in .html, is a folder, or its folder does not exist.
        MissingExtraError: jinja2 is not installed.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise HybridLLMError(f"{path} must end in .html.")
    if not path.parent.is_dir():
        raise HybridLLMError(f"Cannot write {path}: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise HybridLLMError(f"Cannot write {path}: it is a folder; name a file.")
    if importlib.util.find_spec("jinja2") is None:
        raise MissingExtraError.of("A report", "report")


def write_page(path: str | Path, evaluation: Evaluation, *, verdict: str = "", with_texts: bool = False) -> None:
    """Write the report page; a file that is there is overwritten.

    Args:
        path: A .html file.
        evaluation: What :func:`~hybrid_llm.report.evaluate_router` found, best at the levels of
            :func:`~hybrid_llm.report.dial`.
        verdict: Said at the top, in plain text.
        with_texts: Whether the page shows some of the queries.

    Raises:
        HybridLLMError: The file has another ending, or cannot be written.
        MissingExtraError: jinja2 is not installed.
    """
    path = Path(path)
    check_page(path)
    text = html_page(evaluation, verdict=verdict, with_texts=with_texts)
    try:
        path.write_text(text, encoding="utf-8", errors="replace")  # a query may hold half a character
    except OSError as error:
        raise HybridLLMError(f"Cannot write {path}: {error.strerror or error}.") from error


def html_page(evaluation: Evaluation, *, verdict: str = "", with_texts: bool = False) -> str:
    """Return the report page.

    Args:
        evaluation: What :func:`~hybrid_llm.report.evaluate_router` found.
        verdict: Said at the top, in plain text.
        with_texts: Whether the page shows some of the queries.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError:
        raise MissingExtraError.of("A report", "report") from None
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,  # names, tasks, queries and the verdict are the user's: text, never markup
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        interval=_interval, proof=_proof, seconds=_seconds, share=percent, short=_short, tenths=_tenths, usd=_usd,
        whole=_whole,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(
        _content(evaluation, verdict, with_texts), style=_inline("style.css"), script=_inline("dial.js")
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


def _inline(name: str) -> dict[str, Any]:
    """Return a file that stands in the page, with the hash by which the page allows it and nothing else."""
    from markupsafe import Markup

    text = (_TEMPLATES / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": f"sha256-{digest}"}  # noqa: S704 - our own file, not the user's text


def _proof(point: OperatingPoint) -> str:
    return "certified" if point.certified else "measured only"


def _short(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


def _tenths(share: float | None) -> str:
    return "-" if share is None else tenths(share)


def _interval(ends: Sequence[float] | None) -> str:
    return "-" if ends is None else f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f} %"


def _usd(dollars: float | None) -> str:
    if dollars is None:
        return "-"
    sign, amount = "-" if dollars < 0 else "", abs(dollars)
    if 0 < amount < 0.0001:
        return f"under {sign}$0.0001"
    return f"{sign}${amount:{',.2f' if amount == 0 or amount >= 0.1 else '.2g'}}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3g}"


def _whole(count: float | None) -> str:
    return "-" if count is None else f"{count:,.0f}"
