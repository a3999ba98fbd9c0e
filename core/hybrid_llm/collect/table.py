"""The quality table of a pair folder: what was answered and graded, a row for each prompt."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hybrid_llm.collect.pair_folder import TABLE, PairFolder
from hybrid_llm.collect.setup import Setup
from hybrid_llm.collect.stored import StoredAnswer, StoredPrompt
from hybrid_llm.errors import PairFolderError
from hybrid_llm.table import QualityTable, write_table


def rows(folder: PairFolder, setup: Setup, grader: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of prompts that both arms answered and the grader graded, as a quality table has them.

    An answer that could not be graded is left out, with all that is known of it; a prompt without a grade of both
    arms, too.
    """
    grades = {answer: score for answer, (score, _) in folder.grades(grader).items() if score is not None}
    graded: dict[str, list[StoredAnswer]] = defaultdict(list)
    for answer in folder.answers(setup):
        if answer.error is None and answer.id in grades:
            graded[answer.prompt].append(answer)
    prompts = folder.prompts()
    own = Counter(str((prompt.fields or {}).get("id")) for prompt in prompts)
    for prompt in prompts:
        row = _row(prompt, graded[prompt.id], grades)
        if own[str(row["id"])] > 1:
            row["id"] = prompt.id
        if {setup.small.name, setup.large.name} <= row["quality"].keys():
            yield row


def write(folder: PairFolder, setup: Setup, grader: str) -> tuple[Path, int]:
    """Write ``table.jsonl.gz``; return where, and how many rows it has.

    Raises:
        PairFolderError: Nothing was graded.
        TableError: The file cannot be written.
    """
    found = list(rows(folder, setup, grader))
    if not found:
        raise PairFolderError(f"{folder.path} holds no prompt that both models answered and that was graded.")
    return write_table(QualityTable.from_rows(found, source="prompts"), folder.path / TABLE), len(found)


def _row(prompt: StoredPrompt, answers: list[StoredAnswer], grades: dict[int, float]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": prompt.id, **(prompt.fields or {}), "query": prompt.query}
    if prompt.count > 1:
        row["count"] = prompt.count
    if row["id"] is None:
        row["id"] = prompt.id
    if len(prompt.messages) > 1:
        row["messages"] = list(prompt.messages)
    if prompt.references:
        row["reference"] = list(prompt.references)
    by_model: dict[str, list[StoredAnswer]] = defaultdict(list)
    for answer in sorted(answers, key=lambda answer: answer.sample):
        by_model[answer.model].append(answer)
    row["quality"] = {model: [grades[answer.id] for answer in some] for model, some in by_model.items()}
    for field, entry_of in _ENTRIES.items():
        row[field] = {model: [entry_of(answer) for answer in some] for model, some in by_model.items()}
    return row


_ENTRIES: Final[Mapping[str, Callable[[StoredAnswer], Any]]] = {
    "responses": lambda answer: answer.reply.text,
    "finish": lambda answer: answer.reply.finish or None,
    "logprobs": lambda answer: None if answer.reply.logprobs is None else list(answer.reply.logprobs),
    "seconds": lambda answer: answer.reply.seconds,
    "usage": lambda answer: {"input": answer.reply.input_tokens, "output": answer.reply.output_tokens},
    "cost_usd": lambda answer: answer.cost_usd,
}
"""What is parallel to the scores."""
