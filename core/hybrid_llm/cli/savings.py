"""``hybrid-llm savings``: what a journal of requests came to."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_llm.cli.options import AsJson
from hybrid_llm.cli.output import print_json, print_table, say
from hybrid_llm.errors import ConfigError

if TYPE_CHECKING:
    from hybrid_llm.report import Savings

_DAY = 86_400.0
_SHOWN = 14
"""Days that the terminal shows; the page and the JSON have all."""


def savings(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="What Journal(FILE) has kept.")],
    days: Annotated[
        float | None, typer.Option("--days", metavar="N", help="Only the requests of the last N days.")
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price", metavar="NAME=IN:OUT", help="Dollars per million tokens, in place of those written down."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE.html", help="Write a page too; one that is there is replaced.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Say what was paid, and what large alone would have cost.

    Nothing is asked of any model: the journal has the tokens and the dollars of each call.
    """
    from hybrid_llm.prices import Prices
    from hybrid_llm.report import Traffic, check_page, write_savings_page

    if days is not None and not days > 0:
        raise typer.BadParameter(f"--days {days:g} must be more than 0.")
    try:
        prices = Prices.read(price or ()).declared
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error
    if out is not None:
        check_page(out)
    since = None if days is None else time.time() - days * _DAY
    traffic = Traffic.read(journal, since=since, prices=prices)
    models = {one.model for one in traffic.savings.by_model}
    for name in prices.keys() - models if models else ():
        say(f"note: --price {name} counts for nothing: the journal has {', '.join(sorted(models))}.")
    if out is not None:
        write_savings_page(out, traffic)
    if json:
        print_json({**traffic.savings.as_dict(), "drift": traffic.drift})
        return
    typer.echo("\n".join(traffic.lines))
    _print_tables(traffic.savings)
    if out is not None:
        typer.echo(f"\nThe page is in {out}")


def _print_tables(found: Savings) -> None:
    from hybrid_llm.report import usd

    if found.by_model:
        typer.echo("")
        columns = ("model", "arm", "calls", "shown", "failed", "tokens in", "cached", "tokens out", "paid")
        rows = [
            (one.model, one.route, *map(_whole, (one.calls, one.kept, one.failed, one.input_tokens)),
             _whole(one.cached_tokens), _whole(one.output_tokens), usd(one.usd))
            for one in found.by_model
        ]  # fmt: skip
        print_table(columns, rows, texts=(0,))
    if found.by_day:
        typer.echo("")
        print_table(
            ("day (UTC)", "requests", "small", "large", "paid", "large alone, about"),
            [
                (day.day, _whole(day.requests), _whole(day.small), _whole(day.large), usd(day.paid_usd),
                 usd(day.always_large_usd))
                for day in found.by_day[-_SHOWN:]
            ],
        )  # fmt: skip


def _whole(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
