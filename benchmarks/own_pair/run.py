"""What ``hybrid-llm run`` makes of a real pair of models: verdict after verdict, as more prompts come.

Run: ``python -m benchmarks.own_pair.run PROMPTS PAIR_DIR --small MODEL --large MODEL [--sizes 100 300 700]``. PROMPTS
holds prompts with references; MODEL is a name such as ``openai:real-small@http://127.0.0.1:18082/v1``. Writes
``docs/measured/own_pair.md``. What was answered stays in PAIR_DIR and is not asked again, so that the same command goes
on after an interruption, and with one more size asks only what is new.

The prompts are taken in the order of a hash, the first 100, the first 300 and so on, all of them into one pair folder:
so each verdict after the first is a further look at the data, and is tested more strictly.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common.results import file_of, keep
from benchmarks.own_pair.page import PAGE, write_page
from hybrid_llm.table import hash_fraction, prompts_of_files

SYSTEM = "Answer in a few words."
GRADER = "contains"
PRICE = "2.5:10"
"""Dollars per million tokens that the large model is given; the small one is free."""


def main() -> None:
    """Ask, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prompts", type=Path)
    parser.add_argument("pair", type=Path)
    parser.add_argument("--small", required=True)
    parser.add_argument("--large", required=True)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 300, 700])
    options = parser.parse_args()
    options.pair.mkdir(parents=True, exist_ok=True)
    prompts = sorted(prompts_of_files(options.prompts), key=lambda prompt: hash_fraction(prompt.query))
    found = [one_run(options, prompts[:size]) for size in options.sizes]
    where = f"{platform.machine()}, {platform.system()}"
    write_page(PAGE, keep(file_of("own_pair"), {"where": where, "runs": found}))


def one_run(options: argparse.Namespace, prompts: Sequence[Any]) -> dict[str, Any]:
    """Run the command on some prompts, unless it was; return what it said, in both forms, and its seconds."""
    kept = options.pair / f"said-{len(prompts)}.json"
    if kept.exists():
        return json.loads(kept.read_text(encoding="utf-8"))
    rows = [{"query": p.query, "reference": p.references, "task": p.fields.get("task")} for p in prompts]
    asked = options.pair / f"prompts-{len(prompts)}.jsonl"
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-m", "hybrid_llm.cli", "run", str(asked), "--small", options.small]
    command += ["--large", options.large, "--grader", GRADER, "--system", SYSTEM, "--max-tokens", "40"]
    command += ["--price", f"{served(options.small)}=0:0", "--price", f"{served(options.large)}={PRICE}"]
    command += ["--budget", "5", "--yes", "--out", str(options.pair / "pair")]
    began = time.perf_counter()
    words = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = time.perf_counter() - began
    figures = subprocess.run([*command, "--json"], check=True, stdout=subprocess.PIPE, text=True).stdout
    said = {
        "seconds": seconds,
        "words": words.replace(str(options.pair) + "/", ""),
        "pair": [served(options.small), served(options.large)],
        **json.loads(figures),
    }
    kept.write_text(json.dumps(said), encoding="utf-8")
    return said


def served(model: str) -> str:
    """Return what a server calls a model."""
    return model.partition(":")[2].partition("@")[0]


if __name__ == "__main__":
    main()
