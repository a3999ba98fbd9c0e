"""Score a table of any size into a folder: what was done stays, and the same call goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args

from hybrid_llm.bulk.contents import Contents
from hybrid_llm.bulk.folder import ScoresFolder, check_writing
from hybrid_llm.bulk.local import score_locally
from hybrid_llm.bulk.on_ray import check_ray, score_on_ray
from hybrid_llm.bulk.part import Work
from hybrid_llm.bulk.summary import TableScores, counted
from hybrid_llm.disk import claimed
from hybrid_llm.errors import ConfigError, TableError
from hybrid_llm.scoring import available_cpus
from hybrid_llm.table import SlicedTable

if TYPE_CHECKING:
    from hybrid_llm.bulk.routing import Routing
    from hybrid_llm.scoring import Progress, Scorer

Engine = Literal["local", "ray"]
ENGINES: Final = get_args(Engine)


def score_table(
    scorer: Scorer,
    table: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    routing: Routing | None = None,
    paths: Mapping[str, str] | None = None,
    engine: Engine = "local",
    address: str | None = None,
    workers: int | None = None,
    part_rows: int = 5_000,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> TableScores:
    """Do what :meth:`hybrid_llm.Router.score_table` does, with its arguments.

    Args:
        scorer: What scores.
        table: The file.
        out: The folder.
        routing: What decides, if there is to be a column ``route``.
        paths: {field: path} of a table with other names.
        engine: Where to score.
        address: Of a Ray cluster.
        workers: Texts at a time.
        part_rows: Rows of a part: what is lost, at most, of each worker that is killed.
        skip_bad: Whether a row that cannot be used gets no score.
        progress: Told how many rows are done.

    Raises:
        TableError: The table cannot be read, or the folder holds something else.
        ConfigError: A setting makes no sense.
        MissingExtraError: pyarrow or Ray is not installed.
    """
    _check(engine, address, workers, part_rows)
    check_writing(Path(out))
    path = Path(table).absolute()
    contents = Contents.of(
        path,
        router_id=scorer.id,
        map=dict(paths or {}),
        part_rows=part_rows,
        level=routing.level if routing else None,
        threshold=routing.threshold if routing else None,
    )
    source = SlicedTable(path, part_rows, dict(paths or {}))
    with claimed(Path(out), TableError) as place:
        folder = ScoresFolder(place)
        work = Work(source, folder, scorer, routing, skip_bad)
        if engine == "ray":
            check_ray(work)
        folder.begin(contents)
        began, kept = time.monotonic(), _whole(folder.parts(), source.rows, part_rows)
        told = _Told(source.rows, sum(kept.values()), progress)
        if engine == "ray":
            numbers = [number for number in range(-(-(source.rows or 0) // part_rows)) if number not in kept]
            used = score_on_ray(work, numbers, workers, address, told.more) if numbers else 0
        else:
            used = workers or available_cpus()
            score_locally(work, lambda number: number not in kept, used, told.more)
        seconds = time.monotonic() - began
        parts, rows, without, routes = counted(folder)
    if not rows:
        raise TableError(f"{path} holds no rows")
    if rows != (told.done if source.rows is None else source.rows):
        raise TableError(f"{out} lacks rows of {path}; the same command scores what is missing.")
    return TableScores(
        out=Path(out),
        router_id=scorer.id,
        rows=rows,
        new=told.new,
        without_score=without,
        parts=parts,
        routes=routes if routing else None,
        threshold=routing.threshold if routing else None,
        engine=engine,
        workers=used,
        seconds=seconds,
    )


def _whole(parts: Mapping[int, int], rows: int | None, size: int) -> dict[int, int]:
    """Return the parts that hold as many rows as they should; the others are scored again."""
    return {number: n for number, n in parts.items() if rows is None or n == min(size, rows - number * size)}


def _check(engine: str, address: str | None, workers: int | None, part_rows: int) -> None:
    if engine not in ENGINES:
        raise ConfigError(f"engine {engine!r} must be {' or '.join(ENGINES)}.")
    if address is not None and engine != "ray":
        raise ConfigError("an address is that of a Ray cluster; add --engine ray.")
    for name, value in (("workers", workers), ("part rows", part_rows)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} must be 1 or more, not {value}.")


class _Told:
    """Counts the rows that are done, and tells whoever watches.

    Args:
        total: Rows of the table, where they are known.
        kept: Those that were scored before.
        progress: Told (what, done, total).
    """

    def __init__(self, total: int | None, kept: int, progress: Progress | None) -> None:
        self._total, self._progress = total or 0, progress
        self.done, self.new = kept, 0
        self.more(0)

    def more(self, rows: int) -> None:
        """Count rows that were scored now."""
        self.done, self.new = self.done + rows, self.new + rows
        if self._progress is not None:
            self._progress("Scoring rows", self.done, self._total)
