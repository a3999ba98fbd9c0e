"""Train the router that comes with the library, and write it to ``core/hybrid_llm/pretrained/router``.

    python benchmarks/shipped_router.py DATA_DIR

It answers for no pair in particular: each query's small side is every small local model (2 to 9 B) that answered it,
its large side every strong hosted one, so that the label is the share of such pairs in which small is good enough.
Questions that stand in the validation or test rows of any file are dropped from training.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks._cache import CachedEncoder
from hybrid_llm import QualityTable
from hybrid_llm.encoder import Encoder
from hybrid_llm.folder import SHIPPED_ROUTER
from hybrid_llm.table import normal_text
from hybrid_llm.training import train

SMALL, LARGE = "a small local model (2-9 B)", "a large hosted model"
SMALL_MODELS = {
    "gemma-2-9b-it",
    "gemma-2-2b-it",
    "Meta-Llama-3-8B-Instruct",
    "Meta-Llama-3.1-8B-Instruct",
    "llama-3.1-8b-instruct",
    "Phi-3-mini-4k-instruct",
    "Phi-3.5-mini-instruct",
    "Qwen2-7B-Instruct",
    "Qwen2.5-3B-Instruct",
    "Qwen2.5-7B-Instruct",
    "qwen2.5-7b-instruct",
    "Yi-1.5-9B-Chat",
    "mistral-7b-instruct-v0.3",
    "Mistral-7B-Instruct-v0.2",
    "Mistral-7B-Instruct-v0.1",
    "Mistral-7B-Instruct-v0.2-GGUF",
    "openchat_3.5",
    "Starling-LM-7B-alpha",
    # of 2023, as strong as an 8 B model of 2024; the only small side of two files
    "Mixtral-8x7B-Instruct-v0.1",
    "claude-3-haiku-20240307",
}
LARGE_MODELS = {
    "gpt-4-1106-preview",
    "gpt-4-turbo-2024-04-09",
    "gpt-4o-2024-05-13",
    "gpt-4o-2024-08-06",
    "claude-3-5-sonnet-20240620",
    "claude-3-5-sonnet-20241022",
    "claude-3-opus-20240229",
    "gemini-1.5-pro",
    "gemini-1.5-pro-002",
    "gemini-2.0-flash-001",
    "llama-3.1-nemotron-51b-instruct",
    "llama-3.3-nemotron-super-49b-v1",
}
"""Models of two files stand in for a hosted one where no stronger one answered."""


def pooled_rows(files: Iterable[Path]) -> list[dict[str, Any]]:
    """Return one row for each distinct question that both sides answered."""
    questions: dict[str, dict[str, Any]] = {}
    splits: dict[str, set[str]] = defaultdict(set)
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                key = row.get("stem_key") or normal_text(row["query"])
                splits[key].add(row["split"])
                _add(questions, key, row, file.name.removesuffix(".jsonl.gz"))
    for key, row in questions.items():
        row["split"] = next(name for name in ("test", "validation", "train") if name in splits[key])
    return [row for row in _distinct(questions.values()) if all(row["quality"].values())]


def _add(questions: dict[str, dict[str, Any]], key: str, row: dict[str, Any], source: str) -> None:
    entry = questions.setdefault(
        key, {"id": f"{source}/{row['id']}", "query": row["query"], "task": source, "quality": {SMALL: [], LARGE: []}}
    )
    for side, models in ((SMALL, SMALL_MODELS), (LARGE, LARGE_MODELS)):
        entry["quality"][side] += [sum(q) / len(q) for model, q in row["quality"].items() if model in models]


def _distinct(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep one row for each text; the one furthest from training where two keys have one text."""
    order = {"test": 0, "validation": 1, "train": 2}
    kept: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: order[row["split"]]):
        kept.setdefault(normal_text(row["query"]), row)
    return list(kept.values())


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of quality tables")
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    parser.add_argument("--out", type=Path, default=SHIPPED_ROUTER)
    options = parser.parse_args()
    files = sorted(options.data.glob("*.jsonl.gz"))
    rows = pooled_rows(files)
    print("rows by file:", dict(Counter(row["task"] for row in rows)))
    print("rows by split:", dict(Counter(row["split"] for row in rows)))
    pair = QualityTable.from_rows(rows, source="pooled").pair(SMALL, LARGE)
    sources = ", ".join(file.name.removesuffix(".jsonl.gz") for file in files)
    encoder = CachedEncoder(Encoder.load(), options.cache)
    router = train(pair, encoder=encoder, data=f"public results of many models: {sources}")
    assert router.calibration is not None
    note = "measured on the shipped router's own training domain, over many pairs; calibrate it for yours"
    router = router.override(calibration=replace(router.calibration, note=note))
    router.save(options.out)
    print(router, router.record.heldout if router.record else "")


if __name__ == "__main__":
    main()
