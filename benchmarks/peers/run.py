"""Compare our routers with those of others on public quality tables, offline, and write docs/measured/peers.md.

    python -m benchmarks.peers.run DATA_DIR [--out docs/measured/peers.md] [--cache DIR]    # half an hour on two cores

DATA_DIR is that of ``paper_figures``. The other routers' packages stand in ``benchmarks/peers/requirements.txt``,
which says how to make an environment for them; a router whose package is missing is skipped, with a line that says so.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.judge import Judged
from benchmarks.common.machine import machine
from benchmarks.common.numbers import listed
from benchmarks.common.pairs import PAIRS, Tables
from benchmarks.common.plots import shrink
from benchmarks.common.results import file_of, keep
from benchmarks.peers.cost import installed_size, times, version_of, without_network
from benchmarks.peers.figures import Built, apgr_alone, compared, judge
from benchmarks.peers.kept import Kept
from benchmarks.peers.menu import HEAD, LEFT_OUT, ORACLE, PEERS, RANDOM, SHIPPED, US, Peer
from benchmarks.peers.page import PAGE, apgr_spread, write_page
from benchmarks.peers.routers import UTTERANCES, Material
from hybrid_llm import Router
from hybrid_llm.metrics import oracle_curve, random_curve, tradeoff_curve
from hybrid_llm.report import error_cost_plot
from hybrid_llm.scoring import Encoder

COMPARED: Final = ("mmlu", "zeroeval, gemma-2-9b", "mmlu_pro, Llama-3.1-8B")
PACKAGES: Final = (US, "litellm", "semantic-router", "scikit-learn")
TIMED: Final = 200
DRAWN: Final = (HEAD, SHIPPED, "RouterBench kNN, k = 100", "LiteLLM heuristic")


def present(peers: Sequence[Peer]) -> tuple[list[Peer], list[str]]:
    """Return the routers whose packages are there, and a line for each of the others."""
    missing = {peer.name: peer.missing for peer in peers if peer.missing}
    lines = [
        f"Skipped: {name}, because {listed(modules)} is not installed (pip install -r "
        "benchmarks/peers/requirements.txt)."
        for name, modules in missing.items()
    ]
    return [peer for peer in peers if peer.name not in missing], lines


@dataclass(frozen=True, eq=False)
class Done:
    """One benchmark, judged: what the page says of it, the routers, and their scores."""

    values: dict[str, Any]
    made: list[Built]
    judged: Judged


def measure_pair(name: str, peers: Sequence[Peer], material: Material, kept: Kept, repetitions: int) -> Done:
    """Make and judge every router on one pair."""
    print(f"{name}:", file=sys.stderr, flush=True)
    made = [Built(peer, material) for peer in peers]
    with threadpool_limits(limits=1, user_api="blas"):
        judged = judge(made, kept)
        found = compared([judged], repetitions)
    pair = material.pair
    values = {
        "name": name,
        "small": pair.small,
        "large": pair.large,
        **{split: pair.row_splits.count(split) for split in ("train", "validation", "test")},
        "small_quality": float(judged.small.mean()),
        "large_quality": float(judged.large.mean()),
        "found": found,
        "picture": "",
    }
    return Done(values, made, judged)


def measure_cost(done: Sequence[Done], queries: Sequence[str], encoder: Any) -> dict[str, Any]:
    """Time every router on single queries, and measure what its installation takes.

    The routers are those of the benchmark with the fewest rows, which are made soonest.
    """
    few = min(done, key=lambda one: int(one.values["train"]))
    made = [one for one in few.made if one.peer.name != LEFT_OUT]  # costs what the shipped one costs
    reference = HEAD if any(one.peer.name == HEAD for one in made) else made[0].peer.name
    taken = times({one.peer.name: one.draws[0](encoder) for one in made}, queries, reference)
    routers = {
        one.peer.name: {
            "learns": one.peer.learns,
            **taken[one.peer.name],
            "megabytes": installed_size(one.peer.installs),
            "key": one.peer.key,
        }
        for one in made
    }
    return {
        "routers": routers,
        "trained": few.values["name"],
        "queries": len(queries) - 1,
        "characters": statistics.median(len(query) for query in queries),
        "load": os.getloadavg()[0],
        "cores": os.cpu_count(),
        "torch_megabytes": installed_size(("semantic-router", "sentence-transformers")),
    }


def draw(judged: Judged, title: str, path: Path) -> None:
    """Draw some routers' error-cost curves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    curves = {
        name.replace("`", ""): tradeoff_curve(judged.scores[name][0], judged.small, judged.large)
        for name in DRAWN
        if name in judged.scores
    }
    curves |= {
        RANDOM: random_curve(judged.small, judged.large),
        ORACLE: oracle_curve(judged.small, judged.large),
    }
    error_cost_plot(curves, path, title=title)
    shrink(path)


def run(
    data_dir: Path,
    out: Path,
    encoder: CachedEncoder,
    *,
    plain: Any,
    kept: Path | None = None,
    peers: Sequence[Peer] = PEERS,
    repetitions: int = 1000,
    timed: int = TIMED,
) -> dict[str, Any]:
    """Compare on every benchmark whose files are there, and draw the picture.

    Args:
        data_dir: Folder with the quality tables.
        out: The page; the picture goes to ``img`` beside it.
        encoder: Remembers embeddings.
        plain: An encoder that remembers nothing, for the timing.
        kept: Folder that keeps the other routers' scores between runs.
        peers: The routers.
        repetitions: Bootstrap resamples.
        timed: How many single queries are timed.

    Returns:
        Plain JSON values, all that the page says.
    """
    tables = Tables(data_dir)
    there, skipped = present(peers)
    for line in skipped:
        print(line, file=sys.stderr)
    specs = [spec for spec in PAIRS if spec.name in COMPARED and tables.has(spec.files)]
    if not specs:
        raise SystemExit(f"There is no quality table of {listed(COMPARED)} in {data_dir}.")
    scores = Kept(kept, encoder.id)
    with without_network() as asked:
        done = [
            measure_pair(
                spec.name, there, Material(tables.of(spec), encoder, data_dir, spec.files), scores, repetitions
            )
            for spec in specs
        ]
        tests = [one.judged for one in done]
        pooled = compared(tests, repetitions, apgr_alone) if len(done) > 1 else {}
        texts = zip(*(tables.of(spec).split("test").queries for spec in specs), strict=False)
        cost = measure_cost(done, [text for some in texts for text in some][: timed + 1], plain)
    first = done[0].values
    draw(tests[0], f"{first['name']}: {first['small']} → {first['large']}", out.parent / "img" / "peers.png")
    first["picture"] = "img/peers.png"
    return {
        "setting": setting_of(encoder, there, repetitions, asked),
        "pairs": [one.values for one in done],
        "pooled": pooled,
        "cost": cost,
        "skipped": skipped,
        "spread": spread_of(there, tests),
    }


def spread_of(peers: Sequence[Peer], judged: Sequence[Judged]) -> str:
    """Say how far the draws of a router that is built several times lie apart."""
    texts = []
    for peer in peers:
        if peer.draws == 1:
            continue
        for pair in judged:
            scores = np.split(pair.scores[peer.name], 2)[0]
            each = [tradeoff_curve(draw, pair.small, pair.large).apgr for draw in scores]
            texts.append(apgr_spread(each))
    return ", ".join(texts)


def setting_of(encoder: CachedEncoder, peers: Sequence[Peer], repetitions: int, asked: list[str]) -> dict[str, Any]:
    """Describe what the numbers were made with."""
    return {
        "command": "python -m benchmarks.peers.run DATA_DIR",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "python": platform.python_version(),
        "encoder": encoder.id,
        "shipped": Router.load().id,
        "versions": {name: version for name in PACKAGES if (version := version_of(name))},
        "repetitions": repetitions,
        "asked": asked,
        "utterances": UTTERANCES,
        "draws": max(peer.draws for peer in peers),
    }


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings and the others' scores between runs")
    parser.add_argument("--results", type=Path, default=file_of("peers"), help="where the numbers are kept")
    parser.add_argument("--repetitions", type=int, default=1000, help="bootstrap resamples")
    options = parser.parse_args(arguments)
    encoder = Encoder.load()
    cached = CachedEncoder(encoder, options.cache)
    results = run(
        options.data_dir, options.out, cached, plain=encoder, kept=options.cache, repetitions=options.repetitions
    )
    write_page(options.out, keep(options.results, results))
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
