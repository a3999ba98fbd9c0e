"""What a router costs besides its mistakes: the time of one score, the size of its installation, a network."""

from __future__ import annotations

import re
import socket
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final, NoReturn
from unittest.mock import patch

from benchmarks.peers.routers import Score

MEGABYTE: Final = 1e6


def times(scores: Mapping[str, Score], queries: Sequence[str], reference: str) -> dict[str, dict[str, float]]:
    """Time each router on one query after the other, all of them in turns on each query.

    Args:
        scores: Router -> its scores; no router may have seen the queries.
        queries: The first one is not counted.
        reference: The router that the others are compared with.

    Returns:
        Router -> medians over the queries: ``p50``, seconds on the clock; ``cpu``, seconds of all threads; ``ratio``,
        its time on the clock divided by that of the reference for the same query.
    """
    clock: dict[str, list[float]] = {name: [] for name in scores}
    cpu: dict[str, list[float]] = {name: [] for name in scores}
    for query in queries:
        for name, score in scores.items():
            start, busy = time.perf_counter(), time.process_time()
            score([query])
            clock[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - busy)
    base = clock[reference][1:]
    return {
        name: {
            "p50": statistics.median(own[1:]),
            "cpu": statistics.median(cpu[name][1:]),
            "ratio": statistics.median(one / other for one, other in zip(own[1:], base, strict=True)),
        }
        for name, own in clock.items()
    }


def installed_size(names: Sequence[str]) -> float | None:
    """Return the megabytes of some distributions and of all that they require, or None when one is not installed."""
    found: dict[str, Distribution] = {}
    for name in names:
        if not _collect(name, found):
            return None
    return sum(_bytes(key) for key in found) / MEGABYTE


def version_of(name: str) -> str | None:
    """Return the version of a distribution, or None when it is not installed."""
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


def _collect(name: str, found: dict[str, Distribution], extras: frozenset[str] = frozenset()) -> bool:
    from packaging.requirements import Requirement

    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in found and not extras:
        return True
    try:
        found[key] = distribution(name)
    except PackageNotFoundError:
        return False
    for text in found[key].requires or ():
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            _collect(wanted.name, found, frozenset(wanted.extras))  # what is required and not there is not counted
    return True


@cache
def _bytes(name: str) -> int:
    one = distribution(name)
    files = [Path(str(one.locate_file(file))) for file in one.files or ()]
    if any(file.suffix == ".pth" for file in files):  # installed in place: the packages lie elsewhere
        import hybrid_llm

        files += [path for path in Path(hybrid_llm.__file__).parent.rglob("*") if "__pycache__" not in path.parts]
    return sum(file.stat().st_size for file in files if file.is_file())


@contextmanager
def without_network() -> Iterator[list[str]]:
    """Refuse every connection, and list what was asked for."""
    asked: list[str] = []

    def refuse(*arguments: Any, **_: Any) -> NoReturn:
        asked.append(str(arguments[-1]))
        raise OSError("the comparison runs without a network")

    with patch.object(socket.socket, "connect", refuse), patch.object(socket, "getaddrinfo", refuse):
        yield asked
