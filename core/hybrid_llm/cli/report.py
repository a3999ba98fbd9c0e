"""``hybrid-llm report``: what a router is worth, as one page to hand on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_llm.cli.options import AsJson, Data, DropLeaks, OnScale, SkipBad
from hybrid_llm.cli.output import print_json, progress, say
from hybrid_llm.cli.pair_rows import PairRows, read_pair
from hybrid_llm.errors import TableError, UnknownNameError

if TYPE_CHECKING:
    from hybrid_llm.router import Router


def report(
    data: Data,
    router: Annotated[Path, typer.Option("--router", metavar="DIR", help="The router folder; it knows its pair.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="The page; one that is there is replaced.")],
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="The rows to judge on.")] = "test",
    with_texts: Annotated[bool, typer.Option("--with-texts", help="Show some of the queries on the page.")] = False,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", metavar="N", min=0, help="Resamples for the 95 % intervals; 0 for none.")
    ] = 1000,
    traffic: Annotated[
        Path | None, typer.Option("--traffic", metavar="JOURNAL", help="Show what was saved, too: a Journal's file.")
    ] = None,
    scale: OnScale = None,
    skip_bad: SkipBad = False,
    drop_leaks: DropLeaks = False,
    json: AsJson = False,
) -> None:
    """Write a page: what a router saves, and what that costs.

    One HTML file that fetches nothing: it opens from disk, on a phone, and prints. Without --with-texts it holds no
    query. The rows are those of --split, which training should not have seen. With --traffic it also says what your
    requests cost, and what the large model alone would have cost.
    """
    from hybrid_llm.report import Traffic, check_page, dial, evaluate_router, menu_levels, write_page
    from hybrid_llm.router import Router, warn_before_judging

    check_page(out)
    served = None if traffic is None else Traffic.read(traffic)
    loaded = Router.load(router)
    rows = _rows(loaded, data, split, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale)
    seen = warn_before_judging(loaded.parts, rows.pair)
    with progress() as shown:
        found = evaluate_router(
            loaded.watched(shown),
            rows.pair,
            levels=dial(rows.pair, loaded.parts),
            repetitions=bootstrap,
            source=rows.source,
            computing=lambda: shown("Computing figures", 0, 0),
        )
    write_page(out, found, with_texts=with_texts, traffic=served)
    if json:
        about = {"pair": {"small": rows.pair.small, "large": rows.pair.large}, "split": split, "seen": seen}
        levels = [point.as_dict() for quality in menu_levels(loaded.parts) if (point := found.at(quality))]
        print_json(
            {
                **found.figures,
                **about,
                "router_id": loaded.id,
                "levels": levels,
                "with_texts": with_texts,
                "report": str(out),
                **({"traffic": {**served.savings.as_dict(), "drift": served.drift}} if served else {}),
            }
        )
        return
    typer.echo(f"The report on {len(rows.pair):,} queries is in {out}")
    if not with_texts:
        say("It holds no query; --with-texts shows some.")


def _rows(
    router: Router, data: Sequence[Path], split: str, *, skip_bad: bool, drop_leaks: bool, scale: str | None
) -> PairRows:
    """Read the rows of a router's pair in one split.

    Raises:
        TableError: The router knows no pair, the table is of another one, or there is no row of the split.
    """
    if not router.parts.pairs:
        raise TableError(
            "This router does not know its pair; hybrid-llm calibrate measures its thresholds for one, and says which."
        )
    small, large = router.parts.pairs[0]
    try:
        rows = read_pair(data, small, large, None, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale)
    except UnknownNameError as error:
        raise TableError(
            f"This router is for {small} -> {large}, and the table is of another pair. {error}\n"
            "Give the table of that pair, or a router of this one (hybrid-llm train, or calibrate)."
        ) from None
    try:
        pair = rows.pair.split(split)
    except UnknownNameError as error:
        raise TableError(f"{error} --split NAME takes rows that training did not see.") from None
    return PairRows(pair, f"{rows.source}, split {split}", rows.skipped, rows.leaks_dropped)
