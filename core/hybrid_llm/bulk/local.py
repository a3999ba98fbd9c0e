"""The engine of one machine: each text on a thread of its own, one slice in memory at a time.

Threads and not processes: what takes the time (ONNX Runtime, tokenizers, numpy) lets other threads run, there is one
network in memory, and a program that calls us is not imported a second time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from hybrid_llm.bulk.part import Work


def score_locally(work: Work, wanted: Callable[[int], bool], workers: int, tell: Callable[[int], None]) -> None:
    """Score the wanted slices and write their parts, in order.

    Args:
        work: What to do.
        wanted: Which slices, by number.
        workers: Texts at a time.
        tell: Told how many rows more are done.

    Raises:
        TableError: The table cannot be read, or a part cannot be written.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="hybrid-llm-bulk") as pool:
        for rows in work.table.slices(wanted):
            work.score(rows, pool.map, tell)
