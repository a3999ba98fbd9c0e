"""Grading what a pair folder holds: each answer once."""

from __future__ import annotations

from collections.abc import Sequence

from hybrid_llm.collect import ModelName, PairFolder, Setup
from hybrid_llm.collect.grade.graders import grader_of
from hybrid_llm.errors import TableError
from hybrid_llm.table import Prompt

JUDGE = "judge:"


def refuse_without_references(prompts: Sequence[Prompt], name: str) -> None:
    """Refuse prompts that a grader can do nothing with, before any answer is paid for.

    Args:
        prompts: The prompts.
        name: The grader, as the command line names it.

    Raises:
        GradeError: There is no such grader.
        ConfigError: A judge is named without a kind.
        TableError: No prompt has a reference that the grader can read.
    """
    if name.startswith(JUDGE):
        ModelName.read(name.removeprefix(JUDGE))
        return
    grader = grader_of(name)
    try:
        if grader.reads is None or any(grader.usable(prompt.references) for prompt in prompts):
            return
    finally:
        grader.close()
    some = next((prompt for prompt in prompts if prompt.references), None)
    has = f"{some.place} has {some.references[0][:40]!r}" if some else "no prompt has one"
    raise TableError(
        f"--grader {name} compares with a reference, a {grader.wants}, and {has}. Give the prompts a field "
        "'reference' (--map reference=PATH), or let a model judge: --grader judge:MODEL"
    )


def grade_answers(folder: PairFolder, setup: Setup, name: str) -> int:
    """Grade the answers that this grader has not graded; return how many there were.

    Args:
        folder: The folder.
        setup: Who was asked.
        name: The grader, as the command line names it.

    Raises:
        GradeError: There is no such grader, or it failed.
    """
    grader = grader_of(name)
    prompts = {prompt.id: prompt for prompt in folder.prompts()}
    known = folder.grades(name)
    todo = [answer for answer in folder.answers(setup) if answer.error is None and answer.id not in known]
    try:
        for answer in todo:
            prompt = prompts[answer.prompt]
            references = grader.usable(prompt.references)
            readable = references or grader.reads is None
            score = grader.grade(prompt.query, answer.reply.text, references) if readable else None
            folder.grade(answer.id, name, score)
    finally:
        grader.close()
    return len(todo)
