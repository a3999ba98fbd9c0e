"""What became of a table that was scored."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hybrid_llm.bulk.folder import ScoresFolder


@dataclass(frozen=True)
class TableScores:
    """What a folder of scores holds, and what it took.

    Args:
        out: The folder.
        router_id: Of what scored.
        rows: Rows in the folder.
        new: Those that were scored now; the others were there.
        without_score: Rows that could not be used.
        parts: Files in the folder.
        routes: Rows for each arm, at the level that was asked for; ``None`` without one.
        threshold: What that level came to.
        engine: ``local`` or ``ray``.
        workers: Texts that were scored at a time.
        seconds: What it took.
    """

    out: Path
    router_id: str
    rows: int
    new: int
    without_score: int
    parts: int
    routes: dict[str, int] | None
    threshold: float | None
    engine: str
    workers: int
    seconds: float

    @property
    def rows_per_second(self) -> float | None:
        """How fast it was; ``None`` when there was nothing to do."""
        return self.new / self.seconds if self.new and self.seconds > 0 else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "out": str(self.out), "rows_per_second": self.rows_per_second}


def counted(folder: ScoresFolder) -> tuple[int, int, int, dict[str, int]]:
    """Return how many parts, rows, rows without a score, and rows for each arm a folder holds."""
    import pyarrow.parquet as pq

    parts = rows = without = 0
    routes: Counter[str] = Counter()
    for number in folder.parts():
        file = folder.part(number)
        names = [name for name in pq.read_schema(file).names if name in ("score", "route")]
        table = pq.read_table(file, columns=names, partitioning=None)
        parts, rows, without = parts + 1, rows + len(table), without + table["score"].null_count
        if "route" in names:
            routes.update(route for route in table["route"].to_pylist() if route)
    return parts, rows, without, {arm: routes[arm] for arm in ("small", "large")}
