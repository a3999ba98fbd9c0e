"""From a pair folder whose answers are graded to its verdict; what is done already is not done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.collect import PairFolder, Setup, table_rows
from hybrid_llm.errors import PairFolderError
from hybrid_llm.names import short_name
from hybrid_llm.run.attempts import Attempt
from hybrid_llm.run.judging import Question, judge
from hybrid_llm.run.plan import REPORT, VALIDATION, with_splits
from hybrid_llm.run.verdict import Verdict
from hybrid_llm.table import TRAIN, QualityTable, write_table

if TYPE_CHECKING:
    from hybrid_llm.scoring import Encoder, Progress

ATTEMPTS: Final = "attempts"
"""The note of the folder that counts how often a certificate was tried."""
VERDICT: Final = "verdict"
"""The note of the folder that holds its last verdict, and of what."""


def conclude(
    folder: PairFolder,
    setup: Setup,
    grader: str,
    question: Question,
    *,
    encoder: Encoder | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Write the table, the router and the report of a pair folder, and return the verdict.

    The verdict of the same grades on the same question is not reached again, and is no further attempt to certify.

    Args:
        folder: The folder.
        setup: Who was asked.
        grader: Whose grades count.
        question: What is asked of the rows.
        encoder: The encoder to train with, in place of the shipped one.
        progress: Called with (what, done, total) now and then.

    Raises:
        PairFolderError: No prompt has a grade of both models.
        HybridLLMError: A file cannot be written, or an extra is missing.
    """
    small, large = setup.small.name, setup.large.name
    table = graded_table(folder, setup, grader)
    n, spent = len(folder.prompts()), folder.spent()
    pair = table.pair(small, large)
    question = replace(
        question,
        fingerprint=(*question.fingerprint, *_fingerprint(folder, setup)),
        checkers=tuple(model.name for model in setup.checkers),
    )
    done = _hash({"rows": pair.data_hash, "splits": pair.row_splits, "question": asdict(question)})
    known = folder.noted(VERDICT) or {}
    if known.get("of") == done and _complete(folder, known["verdict"]):
        return replace(Verdict.restored(known["verdict"]), n=n, spent_usd=spent)
    write_table(table, folder.path / "table.jsonl.gz")
    found = judge(
        pair,
        question,
        folder.path,
        n=n,
        spent_usd=spent,
        attempts=[Attempt(**attempt) for attempt in folder.noted(ATTEMPTS) or ()],
        before_testing=lambda attempts: folder.note(ATTEMPTS, [attempt.as_dict() for attempt in attempts]),
        encoder=encoder,
        progress=progress,
    )
    folder.note(VERDICT, {"of": done, "verdict": found.verdict.stored()})
    return found.verdict


def graded_table(folder: PairFolder, setup: Setup, grader: str) -> QualityTable:
    """Return the graded rows of a folder; they keep their own splits when these can train and certify.

    Raises:
        PairFolderError: No prompt has a grade of both models.
    """
    rows = list(table_rows(folder, setup, grader))
    if not rows:
        raise PairFolderError(
            f"{folder.path} holds no prompt with a grade of both {short_name(setup.small.name)} and "
            f"{short_name(setup.large.name)}; look at what went wrong with their answers, or grade with another grader."
        )
    own = all(row.get("split") for row in rows)
    rows = rows if own else [{name: value for name, value in row.items() if name != "split"} for row in rows]
    table = QualityTable.from_rows(rows, source=str(folder.path))
    return table if own and {TRAIN, VALIDATION, REPORT} <= set(table.splits) else with_splits(table)


def _fingerprint(folder: PairFolder, setup: Setup) -> tuple[tuple[str, str], ...]:
    """Return what identifies the pair besides its names: the weights that answered, and how they were asked."""
    found = [("asked with", json.dumps(setup.settings.as_dict(), sort_keys=True))]
    for model in (setup.small, setup.large):
        digests = {answer.reply.digest for answer in folder.answers(setup, model) if answer.reply.digest}
        what = "weights" if model.kind == "ollama" else "build"  # other servers tell which program, not which weights
        found += [(f"{what} of {model.name}", digest) for digest in sorted(digests)]
    return tuple(found)


def _complete(folder: PairFolder, verdict: Mapping[str, Any]) -> bool:
    """Return whether what the last verdict wrote is still there."""
    if verdict["router"] is None:
        return True
    return (folder.path / "router" / "router.json").is_file() and (folder.path / "report.html").is_file()


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
