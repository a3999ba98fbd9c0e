"""What our plug-in adds to a request in LiteLLM's proxy, against the same proxy without it.

Run: ``python -m benchmarks.litellm_overhead.run --litellm PATH/TO/litellm [--calls 300] [--out FILE]``, with the
``litellm`` of the environment that has the extra. Two proxies run side by side before a server in this process that
answers at once, and are asked in turns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from benchmarks.common.doc_tables import markdown, shared, write_between
from benchmarks.common.machine import processor
from benchmarks.common.places import ROOT

KEY = "sk-5f1c9a3e7b2d4860a1c3e5f7092b4d6e"
QUESTION = "What is the capital of the country that Lake Titicaca lies in?"
AT_A_TIME = 32
BLOCK = 10
"""Requests of one kind in a row."""
AFTER = 0.5
"""Seconds in which a proxy writes its logs after it has answered."""
WITHOUT = "without the plug-in"
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "La Paz."}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
CONFIG = """\
model_list:
  - { model_name: small, litellm_params: { model: openai/m, api_key: none, api_base: "http://127.0.0.1:PORT/v1" } }
  - { model_name: large, litellm_params: { model: openai/m, api_key: none, api_base: "http://127.0.0.1:PORT/v1" } }
"""
PLUG_IN = """\
callback_settings: { hybrid: { small: small, large: large, threshold: 0 } }
litellm_settings: { callbacks: ["litellm_hybrid.hybrid"] }
"""
PAGE = """\
# What routing adds to a request in LiteLLM's proxy

`python -m benchmarks.litellm_overhead.run --litellm PATH` writes this table: requests over HTTP through two proxies
that run side by side, one with the plug-in and one without, to a model that answers at once, in turns. All go to the
same group, so that nothing but the decision differs. *Score known* is a query whose score is remembered; a new one is
scored in the proxy's process ([how fast](speed.md)). CPU time is what all threads of the proxy's process have had a
processor for, its logging included, for one request: on a machine that does other things too it says more than the
seconds do.

<!-- begin: overhead -->
<!-- end: overhead -->
"""


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as come."""

    request_queue_size = 128
    daemon_threads = True


class Instant(BaseHTTPRequestHandler):
    """Answers every chat at once."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing of it."""


@contextmanager
def model() -> Iterator[int]:
    """Run the model's server; give its port."""
    server = Server(("127.0.0.1", 0), Instant)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()


@contextmanager
def proxy(program: str, config: str, folder: Path) -> Iterator[tuple[str, int]]:
    """Run a proxy; give its address and its process when it answers."""
    probe = Server(("127.0.0.1", 0), Instant)
    port = probe.server_port
    probe.server_close()
    folder.mkdir()
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    ours = {"PYTHONPATH": f"{ROOT / 'core'}:{ROOT}", "LITELLM_MASTER_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [program, "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            command, env={**os.environ, **ours, "NO_PROXY": "127.0.0.1"}, stdout=log, stderr=subprocess.STDOUT
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not answers(f"{url}/health/liveliness"):
            if running.poll() is not None:
                raise SystemExit((folder / "log").read_text()[-2000:])
            time.sleep(0.5)
        yield url, running.pid
    finally:
        running.kill()
        running.wait()


def answers(url: str) -> bool:
    """Return whether a server is up."""
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def main() -> None:
    """Measure, print the table and write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--litellm", default=os.environ.get("HYBRID_LIVE_LITELLM", "litellm"))
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("docs/measured/litellm_overhead.md"))
    options = parser.parse_args()
    load, day = os.getloadavg()[0], datetime.now(tz=UTC).date()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = CONFIG.replace("PORT", str(stack.enter_context(model())))
        bare = stack.enter_context(proxy(options.litellm, config, folder / "bare"))
        ours = stack.enter_context(proxy(options.litellm, config + PLUG_IN, folder / "ours"))
        limits = httpx.Limits(max_connections=AT_A_TIME, keepalive_expiry=2)  # the proxy's own is 5
        http = stack.enter_context(httpx.Client(trust_env=False, timeout=120, limits=limits))
        rows, release = measured(http, bare, ours, options.calls)
    setting = (
        f"`python -m benchmarks.litellm_overhead.run --calls {options.calls}`, {day}; {processor()}; {shared(load)}; "
        f"Python {platform.python_version()}, LiteLLM {release}."
    )
    head = ["request", "p50", "p95", "CPU time", "CPU against without", "requests/s, 32 at a time"]
    table = markdown(head, rows)
    print(table)
    if not options.out.exists():
        options.out.write_text(PAGE, encoding="utf-8")
    write_between(options.out, "overhead", f"{setting}\n\n{table}")


def measured(
    http: httpx.Client, bare: tuple[str, int], ours: tuple[str, int], calls: int
) -> tuple[list[list[str]], str]:
    """Return the rows of the table, and LiteLLM's version."""
    numbers = iter(range(10**9))

    def ask(proxy: tuple[str, int], name: str, fresh: bool) -> Callable[[], httpx.Response]:
        def once() -> httpx.Response:
            text = f"{QUESTION} ({next(numbers)})" if fresh else QUESTION
            body = {"model": name, "messages": [{"role": "user", "content": text}]}
            answer = http.post(f"{proxy[0]}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {KEY}"})
            answer.raise_for_status()
            return answer

        return once

    works = {
        WITHOUT: ask(bare, "small", True),
        "with it, score known": ask(ours, "hybrid", False),
        "with it, a new query": ask(ours, "hybrid", True),
        "with it, another model by name": ask(ours, "small", True),
    }
    release = next(iter(works.values()))().headers["x-litellm-version"]
    for _ in range(20):
        for work in works.values():
            work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    busy = dict.fromkeys(works, 0.0)
    for _ in range(calls // BLOCK):
        for name, work in works.items():
            process = (bare if name == WITHOUT else ours)[1]
            before = cpu_seconds(process)
            for _ in range(BLOCK):
                start = time.perf_counter()
                work()
                seconds[name].append(time.perf_counter() - start)
            time.sleep(AFTER)
            busy[name] += (cpu_seconds(process) - before) / (calls // BLOCK * BLOCK)
    rates = at_a_time(works, max(AT_A_TIME, calls // 3))
    return [row(name, seconds[name], busy[name], busy[WITHOUT], rates[name]) for name in works], release


def cpu_seconds(process: int) -> float:
    """Return the seconds that all threads of a process have had a processor for."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def at_a_time(works: dict[str, Callable[[], httpx.Response]], calls: int) -> dict[str, float]:
    """Return the requests a second of each work, the median of three rounds in turns."""
    found: dict[str, list[float]] = {name: [] for name in works}
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        for _ in range(3):
            for name, work in works.items():
                start = time.perf_counter()
                list(pool.map(lambda _, work=work: work(), range(calls)))
                found[name].append(calls / (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in found.items()}


def row(name: str, seconds: list[float], busy: float, bare: float, rate: float) -> list[str]:
    """Return a row of the table."""
    p50, p95 = statistics.median(seconds), sorted(seconds)[int(0.95 * len(seconds))]
    against = "" if name == WITHOUT else f"{busy / bare:.2f} times, {1e3 * (busy - bare):+.1f} ms"
    return [name, f"{1e3 * p50:.0f} ms", f"{1e3 * p95:.0f} ms", f"{1e3 * busy:.1f} ms", against, f"{rate:.1f}"]


if __name__ == "__main__":
    main()
