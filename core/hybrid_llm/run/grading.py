"""What a grader needs of prompts, found out before any answer is paid for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hybrid_llm.collect import ModelName, Setup, grader_of, read_rubric, warn_of_own_judge
from hybrid_llm.dispatch import tokens_in
from hybrid_llm.errors import GradeError
from hybrid_llm.prices import Prices
from hybrid_llm.table import Prompt

JUDGE: Final = "judge:"
ORDERS: Final = 2
"""A judge sees each pair of answers in both orders."""
USUAL: Final = 250
"""Tokens that an answer is taken to have, before one is known."""
VERDICT: Final = 30
"""Tokens that a verdict is taken to have."""


def check_grader(prompts: Sequence[Prompt], name: str, rubric: Path | None, prices: Prices, setup: Setup) -> None:
    """Refuse a grader that there is not, and prompts that it can do nothing with.

    Args:
        prompts: The prompts.
        name: The grader, as the command line names it.
        rubric: A file with what a judge is asked.
        prices: What models cost.
        setup: Who is asked; a judge among them is warned of.

    Raises:
        GradeError: There is no such grader, its rubric cannot be used, or no prompt has a reference that it can read.
        ConfigError: A judge is named without a kind, or nobody knows what it costs.
        MissingExtraError: It needs a library that is not installed.
    """
    if name.startswith(JUDGE):
        model = ModelName.read(name.removeprefix(JUDGE))
        prices.of(model.name, model.url, local=model.local)
        read_rubric(rubric)
        warn_of_own_judge(model, setup)
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


def judge_costs(prompts: Sequence[Prompt], name: str, rubric: Path | None, prices: Prices) -> tuple[int, float] | None:
    """Estimate what grading by a judge will take, before there are answers: questions, and dollars.

    Args:
        prompts: The prompts.
        name: The grader, as the command line names it.
        rubric: A file with what a judge is asked.
        prices: What models cost.

    Returns:
        ``None`` for a grader that asks nobody.
    """
    if not name.startswith(JUDGE):
        return None
    model = ModelName.read(name.removeprefix(JUDGE))
    price = prices.of(model.name, model.url, local=model.local)
    asked = tokens_in(read_rubric(rubric)) + 2 * USUAL
    tokens = sum(asked + tokens_in(" ".join([prompt.query, *prompt.references])) for prompt in prompts)
    calls = ORDERS * len(prompts)
    return calls, price.of(ORDERS * tokens, VERDICT * calls)
