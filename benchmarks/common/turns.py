"""Comparing what is timed in turns, so that a busy moment of the machine falls on all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def in_turns(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each work, run in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def first_token(
    question: str,
    bare: Callable[[str], object],
    hybrid: Callable[[str], object],
    score: Callable[[Sequence[str]], object],
    repeats: int,
) -> list[str]:
    """Compare the time to the first token with that of the arm plus a score, each time of a new query.

    Args:
        question: What is asked, with another number at each turn.
        bare: Waits for the first token of the arm.
        hybrid: Waits for that of a pair with such an arm.
        score: Scores queries.
        repeats: How often.

    Returns:
        A row of the table.
    """
    numbers = iter(range(10**9))

    def fresh() -> str:
        return f"{question} ({next(numbers)})"

    found = in_turns(
        {"bare": lambda: bare(fresh()), "hybrid": lambda: hybrid(fresh()), "score": lambda: score([fresh()])}, repeats
    )
    ratio = found["hybrid"] / (found["bare"] + found["score"])
    figure = (
        f"{1e3 * found['hybrid']:.1f} ms; arm {1e3 * found['bare']:.1f} ms + score {1e3 * found['score']:.1f} ms; "
        f"ratio {ratio:.2f}"
    )
    return row("time to the first token, a new query", figure, "1.05", ratio <= 1.05)


def row(what: str, figure: str, goal: str, met: bool | None) -> list[str]:
    """Return a row of the table, and print it."""
    verdict = {True: "met", False: "**missed**", None: ""}[met]
    print(f"{what:58} {figure:60} {goal:10} {verdict}", flush=True)
    return [what, figure, goal, verdict]
