"""``hybrid-llm run``: from a list of prompts to a verdict, in one command."""

from __future__ import annotations

from typing import Annotated

import typer

from hybrid_llm.cli import asking
from hybrid_llm.cli.collect import ask, folder_for, plans_of, setup_of, state_of
from hybrid_llm.cli.grade import GraderOf, RubricOf, grade_answers
from hybrid_llm.cli.options import AsJson, open_fraction
from hybrid_llm.cli.output import print_json, progress, say


def run(
    prompts: asking.Prompts,
    small: asking.SmallModel,
    large: asking.LargeModel,
    grader: GraderOf,
    out: asking.PairDir,
    checker: asking.Checkers = None,
    samples: asking.Samples = 1,
    budget: asking.BudgetOf = None,
    price: asking.PriceOf = None,
    map_: asking.MapOf = None,
    system: asking.System = None,
    temperature: asking.Temperature = None,
    max_tokens: asking.MaxTokens = 1024,
    think: asking.Think = None,
    parallel: asking.Parallel = None,
    max_drop: Annotated[
        float,
        typer.Option("--max-drop", metavar="D", callback=open_fraction, help="The quality drop to certify."),
    ] = 0.05,
    confidence: Annotated[
        float,
        typer.Option("--confidence", metavar="P", callback=open_fraction, help="That no certificate here is wrong."),
    ] = 0.95,
    rubric: RubricOf = None,
    yes: asking.Yes = False,
    dry_run: asking.DryRun = False,
    force: asking.AskAgain = False,
    json: AsJson = False,
) -> None:
    """From prompts to a router of your own, and a verdict.

    Asks both models, grades, trains, calibrates, certifies and reports.
    It can be stopped at any moment: the same command goes on where it was, and with more prompts it asks only those.
    Under 200 graded prompts all of them train the router, and nothing is certified; above, half of those that are
    not kept for the report certify one level, --max-drop. Each further try is tested more strictly.
    """
    from hybrid_llm.collect import Budget, grading_of
    from hybrid_llm.errors import TableError
    from hybrid_llm.prices import Prices
    from hybrid_llm.run import Question, check_grader, conclude, judge_costs
    from hybrid_llm.table import parse_map, prompts_of_files

    with asking.usage():
        setup = setup_of(small, large, checker, samples, system, temperature, max_tokens, think)
        prices, money = Prices.read(price or ()), Budget(budget)
    found = prompts_of_files(*prompts, paths=parse_map(map_) if map_ else None)
    if len(found) < 2:
        raise TableError(f"{prompts[0]} holds one prompt, which says nothing of a pair; 30 train a router, better 300.")
    check_grader(found, grader, rubric, prices, setup)
    judging = judge_costs(found, grader, rubric, prices)
    if judging is not None:
        say(f"Grading asks the judge up to {judging[0]:,} questions: about {asking.dollars(judging[1])} more.")
    with folder_for(out, dry_run=dry_run) as folder:
        folder.begin(setup, force=force)
        folder.add_prompts(found)
        if dry_run:
            asking.print_plans(plans_of(folder, setup, prices), folder.spent(), folder.lost())
            if json:
                print_json(state_of(folder, setup))
            return
        failed = ask(folder, setup, prices, money, parallel=parallel, yes=yes)
        grading = grading_of(folder, grader, rubric=rubric, prices=prices)
        money.spent = folder.spent()
        graded = grade_answers(grading, money, parallel=parallel, yes=yes, dry_run=False, again=False)
        assert graded is not None
        folder.note("grader", graded.key)
        with progress() as shown:
            verdict = conclude(folder, setup, graded.key, Question(max_drop, confidence, graded.key), progress=shown)
    if json:
        print_json(verdict.as_dict())
    else:
        typer.echo(verdict.explain())
    if failed or graded.gave_up:
        raise typer.Exit(1)
