"""The pairs of models that the benchmarks train and judge, and where their quality tables come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from hybrid_llm.table import PairTable, QualityTable

ZEROEVAL: Final = ("zeroeval_gsm8k", "zeroeval_math_l5", "zeroeval_crux", "zeroeval_mmlu_redux", "zeroeval_zebra")
CHAT: Final = ("arena_bench_v1", "eqbench_v2")

ORIGIN: Final = {
    "routellm_mmlu": "lm-sys/RouteLLM @ 0b64fda, Apache-2.0",
    "mmlu_pro": "TIGER-AI-Lab/MMLU-Pro @ f418b11, Apache-2.0",
    **dict.fromkeys(ZEROEVAL, "WildEval/ZeroEval @ 8c1485e, Apache-2.0"),
    "zeroeval_crux": (
        "WildEval/ZeroEval @ 8c1485e, Apache-2.0; `codellama-7b@T0.2`: facebookresearch/cruxeval @ 190faf1, MIT"
    ),
    "llmrouter_mixed": "ulab-uiuc/LLMRouter @ 4e7a796, MIT",
    "eqbench_v2": "EQ-bench/EQ-Bench @ d28c60c, MIT",
    "arena_bench_v1": "lm-sys/arena-hard-auto, pull request 1 @ 4a705dd, Apache-2.0 on the main branch",
}
"""File (without ``.jsonl.gz``) -> the public repository whose published results it was converted from."""


@dataclass(frozen=True)
class PairSpec:
    """One pair of models and the files that hold its quality table.

    Args:
        name: What the benchmarks call it.
        files: Names of the files, without ``.jsonl.gz``; several are pooled.
        small: The small model.
        large: The large model.
        main: Whether its curve is drawn.
    """

    name: str
    files: tuple[str, ...]
    small: str
    large: str
    main: bool = False


_GPT4, _GPT4O, _GEMINI = "gpt-4-1106-preview", "gpt-4o-2024-08-06", "gemini-1.5-pro-002"
_NEMOTRON = "llama-3.1-nemotron-51b-instruct"

PAIRS: Final = (
    PairSpec("mmlu", ("routellm_mmlu",), "Mixtral-8x7B-Instruct-v0.1", _GPT4, main=True),
    PairSpec("zeroeval, gemma-2-9b", ZEROEVAL, "gemma-2-9b-it", _GPT4O, main=True),
    PairSpec("zeroeval, Llama-3.1-8B", ZEROEVAL, "Meta-Llama-3.1-8B-Instruct", _GPT4O),
    PairSpec("zeroeval, Phi-3.5-mini", ZEROEVAL, "Phi-3.5-mini-instruct", _GPT4O),
    PairSpec("zeroeval, gemma-2-2b", ZEROEVAL, "gemma-2-2b-it", _GPT4O),
    PairSpec("mmlu_pro, Llama-3.1-8B", ("mmlu_pro",), "Meta-Llama-3.1-8B-Instruct", _GEMINI, main=True),
    PairSpec("mmlu_pro, Phi-3-mini", ("mmlu_pro",), "Phi-3-mini-4k-instruct", _GEMINI),
    PairSpec("mixed, mistral-7b", ("llmrouter_mixed",), "mistral-7b-instruct-v0.3", _NEMOTRON, main=True),
    PairSpec("mixed, qwen2.5-7b", ("llmrouter_mixed",), "qwen2.5-7b-instruct", _NEMOTRON),
    PairSpec("mixed, llama-3.1-8b", ("llmrouter_mixed",), "llama-3.1-8b-instruct", _NEMOTRON),
    PairSpec("chat, openchat", CHAT, "openchat_3.5", _GPT4),
    PairSpec("chat, Mistral-7B", ("eqbench_v2",), "Mistral-7B-Instruct-v0.2-GGUF", _GPT4),
    PairSpec("samples, codellama-7b", ("zeroeval_crux",), "codellama-7b@T0.2", _GPT4O),
)
"""The pairs of the tables; ``chat, Mistral-7B`` stands in one file only, since the other one lacks the model."""


class Tables:
    """Reads each set of files of a folder once.

    Args:
        folder: Holds ``NAME.jsonl.gz`` files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = cache(self._read_once)

    def has(self, files: Sequence[str]) -> bool:
        """Return whether all of these files are there."""
        return all(self._path(name).exists() for name in files)

    def queries(self, files: Sequence[str]) -> tuple[str, ...]:
        """Return the queries of some files."""
        return self._read(tuple(files)).queries

    def table(self, files: Sequence[str]) -> QualityTable:
        """Return the pooled table of some files, without training rows whose question is in another split."""
        return self._read(tuple(files))

    def pair(self, files: Sequence[str], small: str, large: str) -> PairTable:
        """Return the rows with both models; a row without a task gets the name of its benchmark as its task.

        Training rows whose question also stands in validation or test are dropped.
        """
        table = self._read(tuple(files))
        where = dict(zip(table.ids, table.extras, strict=True))
        pair = table.pair(small, large)
        tasks = (task or str(where[i].get("benchmark", "")) for i, task in zip(pair.ids, pair.tasks, strict=True))
        return replace(pair, tasks=tuple(tasks))

    def of(self, spec: PairSpec) -> PairTable:
        """Return the rows of one of :data:`PAIRS`."""
        return self.pair(spec.files, spec.small, spec.large)

    def rows(self, name: str) -> int:
        """Return how many rows one file has, before training rows are dropped."""
        table = self._read((name,))
        return len(table) + table.leaks_dropped

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.jsonl.gz"

    def _read_once(self, files: tuple[str, ...]) -> QualityTable:
        return QualityTable.read(*map(self._path, files), drop_leaks=True)
