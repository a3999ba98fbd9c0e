"""Answers of public results, graded again: where a grader and the data agree, task by task."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hybrid_llm.collect.grade.graders import Grader, grader_of

LARGE = "gpt-4o-2024-08-06"
NUMBERS = ("add", "subtract", "multiply", "percent", "story", "letters", "compare")
"""Tasks of ``plain`` whose references are numbers and whose answers end in one."""


class Case(NamedTuple):
    """An answer with its references and the grade that the data gives it."""

    task: str
    query: str
    answer: str
    references: list[str]
    grade: float


class Found(NamedTuple):
    """How a grader compares with the data on a task."""

    n: int
    agree: int
    stricter: int
    kinder: int
    none: int


def rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file of ``second_look``."""
    with gzip.open(folder / "second_look" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def with_references(folder: Path) -> Iterator[Case]:
    """Yield the cases of the file whose rows have references and whole answers."""
    for row in rows(folder, "plain"):
        for model, texts in row["responses"].items():
            for text, grade in zip(texts, row["quality"][model], strict=True):
                yield Case(row["task"], row["query"], text, row["reference"], grade)


def with_right_answers(folder: Path, name: str) -> Iterator[Case]:
    """Yield the cases of a file without references, with a right answer in their place."""
    for row in rows(folder, name):
        quality: Mapping[str, list[float]] = row["quality"]
        right = [m for m, (answer, *_) in row["answers"].items() if m in quality and quality[m][0] == 1 and answer]
        if not right:
            continue
        source = LARGE if LARGE in right else right[0]
        for model, (answer, *_) in row["answers"].items():
            if model != source and model in quality:
                yield Case(name, row["query"], str(answer), [str(row["answers"][source][0])], quality[model][0])


def compare(grader: Grader, cases: list[Case], show: int) -> Found:
    """Grade all cases, and print some where the grader and the data differ."""
    found = Counter[str]()
    for case in cases:
        references = grader.usable(case.references)
        score = grader.grade(case.query, case.answer, references) if references else None
        what = "none" if score is None else {0: "agree", -1: "stricter", 1: "kinder"}[int(score - case.grade)]
        found[what] += 1
        if what != "agree" and found[what] <= show:
            print(f"  {grader.name} {what}: {case.query[:80]!r} {case.references} {case.answer[:200]!r}")
    return Found(len(cases), found["agree"], found["stricter"], found["kinder"], found["none"])


def run(data: Path, show: int = 0) -> list[dict[str, Any]]:
    """Compare every grader on the tasks that it is for.

    Args:
        data: Folder of quality tables, with ``second_look`` in it.
        show: Cases to print where a grader and the data differ.
    """
    plain = list(with_references(data))
    tasks = sorted({case.task for case in plain})
    work = [("contains", f"plain: {task}", [c for c in plain if c.task == task]) for task in tasks]
    work += [("number", f"plain: {task}", [c for c in plain if c.task == task]) for task in NUMBERS]
    work += [
        (grader, name, list(with_right_answers(data, name)))
        for grader, name in (("number", "gsm8k"), ("math", "gsm8k"), ("math", "math_l5"), ("choice", "mmlu_pro"))
    ]
    graders = {name: grader_of(name) for name in ("contains", "number", "math", "choice")}
    results = [
        {"grader": name, "task": task, **compare(graders[name], cases, show)._asdict()} for name, task, cases in work
    ]
    graders["math"].close()
    return results
