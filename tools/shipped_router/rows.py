"""The public results behind the shipped router: who answered which question how well, and what may train.

No question of the validation or test rows of any file trains: it is known by its letters (``stem_key``) and by its
text, whichever file it stands in.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm import QualityTable
from hybrid_llm.labels import TOLERANCE
from hybrid_llm.scoring import features_of
from hybrid_llm.table import PairTable, hash_fraction, normal_text

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SMALL, LARGE = "a small local model (2-9 B)", "a large hosted model"
SMALL_MODELS: Final = (
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
    # of 2023 and 2024, about as strong as an 8 B model; the only small sides of four files
    "Mixtral-8x7B-Instruct-v0.1",
    "claude-3-haiku-20240307",
)
LARGE_MODELS: Final = (
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
    # stand in for a hosted model in the file where no stronger one answered
    "llama-3.1-nemotron-51b-instruct",
    "llama-3.3-nemotron-super-49b-v1",
)
EVERYDAY: Final = "everyday"
"""The source of prompts that were judged, beside the names of the files of what was measured."""
FOLDS: Final = 5
STRICTEST: Final = ("test", "validation", "train")


@dataclass(frozen=True, slots=True)
class Answered:
    """One question of one file that both sides answered.

    Args:
        file: Name of the file, without ``.jsonl.gz``.
        id: ``FILE/ID``.
        query: The question.
        stem: What the same question in another file has in common with it.
        split: ``train`` if no file has the question in another split, ``validation`` if it stands there and in no
            test rows, ``test`` if it stands there; empty otherwise, and then it is of no use.
        quality: Model -> mean quality of its responses, of all models that answered.
    """

    file: str
    id: str
    query: str
    stem: str
    split: str
    quality: Mapping[str, float]

    def side(self, models: Sequence[str]) -> list[float]:
        """Return the qualities of those of the models that answered."""
        return [self.quality[model] for model in models if model in self.quality]


def read_rows(folder: Path) -> list[Answered]:
    """Read every ``*.jsonl.gz`` of a folder; questions that one side did not answer are left out."""
    lines = [line for file in sorted(folder.glob("*.jsonl.gz")) for line in _lines(file)]
    splits: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        for key in _keys(line):
            splits[key].add(line["split"])
    rows = (_answered(line, set().union(*(splits[key] for key in _keys(line)))) for line in lines)
    return [row for row in rows if row.side(SMALL_MODELS) and row.side(LARGE_MODELS)]


def _lines(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        return [{**json.loads(line), "file": file.name.removesuffix(".jsonl.gz")} for line in stream]


def _keys(line: Mapping[str, Any]) -> tuple[str, str]:
    text = normal_text(line["query"])
    return f"stem {line.get('stem_key') or text}", f"text {text}"


def _answered(line: Mapping[str, Any], found_in: set[str]) -> Answered:
    strictest = next(split for split in STRICTEST if split in found_in)
    split = line["split"] if line["split"] in ("test", strictest) else ""
    quality = {model: sum(scores) / len(scores) for model, scores in line["quality"].items()}
    return Answered(line["file"], f"{line['file']}/{line['id']}", line["query"], _keys(line)[0], split, quality)


def without(rows: Iterable[Answered], files: Collection[str]) -> list[Answered]:
    """Leave out files, and the questions of other files that stand in them as well."""
    rows = list(rows)
    gone = {key for row in rows if row.file in files for key in (row.stem, normal_text(row.query))}
    return [row for row in rows if row.stem not in gone and normal_text(row.query) not in gone]


def pair_table(rows: Sequence[Answered]) -> PairTable:
    """Return rows as a table of the pair :data:`SMALL`, :data:`LARGE`, a score for each model that answered."""
    return QualityTable.from_rows(
        [
            {
                "id": row.id,
                "query": row.query,
                "task": row.file,
                "split": row.split,
                "quality": {SMALL: row.side(SMALL_MODELS), LARGE: row.side(LARGE_MODELS)},
            }
            for row in rows
            if row.split
        ],
        source="public results",
    ).pair(SMALL, LARGE)


@dataclass(frozen=True, eq=False)
class Material:
    """Rows as arrays.

    Args:
        rows: The n rows.
        features: Shape (n, d), embeddings beside text features.
        files: Shape (n,), name of each row's file.
        folds: Shape (n,), 0 to 4 by the hash of the question, so that the same question has one fold everywhere; of an
            everyday prompt by its domain.
        small: Shape (n,), mean quality of the small models.
        large: Shape (n,), mean quality of the large models.
        labels: Shape (n,), share of the pairs (small, large) in which small is at least as good.
        strange: Shape (n,), which rows are in a language that the encoder does not read.
    """

    rows: Sequence[Answered]
    features: NDArray[np.float32]
    files: NDArray[np.str_]
    folds: NDArray[np.int_]
    small: Floats
    large: Floats
    labels: Floats
    strange: Bools

    @classmethod
    def of(cls, rows: Sequence[Answered], encoder: Any) -> Material:
        """Embed rows and compare their sides."""
        queries = [row.query for row in rows]
        sides = [(np.array(row.side(SMALL_MODELS)), np.array(row.side(LARGE_MODELS))) for row in rows]
        return cls(
            rows,
            features_of(queries, encoder)[0],
            np.array([row.file for row in rows]),
            np.array([int(FOLDS * hash_fraction(f"held-out {row.stem}")) for row in rows]),
            np.array([small.mean() for small, _ in sides]),
            np.array([large.mean() for _, large in sides]),
            np.array([np.mean(np.subtract.outer(*pair) >= -TOLERANCE) for pair in sides]),
            np.zeros(len(rows), dtype=bool),
        )

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def judged(self) -> Bools:
        """Which rows were judged, not measured, shape (n,)."""
        found: Bools = self.files == EVERYDAY
        return found

    def at(self, mask: Bools) -> Material:
        """Return the rows of a mask."""
        rows = [row for row, kept in zip(self.rows, mask, strict=True) if kept]
        return Material(rows, *(getattr(self, name)[mask] for name in list(self.__dataclass_fields__)[1:]))

    def beside(self, other: Material) -> Material:
        """Return these rows, then those of the other."""
        names = list(self.__dataclass_fields__)[1:]
        both = (np.concatenate([getattr(self, name), getattr(other, name)]) for name in names)
        return Material([*self.rows, *other.rows], *both)
