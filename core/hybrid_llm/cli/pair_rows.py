"""The rows that a command works on: read, counted, and what was left out said on standard error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybrid_llm.cli.options import check_pair, scale_of
from hybrid_llm.cli.output import say

if TYPE_CHECKING:
    from hybrid_llm.table import PairTable


@dataclass(frozen=True)
class PairRows:
    """The rows of a pair, and what was left out on the way to them.

    Args:
        pair: The rows.
        source: Where they came from, in words.
        skipped: Broken rows that ``--skip-bad`` left out.
        leaks_dropped: Training rows that ``--drop-leaks`` left out.
    """

    pair: PairTable
    source: str
    skipped: int
    leaks_dropped: int


def read_pair(
    data: Sequence[Path],
    small: str,
    large: str,
    split: str | None,
    *,
    skip_bad: bool,
    drop_leaks: bool,
    scale: str | None = None,
) -> PairRows:
    """Read the rows that have both models, and say on standard error what was left out.

    Raises:
        BadParameter: Both models are the same, or the scale is none.
        TableError: A file, a model or the split is not as asked.
    """
    from hybrid_llm.table import QualityTable

    check_pair(small, large)
    table = QualityTable.read(*data, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale_of(scale))
    if table.skipped:
        say(f"note: {_rows(len(table.skipped))} skipped, the first one because {table.skipped[0]}")
    if table.leaks_dropped:
        say(f"note: {_rows(table.leaks_dropped, 'training ')} dropped: their question stands in another split too.")
    if table.leaks.rows:
        say(
            f"note: the question of {_rows(table.leaks.rows, 'training ')} stands in another split too (equal "
            "stem_key); --drop-leaks drops them."
        )
    pair = table.pair(small, large)
    if pair.dropped:
        say(f"note: {_rows(pair.dropped)} left out: no score of {small} or of {large}.")
    source = ", ".join(path.name for path in data) + (f", split {split}" if split else "")
    return PairRows(pair.split(split) if split else pair, source, len(table.skipped), table.leaks_dropped)


def _rows(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}row{'' if count == 1 else 's'}"
