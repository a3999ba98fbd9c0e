"""What a grader needs of prompts, found out before any answer is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hybrid_llm.collect import ModelName, grader_of, read_rubric
from hybrid_llm.errors import GradeError
from hybrid_llm.prices import Prices
from hybrid_llm.table import Prompt

JUDGE: Final = "judge:"


def check_grader(prompts: Sequence[Prompt], name: str, rubric: Path | None, prices: Prices) -> None:
    """Refuse a grader that there is not, and prompts that it can do nothing with.

    Args:
        prompts: The prompts.
        name: The grader, as the command line names it.
        rubric: A file with what a judge is asked.
        prices: What models cost.

    Raises:
        GradeError: There is no such grader, its rubric cannot be used, or no prompt has a reference that it can read.
        ConfigError: A judge is named without a kind, or nobody knows what it costs.
        MissingExtraError: It needs a library that is not installed.
    """
    if name.startswith(JUDGE):
        model = ModelName.read(name.removeprefix(JUDGE))
        prices.of(model.name, model.url, local=model.local)
        read_rubric(rubric)
        return
    grader = grader_of(name)
    try:
        if grader.reads is None or any(grader.usable(prompt.references) for prompt in prompts):
            return
    finally:
        grader.close()
    some = next((prompt for prompt in prompts if prompt.references), None)
    has = f"{some.place} has {some.references[0][:40]!r}" if some else "no prompt has one"
    raise GradeError(
        f"--grader {name} compares with a reference, {grader.wants}, and {has}. Give the prompts a field "
        "'reference' (--map reference=PATH), or let a model judge: --grader judge:MODEL"
    )
