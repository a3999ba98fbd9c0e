"""``hybrid-llm route`` and ``hybrid-llm demo``: where queries go."""

from __future__ import annotations

import io
import sys
import warnings
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from hybrid_llm.cli.demo_queries import QUERIES
from hybrid_llm.cli.options import AsJson, CostAdvantage, Quality, RouterDir, Threshold, level_of
from hybrid_llm.cli.output import print_json, print_table, progress
from hybrid_llm.errors import HybridLLMWarning

if TYPE_CHECKING:
    from hybrid_llm.router import Router

DEMO_QUALITIES: Final = (0.90, 0.95, 0.99)


def route(
    queries: Annotated[
        list[str],
        typer.Argument(
            metavar="QUERY",
            show_default=False,
            help="The queries; - reads them from standard input: one a line, or JSON, CSV, Parquet with a query in it.",
        ),
    ],
    router: RouterDir = None,
    quality: Quality = None,
    cost_advantage: CostAdvantage = None,
    threshold: Threshold = None,
    require_certified: Annotated[
        bool, typer.Option("--require-certified", help="Send all to large if the level is not certified.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Decide where queries go, without calling any model.

    The level is one of --quality, --cost-advantage and --threshold; without any it is quality 0.99.
    """
    level = level_of(quality, cost_advantage, threshold)
    from hybrid_llm.router import Router

    loaded = Router.load(router)
    texts = [text for query in queries for text in (_queries_of_standard_input() if query == "-" else [query])]
    with progress() as report:
        decisions = loaded.watched(report).decide_each(texts, [level] * len(texts), require_certified=require_certified)
    if json:
        print_json([{"query": text, **decision.as_dict()} for text, decision in zip(texts, decisions, strict=True)])
        return
    rows = [
        (text, _number(d.score), _number(d.threshold), d.route, d.reason + (", truncated" if d.truncated else ""))
        for text, d in zip(texts, decisions, strict=True)
    ]
    print_table(("query", "score", "threshold", "route", "reason"), rows, texts=(0,))


def demo(json: AsJson = False) -> None:
    """Show where two dozen varied queries would go.

    No server, key or network is needed: the shipped router scores the queries, and nothing answers them.
    """
    from hybrid_llm.router import Router

    router = Router.load()
    scores = [float(score) for score in router.score(QUERIES)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HybridLLMWarning)  # the last lines say that nothing is certified
        limits = {quality: router.threshold_for(quality=quality) for quality in DEMO_QUALITIES}
        levels = [[decision.route for decision in router.decide_many(QUERIES, quality=q)] for q in limits]
    routes: list[dict[str, str]] = [
        {f"{q:.2f}": route for q, route in zip(limits, of_query, strict=True)} for of_query in zip(*levels, strict=True)
    ]
    if json:
        print_json(_demo_json(router, limits, scores, routes))
        return
    typer.echo(f"Where {len(QUERIES)} queries go, by the share of the large model's quality to keep\n")
    columns = ("query", "score", *(f"at {quality:.2f}" for quality in limits))
    rows = [
        (query, f"{score:.3f}", *where.values()) for query, score, where in zip(QUERIES, scores, routes, strict=True)
    ]
    print_table(columns, rows, texts=(0,))
    _print_footer(router)


def _queries_of_standard_input() -> list[str]:
    from hybrid_llm.table import read_prompts

    binary = getattr(sys.stdin, "buffer", None)
    content = binary.read() if binary else sys.stdin.read().encode("utf-8", "surrogateescape")
    file = io.BufferedReader(io.BytesIO(content))
    return [prompt.query for prompt in read_prompts("standard input", file)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _demo_json(
    router: Router, limits: dict[float, float], scores: list[float], routes: list[dict[str, str]]
) -> dict[str, Any]:
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
        "thresholds": {f"{quality:.2f}": limit for quality, limit in limits.items()},
        "queries": [
            {"query": query, "score": score, "routes": where}
            for query, score, where in zip(QUERIES, scores, routes, strict=True)
        ],
    }


def _print_footer(router: Router) -> None:
    calibration = router.calibration
    assert calibration is not None
    note = f": {calibration.note}" if calibration.note else ""
    pair = f"{calibration.small} -> {calibration.large}"
    typer.echo(f"\nThe shipped router ({pair}) was calibrated on {calibration.n:,} queries{note}.")
    typer.echo(
        "It is not certified. For your own pair: hybrid-llm calibrate DATA --small MODEL --large MODEL --out DIR"
    )
