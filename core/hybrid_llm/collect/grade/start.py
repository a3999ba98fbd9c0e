"""From what the command line says to a grading that can be run."""

from __future__ import annotations

from pathlib import Path

from hybrid_llm.collect.grade.graders import grader_of
from hybrid_llm.collect.grade.judge import SETTINGS, JudgeGrading
from hybrid_llm.collect.grade.rubric import read_rubric
from hybrid_llm.collect.grade.single import HUMAN, SingleGrading
from hybrid_llm.collect.grade.work import Work
from hybrid_llm.collect.models import AskSettings, ModelName
from hybrid_llm.collect.pair_folder import PairFolder
from hybrid_llm.errors import GradeError
from hybrid_llm.prices import Prices

_JUDGE = "judge:"


def grading_of(
    folder: PairFolder,
    grader: str,
    *,
    rubric: Path | None = None,
    prices: Prices | None = None,
    settings: AskSettings = SETTINGS,
    human: str = HUMAN,
) -> SingleGrading | JudgeGrading:
    """Return the grading of a folder by a grader, checked as far as that is possible before anything is asked.

    Args:
        folder: The pair folder.
        grader: As ``--grader`` names it.
        rubric: A file with what a judge is asked, in place of the usual rubric.
        prices: What models cost; without it what is known of them.
        settings: How a judge is asked.
        human: The field of the prompts that holds grades by people.

    Raises:
        GradeError: There is no such grader, its rubric lacks a place, or the prompts lack what it needs.
        ConfigError: The judge is named without a kind, or nobody knows what it costs.
        PairFolderError: There are no answers to grade.
    """
    if rubric is not None and not grader.startswith(_JUDGE):
        raise GradeError(f"--rubric is what a judge is asked, and {grader} is none; use --grader judge:MODEL.")
    if not grader.startswith(_JUDGE):
        single = SingleGrading(Work.of(folder), grader_of(grader), human)
        single.check()
        return single
    model, text = ModelName.read(grader.removeprefix(_JUDGE)), read_rubric(rubric)
    price = (prices or Prices()).of(model.name, model.url, local=model.local)
    return JudgeGrading(Work.of(folder), model, price, text, settings, human)
