"""``hybrid-llm demo``: what the shipped router makes of two dozen queries."""

from __future__ import annotations

import shutil
import sys
import warnings
from typing import TYPE_CHECKING, Any, Final

import typer

from hybrid_llm.cli.demo_queries import QUERIES
from hybrid_llm.cli.explain import IN_WORDS
from hybrid_llm.cli.options import AsJson
from hybrid_llm.cli.output import QUALITIES, print_json
from hybrid_llm.errors import HybridLLMWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hybrid_llm.decision import Decision
    from hybrid_llm.router import Router

_CELLS: Final = 10
_WHY: Final = 28
"""Columns for the reason, which a narrow terminal does without."""
_NARROW: Final = 80

_LESS_OR_MORE: Final = {
    "log_characters": ("short", "long"),
    "log_words": ("few words", "many words"),
    "log_lines": ("few lines", "many lines"),
    "word_length": ("short words", "long words"),
    "distinct_words": ("words come again", "few words come again"),
    "digits": ("few digits", "many digits"),
    "capitals": ("few capital letters", "many capital letters"),
    "maths": ("few mathematical signs", "many mathematical signs"),
    "code": ("little code", "much code"),
    "choices": ("few choices to pick from", "many choices to pick from"),
    "questions": ("few question marks", "many question marks"),
}
"""What a feature is called where it is less than in the queries of training, and where it is more."""

_NEXT: Final = """\
No model was asked. What next:
  hybrid-llm explain "How much is 17 plus 26?"
      why a query goes where it goes
  hybrid-llm doctor --small ollama:qwen3:4b --large openai:gpt-4o
      are your two models ready?
  hybrid-llm run prompts.jsonl --small ollama:qwen3:4b --large openai:gpt-4o --grader contains --out pair/
      from your own prompts to a router of your own, and what it saves"""


def demo(json: AsJson = False) -> None:
    """Show where two dozen varied queries would go, and why.

    No server, key or network is needed: the shipped router scores the queries, and nothing answers them.
    """
    from hybrid_llm.router import Router

    router = Router.load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HybridLLMWarning)  # the last lines say that nothing is certified
        levels = [router.decide_many(QUERIES, quality=quality) for quality in QUALITIES]
    found = list(zip(*levels, strict=True))
    if json:
        print_json(_as_json(router, found))
        return
    typer.echo(f"Where {len(found)} queries go. The bar is the score: how likely small's answer is good enough.")
    typer.echo("A quality of 0.99 keeps 99 % of what the large model is worth; + and - say what counted most.")
    by_score = sorted(zip(QUERIES, found, strict=True), key=lambda one: -(one[1][0].score or 0.0))
    for title, strictest in _groups():
        group = [(query, decisions) for query, decisions in by_score if _strictest(decisions) == strictest]
        if group:
            typer.echo("\n" + typer.style(title, bold=True))
            typer.echo("\n".join(_line(query, decisions[0], router) for query, decisions in group))
    typer.echo("\n" + "\n".join(_about(router)) + "\n\n" + _NEXT)


def _groups() -> Iterator[tuple[str, float | None]]:
    """Return the headings, each with the strictest level that sends its queries to small."""
    for stricter, quality in zip((None, *QUALITIES), QUALITIES, strict=False):
        if stricter is None:
            yield f"small even at quality {quality:.2f}", quality
        else:
            yield f"small at quality {quality:.2f}, large at {stricter:.2f}", quality
    yield "large at each of them", None


def _strictest(decisions: Sequence[Decision]) -> float | None:
    """Return the strictest level that sends a query to small."""
    return next((quality for quality, one in zip(QUALITIES, decisions, strict=True) if one.route == "small"), None)


def _line(query: str, decision: Decision, router: Router) -> str:
    width = shutil.get_terminal_size().columns
    score = decision.score or 0.0
    filled, empty = _blocks()
    bar = filled * round(score * _CELLS)
    room = max(20, width - _CELLS - 10 - (_WHY if width >= _NARROW else 0))
    text = query if len(query) <= room else query[: room - 1] + "~"
    line = f"  {bar:{empty}<{_CELLS}} {score:.2f}  {text:<{room}}"
    return f"{line} {_why(query, decision, router)}" if width >= _NARROW else line.rstrip()


def _blocks() -> tuple[str, str]:
    """Return a filled and an empty cell of the bar, as the terminal can show them."""
    try:
        "\u2588\u2591".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#", "."
    return "\u2588", "\u2591"


def _why(query: str, decision: Decision, router: Router) -> str:
    """Return in a few words what counted most."""
    if decision.familiar is False:
        return "unlike its training"
    pushes = router.explain(query).pushes
    if not pushes:
        return ""
    first = pushes[0]
    name = IN_WORDS.get(first.feature, first.feature)
    if first.value is not None and first.mean is not None and first.feature in _LESS_OR_MORE:
        name = _LESS_OR_MORE[first.feature][first.value > first.mean]
    return f"{'+' if first.push > 0 else '-'} {name}"


def _about(router: Router) -> list[str]:
    calibration = router.calibration
    assert calibration is not None
    note = f": {calibration.note}" if calibration.note else ""
    pair = f"{calibration.small} -> {calibration.large}"
    return [
        f"The shipped router ({pair}) was calibrated on {calibration.n:,} queries{note}.",
        "It is not certified: one trained on your own two models knows them better.",
    ]


def _as_json(router: Router, found: Sequence[Sequence[Decision]]) -> dict[str, Any]:
    calibration = router.calibration
    assert calibration is not None
    return {
        "router_id": router.id,
        "calibrated_on": {
            "small": calibration.small,
            "large": calibration.large,
            "n": calibration.n,
            "note": calibration.note,
        },
        "certified": False,
        "thresholds": {f"{q:.2f}": one.threshold for q, one in zip(QUALITIES, found[0], strict=True)},
        "queries": [
            {
                "query": query,
                "score": decisions[0].score,
                "familiar": decisions[0].familiar,
                "routes": {f"{q:.2f}": one.route for q, one in zip(QUALITIES, decisions, strict=True)},
            }
            for query, decisions in zip(QUERIES, found, strict=True)
        ],
    }
