"""The engine of a cluster: Ray Data, with an actor on each core that reads, scores and writes slices by itself.

Between machines go numbers of slices and counts of rows. Texts are read, and scores are written, where they are needed:
the table and the folder have to be on a disk that all machines see under the same name, and so has the router's folder.

A part is written whole or not at all, under a name that its number gives. So whoever writes it, and however often it
is tried because a worker died, its rows are there once.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from hybrid_llm.bulk.part import Work
from hybrid_llm.errors import ConfigError, HybridLLMError, MissingExtraError, TableError

_KNOCK: Final = 10.0
"""Seconds for a cluster to accept a connection."""
_STORE: Final = 128 << 20
"""Bytes of shared memory for a Ray that we start: it carries next to nothing."""


def check_ray(work: Work) -> None:
    """Check that Ray can do this, before anything begins.

    Raises:
        MissingExtraError: Ray is not installed.
        TableError: The table is not Parquet.
    """
    if not work.table.parquet:
        raise TableError(
            f"{work.table.path} is not Parquet, and only Parquet can be read from the middle, as Ray's workers do; "
            "write it as Parquet (pandas: to_parquet), or use --engine local"
        )
    try:
        import ray.data  # noqa: F401
    except ImportError:
        raise MissingExtraError.of("--engine ray", "ray") from None


def score_on_ray(
    work: Work, numbers: Sequence[int], workers: int | None, address: str | None, tell: Callable[[int], None]
) -> int:
    """Score slices and write their parts, on all cores of a cluster.

    Args:
        work: What to do.
        numbers: The slices.
        workers: Actors; without it one for each core of the cluster.
        address: Of a cluster to join; without it a Ray is started here, unless the program has one.
        tell: Told how many rows more are done.

    Returns:
        How many actors there were.

    Raises:
        TableError: A row cannot be used, or a part cannot be written.
        ConfigError: No cluster answers at the address.
    """
    import ray

    with _cluster(workers, address):
        cores = int(ray.cluster_resources().get("CPU", 1))
        actors = max(1, min(workers or cores, len(numbers)))
        for done in _parts(work, numbers, actors):
            if done["error"]:
                raise TableError(done["error"])
            tell(int(done["rows"]))
    return actors


class ScorePart:
    """What an actor does: the network is opened once, in the actor, and runs on one thread.

    Args:
        work: What to do.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        work.prepare()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Score the slices of a batch; what is wrong with a row is told, since trying again would not mend it."""
        rows, errors = [], []
        for number in batch["number"]:
            done, error = 0, ""
            try:
                slice_ = self._work.slice(int(number))
                self._work.score(slice_)
                done = len(slice_.queries)
            except HybridLLMError as wrong:
                error = str(wrong)
            rows.append(done)
            errors.append(error)
        return {"rows": rows, "error": errors}


def _parts(work: Work, numbers: Sequence[int], actors: int) -> Iterator[dict[str, Any]]:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    slices = ray.data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
    parts = slices.map_batches(
        ScorePart,
        fn_constructor_args=(work,),
        batch_size=1,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=actors),
    )
    yield from parts.iter_rows()


@contextmanager
def _cluster(workers: int | None, address: str | None) -> Iterator[None]:
    """Have a cluster: the one at the address, the one that the program has joined, or one that is started here."""
    import ray

    logging.getLogger("ray.data").setLevel(logging.ERROR)  # our progress is shown, not Ray's
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a Ray of ours tells nobody
        ray.init(num_cpus=workers, include_dashboard=False, object_store_memory=_STORE, **quiet)
    else:
        try:
            _knock(address)
            ray.init(address=address, **quiet)
        except (OSError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"No Ray cluster can be joined at {address} ({str(error).splitlines()[0]}); "
                "ray start --head starts one and prints its address."
            ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Find out at once whether anybody listens: Ray itself tries for minutes.

    Raises:
        ConfigError: It is the address of a Ray Client, which is too far from the cluster to do this.
        OSError: Nobody listens there.
    """
    if "://" in address:
        raise ConfigError(
            f"{address} is the address of a Ray Client; run this on a machine of the cluster, with --address auto."
        )
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), _KNOCK).close()
