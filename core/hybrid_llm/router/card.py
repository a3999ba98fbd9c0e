"""The model card: what a reader of a router folder should know before trusting it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.certify import CAVEATS, Certificate, Menu, percent
from hybrid_llm.errors import RouterFolderError
from hybrid_llm.level import Level

if TYPE_CHECKING:
    from hybrid_llm.calibration import Calibration
    from hybrid_llm.router.parts import RouterParts
    from hybrid_llm.router.record import TrainingRecord

QUALITIES: Final = (0.99, 0.98, 0.97, 0.95, 0.90)


def model_card(parts: RouterParts) -> str:
    """Return the README of a router folder, in Markdown.

    Args:
        parts: The parts of a trained router (``router.parts``).

    Raises:
        RouterFolderError: The router was not trained: it wraps a scorer of the caller's own.
    """
    record = parts.record
    if record is None:
        raise RouterFolderError("Only a trained router has a model card; this one wraps a scorer of your own.")
    pair = f"{_code(record.small)} -> {_code(record.large)}"
    sections = [
        f"# Router {pair}",
        _what(record),
        f"## Use\n\n{_usage(parts)}",
        f"## Training\n\n{_training(parts.id, record)}",
        f"## Figures\n\n{_figures(record)}",
        *([record.about.strip()] if record.about else []),
        f"## Thresholds\n\n{_thresholds(parts.calibration)}",
        _certificate(parts.certificate, all_rows=record.all_rows),
        *_looks(parts),
        f"## What it is not\n\n{_limits(parts)}",
        f"## Privacy\n\n{record.recoverable or 'No training row can be recovered from the weights.'}",
        f"## Made with\n\n{_versions(record)}",
    ]
    return "\n\n".join(sections) + "\n"


def _what(record: TrainingRecord) -> str:
    return (
        "A router made with hybrid-llm (method: Hybrid LLM, arXiv 2404.14618). Before any model is called, it decides "
        f"whether {_code(record.small)} will answer a query as well as {_code(record.large)}: its score, between 0 and "
        "1, is the probability of that, and a query goes to the small model if and only if the score reaches the "
        "threshold."
    )


def _usage(parts: RouterParts) -> str:
    level = "quality=0.95" if parts.calibration or parts.certificate else "threshold=0.5"
    return (
        "```python\nfrom hybrid_llm import Router\n\n"
        'router = Router.load("path/of/this/folder")\n'
        f'router.decide("What is the capital of Peru?", {level}).route\n```'
    )


def _training(router_id: str, record: TrainingRecord) -> str:
    encoder = record.settings.get("encoder")
    label = f"`{record.label}`, t = {record.t:.4g}" if record.label == "trans" else f"`{record.label}`"
    facts: list[tuple[str, str]] = [
        ("router id", _code(router_id)),
        ("small model", _code(record.small)),
        ("large model", _code(record.large)),
        *((f"pair: {_inline(key)}", _code(value)) for key, value in record.fingerprint.items()),
        ("recipe", _code(record.recipe)),
        ("label", label),
        ("rows trained on", f"{record.n_fit:,}"),
        ("data", _code(record.data)),
        ("hash of the data", _code(record.data_hash)),
        ("encoder", _code(encoder) if encoder else "the shipped one"),
        ("date", _inline(record.created)),
    ]
    return _table(("", ""), facts)


def _figures(record: TrainingRecord) -> str:
    judged = "a table of other rows" if record.all_rows else "`hybrid-llm evaluate --split test`"
    heldout, chosen = record.heldout, record.settings.get("chosen", {})
    settings = ", ".join(f"{_inline(name)} {value:g}" for name, value in chosen.items()) or "the defaults"
    if heldout.get("chosen"):
        area = heldout.get("apgr")
        figure = f" APGR of the best on them: {area:.3f} (0.5 is random routing)." if area is not None else ""
        text = (
            f"{heldout['n']:,} held-out training rows chose the settings ({settings}).{figure} Since these rows "
            "chose, the figure is somewhat too good: `hybrid-llm evaluate --split test` gives an honest one."
        )
    else:
        text = (
            f"Only {heldout.get('n', 0):,} rows were held out, too few to choose by, so nothing was chosen "
            f"({settings}). {judged[0].upper()}{judged[1:]} gives figures."
        )
    if not record.settings.get("signal", True):
        text += " **Training found nothing to go by: all scores are nearly equal, and routing is close to random.**"
    return text


def _thresholds(calibration: Calibration | None) -> str:
    if calibration is None:
        return (
            "None: the router has not been calibrated, so only `threshold=` is a level. "
            "`hybrid-llm calibrate` measures thresholds."
        )
    cuts = [(quality, calibration.cut(Level("quality", quality))) for quality in QUALITIES]
    rows = [
        (
            f"{quality:g}",
            f"{cut.threshold:.4f}",
            percent(cut.cost_advantage),
            percent(cut.drop),
            f"{cut.drop_points:.4f}",
        )
        for quality, cut in cuts
    ]
    note = f" Note: {_inline(calibration.note)}." if calibration.note else ""
    return (
        f"Measured on {calibration.n:,} queries for {_code(calibration.small)} (mean quality "
        f"{calibration.small_quality:.3f}) -> {_code(calibration.large)} ({calibration.large_quality:.3f}), and "
        f"promised for no others.{note} A threshold of 2 sends everything to the large model.\n\n"
        + _table(("quality level", "threshold", "cost advantage", "measured drop", "in points"), rows)
    )


def _certificate(menu: Menu | None, *, all_rows: bool) -> str:
    if menu is None and all_rows:
        return "## Certificate\n\nNone, and none can be made: the router was fitted to all rows that there were."
    if menu is None:
        return "## Certificate\n\nNone. `hybrid-llm certify` makes one from rows that training did not see."
    p = menu.provenance
    columns = ("quality level", "threshold", "cost advantage", "measured drop", "in points")
    void = f"**VOID: {_inline(p.void_reason)} It promises nothing.**\n\n" if p.void else ""
    n, confidence = menu.asked.n, percent(menu.asked.confidence)
    return (
        f"## Certificate{': VOID' if p.void else ''}\n\n{void}"
        f"All of these hold at once with {confidence} confidence, for {_code(p.small)} -> {_code(p.large)}. Measured "
        f"by {_inline(p.measured_by)}, on {_code(p.data)}: {n:,} distinct queries.\n\n"
        + _table(columns, [_promise(certificate) for certificate in menu.certificates])
        + "".join(f"\n\nQuality level {c.quality:g}: {c.reason}" for c in menu.certificates if not c.feasible)
        + f"\n\n{CAVEATS}"
    )


def _looks(parts: RouterParts) -> list[str]:
    """Return what the card says of second looks; nothing where there are none."""
    sections = []
    for form, look in parts.looks.items():
        seen = ", ".join(_code(name) for name in look.columns)
        untrained = "" if form == "trained" else " It needs no training, and its levels are `cost_advantage=` alone."
        text = (
            f"## Second look: {form}\n\nJudges an answer of {_code(look.bound.small)} before it is shown, by {seen}."
            f"{untrained} With other models, checkers or settings its levels say nothing."
        )
        measured = look.paths[look.columns].calibration
        if measured is not None and measured.graded:
            cuts = [(quality, measured.cut(Level("quality", quality))) for quality in QUALITIES]
            rows = [(f"{q:g}", percent(c.cost_advantage), percent(c.both_run), percent(c.drop or 0.0)) for q, c in cuts]
            text += f"\n\nMeasured on {measured.n:,} answers:\n\n" + _table(
                ("quality level", "small's answer kept", "both models run", "measured drop"), rows
            )
        if look.certificate is not None:
            p = look.certificate.provenance
            state = f"**VOID: {_inline(p.void_reason)}**" if p.void else f"on {_code(p.data)}"
            text += f"\n\nCertificate of the whole path, {state}:\n\n" + _table(
                ("quality level", "small's answer kept", "measured drop"),
                [
                    (f"{c.quality:g}", percent(c.cost_advantage) if c.feasible else "no promise", percent(c.drop))
                    for c in look.certificate.certificates
                ],
            )
        sections.append(text)
    return sections


def _promise(certificate: Certificate) -> Sequence[str]:
    if not certificate.feasible:
        return (f"{certificate.quality:g}", "no promise", "", "", "")
    return (
        f"{certificate.quality:g}",
        f"{certificate.threshold:.4f}",
        percent(certificate.cost_advantage),
        percent(certificate.drop),
        f"{certificate.drop_points:.4f}",
    )


def _limits(parts: RouterParts) -> str:
    promise = (
        "certified only at the levels of the certificate above, and only for its pair"
        if parts.proves
        else "not certified: its thresholds were measured, and other queries may lose more"
    )
    return (
        f"- It is {promise}.\n"
        "- It speaks of averages over traffic like its data, not of each single answer.\n"
        "- It knows the models and the kind of query that it was trained on. When the models, their prompts or the "
        "traffic change, calibrate and certify again; when they change much, train again.\n"
        "- It reads the text of the query alone: it sees no images, no tools and nothing said before."
    )


def _versions(record: TrainingRecord) -> str:
    return ", ".join(f"{_inline(name)} {_inline(version)}" for name, version in record.versions.items()) + "."


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(columns)} |"
        yield f"|{' --- |' * len(columns)}"
        for row in rows:
            yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"

    return "\n".join(lines())


def _inline(value: Any) -> str:
    """Return a text on one line that cannot end a paragraph or become HTML."""
    return " ".join(str(value).split()).replace("<", "&lt;")


def _code(value: Any) -> str:
    """Return a text as code, with quotes where it holds the sign that ends code."""
    return f"`{' '.join(str(value).split()).replace('`', chr(39))}`"
