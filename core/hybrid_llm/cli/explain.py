"""``hybrid-llm explain``: why queries go where they go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from hybrid_llm.cli.options import AsJson, RouterDir
from hybrid_llm.cli.output import print_json, print_table, printable

if TYPE_CHECKING:
    from hybrid_llm.router import Explanation, Router

_SHOWN: Final = 6
_LEAST: Final = 0.001
"""Pushes that do not change the third digit of the score are not shown."""
IN_WORDS: Final = {
    "meaning": "what it is about",
    "log_characters": "length in characters (log)",
    "log_words": "length in words (log)",
    "log_lines": "number of lines (log)",
    "word_length": "length of its words",
    "distinct_words": "share of words that differ",
    "digits": "digits",
    "capitals": "capital letters",
    "maths": "mathematical signs",
    "code": "code",
    "choices": "choices (A. B. C.)",
    "questions": "question marks",
    "beyond_ascii": "letters beyond ASCII",
    "other_scripts": "letters of other scripts",
}
"""What a feature of :class:`hybrid_llm.scoring.Push` is, in words."""


def explain(
    queries: Annotated[list[str], typer.Argument(metavar="QUERY", show_default=False, help="The queries.")],
    router: RouterDir = None,
    json: AsJson = False,
) -> None:
    """Say why queries go where they go, without calling any model.

    For each: its score and where that lies among the calibration queries, whether it is like the training queries, what
    in its text pushed the score, and where each quality level sends it.
    """
    from hybrid_llm.router import Router

    loaded = Router.load(router)
    found = [(query, loaded.explain(query)) for query in queries]
    if json:
        print_json([{"query": query, **one.as_dict()} for query, one in found])
        return
    for number, (query, one) in enumerate(found):
        if number:
            typer.echo("")
        typer.echo(f'"{printable(query)}"')
        typer.echo("\n".join(_sentences(one, loaded)))
        _print_pushes(one)
        _print_levels(one)


def _sentences(one: Explanation, router: Router) -> list[str]:
    from hybrid_llm.certify import percent

    if one.score is None:
        return ["No text to score: it goes to large."]
    lines = [f"score {one.score:.3f}: the probability that small is good enough"]
    measured = router.calibration
    if one.percentile is not None and measured is not None:
        pair = f"{measured.small} -> {measured.large}"
        lines[0] += f"; higher than {percent(one.percentile)} of the {measured.n:,} calibration queries ({pair})"
    if one.familiarity is not None:
        says = "like those of training" if one.familiar else "unlike those of training, so the score says little"
        lines.append(f"familiarity {one.familiarity:.3f}: {says}")
    if one.truncated:
        lines.append("longer than the router reads: its beginning and its end were scored")
    return lines


def _print_pushes(one: Explanation) -> None:
    pushes = [push for push in one.pushes if abs(push.push) >= _LEAST][:_SHOWN]
    if not pushes:
        return
    typer.echo("")
    rows = [
        (IN_WORDS.get(push.feature, push.feature), _number(push.value), _number(push.mean), f"{push.push:+.3f}")
        for push in pushes
    ]
    print_table(("what pushed the score", "here", "mean", "push"), rows, texts=(0,))


def _print_levels(one: Explanation) -> None:
    if not one.levels:
        typer.echo("\nThis router has no thresholds for quality levels; hybrid-llm calibrate measures them.")
        return
    typer.echo("")
    rows = [
        (f"{at.quality:g}", f"{at.threshold:.3f}", at.route, at.reason, "certified" if at.certified else "measured")
        for at in one.levels
    ]
    print_table(("quality", "threshold", "goes to", "reason", "threshold is"), rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
