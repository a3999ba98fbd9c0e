"""``hybrid-llm grade``: how good the answers in a pair folder are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_llm.cli import asking
from hybrid_llm.cli.options import AsJson
from hybrid_llm.cli.output import print_json, progress, say

if TYPE_CHECKING:
    from hybrid_llm.collect import Agreement, Budget, Graded, JudgeGrading, JudgePlan, SingleGrading

HOSTED = 8
"""Questions at a time that a hosted judge is sent."""

GraderOf = Annotated[
    str,
    typer.Option(
        "--grader",
        metavar="GRADER",
        help="exact, contains, number, choice, math or json, which compare with the reference of a prompt; "
        "judge:MODEL with a model such as openai:gpt-4o; or python:MODULE:FUNCTION.",
    ),
]
RubricOf = Annotated[
    Path | None,
    typer.Option(
        "--rubric", metavar="FILE", help="What a judge is asked, with {query}, {reference}, {first}, {second}."
    ),
]


def grade(
    pair: Annotated[Path, typer.Argument(metavar="PAIR", show_default=False, help="A pair folder with answers.")],
    grader: GraderOf,
    rubric: RubricOf = None,
    human: Annotated[
        str, typer.Option("--human", metavar="FIELD", help="The prompts' field with grades by people, to compare with.")
    ] = "human",
    budget: asking.BudgetOf = None,
    price: asking.PriceOf = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", metavar="N", min=1, help="Tokens of a judge's verdict at most.")
    ] = 1024,
    parallel: asking.Parallel = None,
    yes: asking.Yes = False,
    dry_run: asking.DryRun = False,
    force: Annotated[bool, typer.Option("--force", help="Grade again what this grader has graded.")] = False,
    json: AsJson = False,
) -> None:
    """Grade the answers in a pair folder, and write its table.

    It can be stopped at any moment: the same command goes on where it was. Grades of other graders stay. What cannot
    be graded is left out and counted; an error of a model is never a wrong answer.

    A grader of your own is a function of a module in the working folder. It returns a score in [0, 1], or None to
    leave the answer out:

    \b
      def grade(query: str, answer: str, references: list[str]) -> float | bool | None
    """  # noqa: D301 - the help needs the character itself
    from hybrid_llm.collect import (
        AskSettings,
        Budget,
        JudgeGrading,
        PairFolder,
        grading_of,
        warn_of_own_judge,
        write_pair_table,
    )
    from hybrid_llm.prices import Prices

    with asking.usage():
        prices, money, settings = Prices.read(price or ()), Budget(budget), AskSettings(max_tokens=max_tokens)
    with PairFolder.existing(pair) as folder:
        grading = grading_of(folder, grader, rubric=rubric, prices=prices, settings=settings, human=human)
        if isinstance(grading, JudgeGrading):
            warn_of_own_judge(grading.model, grading.work.setup)
        money.spent = folder.spent()
        try:
            graded = grade_answers(grading, money, parallel=parallel, yes=yes, dry_run=dry_run, again=force)
        except KeyboardInterrupt:
            say("Stopped. What was graded is kept; the same command goes on.")
            raise
        if graded is None:
            return
        table = None
        if graded.pairs:
            folder.note("grader", graded.key)
            table, _ = write_pair_table(folder, grading.work.setup, graded.key)
        if json:
            print_json({**graded.as_dict(), "table": str(table) if table else None})
        else:
            _print(graded, grading.work.setup.small.name, grading.work.setup.large.name, table)
    if graded.gave_up or not graded.pairs:
        raise typer.Exit(1)


def grade_answers(
    grading: SingleGrading | JudgeGrading,
    money: Budget,
    *,
    parallel: int | None,
    yes: bool,
    dry_run: bool,
    again: bool,
) -> Graded | None:
    """Grade, after asking whether money may be spent; return None for a dry run."""
    from hybrid_llm.collect import SingleGrading

    if isinstance(grading, SingleGrading):
        if dry_run:
            say(f"{len(grading.work.answers):,} answers would be graded; nothing is sent and it costs nothing.")
            return None
        with progress() as tell:
            return grading.run(tell, again=again)
    plan = grading.estimate(again=again)
    say(
        f"{grading.model} is asked {plan.calls:,} questions of about {plan.input_tokens:,} tokens in all: about "
        f"{asking.dollars(plan.usd)}, at most {asking.dollars(plan.most_usd)}."
    )
    if dry_run:
        return None
    if plan.calls:
        grading.check_budget(money)
    _allow(plan, yes=yes)
    with progress() as tell:
        return grading.run(money, tell, parallel=parallel or (1 if grading.model.local else HOSTED), again=again)


def _allow(plan: JudgePlan, *, yes: bool) -> None:
    """Ask whether money may be spent.

    Raises:
        BadParameter: Nobody is there to be asked.
        Abort: The answer is no.
    """
    if yes or not plan.most_usd:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"this spends about {asking.dollars(plan.usd)}; add --yes to spend it.")
    typer.confirm(f"Spend about {asking.dollars(plan.usd)}?", abort=True, err=True)


def _print(graded: Graded, small: str, large: str, table: Path | None) -> None:
    typer.echo(f"{graded.graded:,} answers are graded by {graded.key}, {graded.pairs:,} pairs of both models.")
    for why, count in graded.not_graded.items():
        typer.echo(f"{count:,} are not graded: {why}.")
    if graded.pairs:
        typer.echo(f"Mean quality: {small} {graded.small_quality:.3f}, {large} {graded.large_quality:.3f}.")
    _print_agreement("The judge agrees with itself in the other order", graded.with_itself)
    _print_agreement("It agrees with people", graded.with_people)
    if graded.spent_usd:
        typer.echo(f"This cost {asking.dollars(graded.spent_usd)}.")
    if graded.stopped:
        typer.echo(f"Not everything was asked: {graded.stopped}. The same command goes on.")
    if table:
        typer.echo(f"The quality table is in {table}")


def _print_agreement(what: str, found: Agreement | None) -> None:
    if found is not None and found.n:
        typer.echo(
            f"{what} on which answer is better in {found.share:.0%} of {found.n:,} pairs ({found.ties:.0%} are ties to "
            f"both); in {found.opposite:.0%} it says the opposite. Grades differ by {found.distance:.2f} on average."
        )
    if found is not None and found.ties == 1.0:
        say("warning: every pair is a tie to both; such grades tell a router nothing.")
