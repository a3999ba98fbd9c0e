"""The pairs that ``run`` judges, and what the query alone says of each row, by fits that left it out."""

from __future__ import annotations

import hashlib
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.pairs import Tables
from hybrid_llm import HybridLLMWarning
from hybrid_llm.look import LookRows
from hybrid_llm.scoring import UNFAMILIAR, VERSION
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training import train_and_score

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOLDER: Final = "second_look"
MATHS, PRO, PLAIN = ("gsm8k", "math_l5"), ("mmlu_pro",), ("plain",)
GEMMA, LLAMA, GEMMA_2B, PHI = "gemma-2-9b-it", "Meta-Llama-3.1-8B-Instruct", "gemma-2-2b-it", "Phi-3.5-mini-instruct"
GPT4O, GEMINI = "gpt-4o-2024-08-06", "gemini-1.5-pro-002"
SMOL, QWEN_05, QWEN_15 = "SmolLM2-135M", "Qwen2.5-Coder-0.5B", "Qwen2.5-Coder-1.5B"
SAMPLES, REFERENCE = "SmolLM2-135M@T0.7", "reference"
HELD_OUT: Final = 0.2

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "arithmetic": ("add", "subtract", "multiply", "percent", "story", "compare"),
    "knowledge": ("capital", "continent", "currency", "element"),
    "words": ("antonym", "backwards", "letters", "weekday", "words"),
}
"""Tasks of ``plain`` by their kind; two kinds are fitted and the third judges."""


@dataclass(frozen=True, slots=True)
class LookSpec:
    """A pair whose answers are looked at.

    Args:
        name: What the page calls it.
        files: Names of its tables, pooled.
        small: The small model.
        large: The large one.
        checkers: Who else answers.
    """

    name: str
    files: tuple[str, ...]
    small: str
    large: str
    checkers: tuple[str, ...] = ()


SPECS: Final = (
    LookSpec("gemma-2-9b", MATHS, GEMMA, GPT4O, (LLAMA,)),
    LookSpec("Llama-3.1-8B", MATHS, LLAMA, GPT4O, (GEMMA,)),
    LookSpec("gemma-2-2b", MATHS, GEMMA_2B, GPT4O, (PHI,)),
    LookSpec("mmlu_pro, one checker", PRO, LLAMA, GEMINI, ("mathstral-7B",)),
    LookSpec("mmlu_pro, two checkers", PRO, LLAMA, GEMINI, ("mathstral-7B", "Phi-3-mini-4k-instruct")),
    LookSpec("0.5B to 1.5B", PLAIN, QWEN_05, QWEN_15, (SMOL,)),
    LookSpec("135M to reference", PLAIN, SMOL, REFERENCE, (SAMPLES,)),
    LookSpec("0.5B to reference", PLAIN, QWEN_05, REFERENCE, (SMOL,)),
    LookSpec("1.5B to reference", PLAIN, QWEN_15, REFERENCE, (QWEN_05,)),
)


@dataclass(frozen=True, eq=False)
class Material:
    """Rows of a pair with the scores of their queries.

    Args:
        spec: The pair.
        pair: Its n rows.
        p: Shape (n,), the queries' scores; of rows that were fitted, by fits that left each out.
        familiarity: Shape (n,).
        fitted: Shape (n,), the rows that fits may see.
        kept: Answers that were looked at before, by their checkers: finding final answers is what takes time.
    """

    spec: LookSpec
    pair: PairTable
    p: Floats
    familiarity: Floats
    fitted: Mask
    kept: dict[tuple[str, ...], LookRows] = field(default_factory=dict)

    @property
    def held_out(self) -> Mask:
        """Shape (n,): the fifth of the training rows that chooses."""
        return self.fitted & np.array([hash_fraction(f"held-out {each}") < HELD_OUT for each in self.pair.ids])

    @property
    def known(self) -> Mask:
        """Shape (n,): the familiar queries."""
        return ~(self.familiarity < UNFAMILIAR)

    def split(self, *names: str) -> Mask:
        """Return which rows are of these splits, shape (n,)."""
        return np.isin(self.pair.row_splits, names)

    def looks(self, checkers: Sequence[str] | None = None) -> LookRows:
        """Return the answers of small, one row for each query, with the scores of this material."""
        names = self.spec.checkers if checkers is None else tuple(checkers)
        if names not in self.kept:
            self.kept[names] = LookRows.of(self.pair, self.p, None, names)
        return replace(self.kept[names], p=self.p)

    def as_served(self, checkers: Sequence[str] | None = None) -> LookRows:
        """Return the same with the score of an unfamiliar query unseen."""
        return replace(self.looks(checkers), known=self.known)


class Fits:
    """Fits query routers, and keeps what each said, in memory and if asked on disk.

    Args:
        folder: Holds the tables.
        encoder: Embeds each text once.
        cache: Where the scores of each fit are kept between runs.
    """

    def __init__(self, folder: Path, encoder: CachedEncoder, cache: Path | None = None) -> None:
        self.tables = Tables(folder)
        self._encoder, self._cache = encoder, cache
        self.encoder_id = encoder.id
        self._pairs: dict[tuple[tuple[str, ...], str, str], PairTable] = {}
        self._looks: dict[tuple[Any, ...], dict[tuple[str, ...], LookRows]] = {}

    def pair(self, spec: LookSpec) -> PairTable:
        """Return the rows of a pair; training rows whose question stands in validation or test are dropped."""
        key = (spec.files, spec.small, spec.large)
        if key not in self._pairs:
            self._pairs[key] = self.tables.pair(*key)
        return self._pairs[key]

    def material(self, spec: LookSpec, without: Sequence[str] = ()) -> Material:
        """Fit the training rows of a pair and score all rows.

        Args:
            spec: The pair.
            without: Tasks that no fit may see.
        """
        pair = self.pair(spec)
        fitted = np.array(pair.row_splits) == "train"
        if without:
            fitted &= ~np.isin(np.array(pair.tasks, dtype=str), without)
        looks = self._looks.setdefault((spec.files, spec.small, spec.large), {})
        return Material(spec, pair, *self.scores(pair, fitted), fitted, looks)

    def scores(self, pair: PairTable, fitted: Mask) -> tuple[Floats, Floats]:
        """Return the scores of all n rows by a fit to some of them, and their familiarity, each of shape (n,)."""
        rows, others = pair.rows(fitted), pair.rows(~fitted)
        name = f"{pair.small} {pair.large} {rows.data_hash} {others.data_hash} {self._encoder.id} {VERSION}"
        file = self._cache / f"fit-{hashlib.sha256(name.encode()).hexdigest()[:20]}.npz" if self._cache else None
        if file is not None and file.exists():
            with np.load(file) as kept:
                return kept["p"], kept["familiarity"]
        start = time.perf_counter()
        p, familiarity = np.empty(len(pair)), np.empty(len(pair))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HybridLLMWarning)
            router, left_out = train_and_score(as_training(rows), encoder=self._encoder)  # type: ignore[arg-type]
            p[fitted], p[~fitted] = left_out, router.score(others.queries)
            familiarity[fitted], familiarity[~fitted] = (router.familiarity(each.queries) for each in (rows, others))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, p=p, familiarity=familiarity)
        took = time.perf_counter() - start
        print(f"fitted {pair.small} -> {pair.large}: {len(rows)} rows, {took:.0f} s", file=sys.stderr, flush=True)
        return p, familiarity


def as_training(rows: PairTable) -> PairTable:
    """Return rows as if all of them were training rows."""
    return replace(rows, row_splits=("train",) * len(rows))
