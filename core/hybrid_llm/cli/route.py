"""``hybrid-llm route``: where queries go."""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from hybrid_llm.cli.options import AsJson, CostAdvantage, Quality, RouterDir, Threshold, level_of
from hybrid_llm.cli.output import print_json, print_table, progress


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


def _queries_of_standard_input() -> list[str]:
    from hybrid_llm.table import read_prompts

    binary = getattr(sys.stdin, "buffer", None)
    content = binary.read() if binary else sys.stdin.read().encode("utf-8", "surrogateescape")
    file = io.BufferedReader(io.BytesIO(content))
    return [prompt.query for prompt in read_prompts("standard input", file)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
