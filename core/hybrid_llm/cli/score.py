"""``hybrid-llm score``: the scores of a table of any size."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_llm.cli.asking import MapOf, span, usage
from hybrid_llm.cli.options import AsJson, CostAdvantage, Quality, RouterDir, Threshold, level_of
from hybrid_llm.cli.output import print_json, progress, say

if TYPE_CHECKING:
    from hybrid_llm.bulk import Engine, TableScores
    from hybrid_llm.scoring import Progress


def score(
    table: Annotated[
        Path,
        typer.Argument(metavar="TABLE", show_default=False, help="Parquet, or any format that prompts come in."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the Parquet files with the scores go.")],
    router: RouterDir = None,
    quality: Quality = None,
    cost_advantage: CostAdvantage = None,
    threshold: Threshold = None,
    map_: MapOf = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="local|ray", help="This machine, or an actor on each core of a cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option("--address", metavar="ADDRESS", help="Of a Ray cluster to join; auto finds one here.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", min=1, help="Texts at a time; without it one for each core.")
    ] = None,
    part_rows: Annotated[
        int, typer.Option("--part-rows", metavar="N", min=1, help="Rows of a file: what a kill costs at most.")
    ] = 5_000,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Give rows without a text no score instead of stopping.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Score a table of any size, without calling any model.

    FOLDER gets a Parquet file for each few thousand rows, with the columns row, id, score, familiarity and truncated;
    with --quality, --cost-advantage or --threshold also route. It can be stopped at any moment: what is written stays,
    and the same command goes on.
    """
    level = level_of(quality, cost_advantage, threshold)
    from hybrid_llm.bulk import ENGINES
    from hybrid_llm.router import Router
    from hybrid_llm.table import parse_map

    chosen: dict[str, Engine] = {name: name for name in ENGINES}
    if engine not in chosen:
        raise typer.BadParameter(f"--engine is {' or '.join(chosen)}, not {engine!r}.")
    paths = parse_map(map_) if map_ else None
    loaded = Router.load(router)
    try:
        with shown() as report, usage():
            found = loaded.watched(report).score_table(
                table,
                out,
                **(level.as_dict() if level else {}),
                paths=paths,
                engine=chosen[engine],
                address=address,
                workers=workers,
                part_rows=part_rows,
                skip_bad=skip_bad,
            )
    except KeyboardInterrupt:
        say(f"Stopped. What is written in {out} is kept; the same command goes on.")
        raise
    if json:
        print_json(found.as_dict())
    else:
        typer.echo("\n".join(_sentences(found)))


@contextmanager
def shown() -> Iterator[Progress]:
    """Show how many rows are done, how fast it goes and how long it will take."""
    with progress() as tell:
        began: tuple[float, int] | None = None

        def show(what: str, done: int, total: int) -> None:
            nonlocal began
            began = began or (time.monotonic(), done)
            rate = (done - began[1]) / max(time.monotonic() - began[0], 1e-3)
            left = f", {span((total - done) / rate)} left" if rate and total else ""
            tell(f"{what}: {rate:.0f}/s{left}", done, total)

        yield show


def _sentences(found: TableScores) -> Iterator[str]:
    rate = found.rows_per_second
    speed = f" ({found.new:,} scored now, {rate:.0f} a second)" if rate else " (all of them were there)"
    rows = "one row" if found.rows == 1 else f"{found.rows:,} rows"
    files = "one Parquet file" if found.parts == 1 else f"{found.parts:,} Parquet files"
    yield f"Scores of {rows} are in {found.out}: {files}{speed}"
    if found.without_score:
        yield f"{found.without_score:,} rows could not be used and have no score."
    if found.routes is not None:
        small, large = found.routes["small"], found.routes["large"]
        yield f"At threshold {found.threshold:.4f}: {small:,} to small, {large:,} to large."
