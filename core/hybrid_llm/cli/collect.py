"""``hybrid-llm collect``: both models' answers to a list of prompts."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from hybrid_llm.cli import asking
from hybrid_llm.cli.options import AsJson
from hybrid_llm.cli.output import print_json, say

if TYPE_CHECKING:
    from hybrid_llm.collect import Budget, ModelName, PairFolder, Plan, Setup
    from hybrid_llm.prices import Prices

HOSTED: Final = 8
"""Requests at a time that a hosted model is sent."""


def collect(
    prompts: asking.Prompts,
    small: asking.SmallModel,
    large: asking.LargeModel,
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
    yes: asking.Yes = False,
    dry_run: asking.DryRun = False,
    force: asking.AskAgain = False,
    json: AsJson = False,
) -> None:
    """Ask both models every prompt, and keep every answer.

    It can be stopped at any moment: the same command goes on where it was, and never pays for an answer twice.
    """
    from hybrid_llm.collect import Budget
    from hybrid_llm.prices import Prices
    from hybrid_llm.table import parse_map, prompts_of_files

    with asking.usage():
        setup = setup_of(small, large, checker, samples, system, temperature, max_tokens, think)
        prices, money = Prices.read(price or ()), Budget(budget)
    found = prompts_of_files(*prompts, paths=parse_map(map_) if map_ else None)
    with folder_for(out, dry_run=dry_run) as folder:
        folder.begin(setup, force=force)
        folder.add_prompts(found)
        if dry_run:
            asking.print_plans(plans_of(folder, setup, prices), folder.spent(), folder.lost())
            if json:
                print_json(state_of(folder, setup))
            return
        failed = ask(folder, setup, prices, money, parallel=parallel, yes=yes)
        if json:
            print_json(state_of(folder, setup))
    if failed:
        raise typer.Exit(1)
    say(f"Next: hybrid-llm grade {out} --grader ...")


@contextmanager
def folder_for(path: Path, *, dry_run: bool) -> Iterator[PairFolder]:
    """Open a pair folder; for a dry run a copy of it, or a new one, that is gone afterwards."""
    from hybrid_llm.collect import PairFolder

    if not dry_run:
        with PairFolder(path) as folder:
            yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, "pair")
        if path.exists():
            copy.mkdir()
            for file in ("pair.sqlite", "pair.sqlite-wal", "run.json"):
                if (path / file).is_file():
                    shutil.copy(path / file, copy)
        with PairFolder(copy) as folder:
            yield folder


def plans_of(folder: PairFolder, setup: Setup, prices: Prices) -> list[Plan]:
    """Return what there is to ask."""
    from hybrid_llm.collect import plans

    return plans(setup, folder.prompts(), folder.answered(setup), prices, folder.usual_tokens(setup))


def setup_of(
    small: str,
    large: str,
    checker: list[str] | None,
    samples: int,
    system: str | None,
    temperature: float | None,
    max_tokens: int,
    think: str | None,
) -> Setup:
    """Return what the options say of who is asked, and how."""
    from hybrid_llm.collect import AskSettings, ModelName, Setup

    if samples > 1 and temperature == 0:
        raise typer.BadParameter(f"{samples} samples at --temperature 0 are the same answer; use 0.7 or so.")
    usual = 0.7 if samples > 1 else 0.0
    settings = AskSettings(system, usual if temperature is None else temperature, max_tokens, asking.yes_or_no(think))
    checkers = tuple(ModelName.read(text) for text in checker or ())
    return Setup(ModelName.read(small), ModelName.read(large), checkers, settings, samples)


def ask(
    folder: PairFolder,
    setup: Setup,
    prices: Prices,
    money: Budget,
    *,
    parallel: int | None,
    yes: bool,
    plans: Callable[[PairFolder, Setup, Prices], list[Plan]] = plans_of,
) -> bool:
    """Say what it costs, examine the models, and ask what there is to ask.

    Args:
        folder: Where answers are kept.
        setup: Who is asked.
        prices: What models cost.
        money: What may be spent.
        parallel: Requests at a time.
        yes: Whether nobody is asked before money is spent.
        plans: Returns what there is to ask.

    Returns:
        Whether a model was given up on.

    Raises:
        Exit: A model does not answer.
    """
    from hybrid_llm.collect import ask_all

    money.spent = folder.spent()
    todo = [plan for plan in plans(folder, setup, prices) if plan.todo]
    if not todo:
        say(f"Everything is answered; nothing is asked. {asking.dollars(money.spent)} were spent in {folder.path}.")
        return False
    asking.print_plans(todo, folder.spent(), folder.lost())
    money.check(todo)
    asking.allow(todo, yes=yes)
    examined(folder, setup, prices, todo)
    money.spent = folder.spent()
    at_a_time = {plan.model: parallel or (1 if plan.model.local else HOSTED) for plan in todo}
    try:
        with asking.shown() as tell:
            outcome = asyncio.run(ask_all(folder, setup, todo, money, at_a_time, tell))
    except KeyboardInterrupt:
        say(f"Stopped. {len(folder.answered(setup)):,} answers are kept; the same command goes on.")
        raise
    asking.say_outcome(outcome, [plan.model for plan in todo])
    return outcome.gave_up


def examined(folder: PairFolder, setup: Setup, prices: Prices, todo: Sequence[Plan]) -> None:
    """Examine the models that are asked, and say what there is to know.

    Raises:
        Exit: One does not answer.
    """
    from hybrid_llm.collect import examine, too_long

    found = examine([(role_of(setup, plan.model), plan.model) for plan in todo], prices, setup.settings)
    for plan, one in zip(todo, found, strict=True):
        if one.cost_usd:
            folder.spend("doctor", plan.model, one.cost_usd)
    if not all(one.answers for one in found):
        asking.print_examined(found, err=True)
        raise typer.Exit(1)
    asking.print_advice(found, err=True)
    for plan, one in zip(todo, found, strict=True):
        cut = too_long(plan, one.context)
        if cut:
            say(f"warning: {cut:,} prompts look longer than {plan.model} reads ({one.context:,} tokens): it cuts them.")


def state_of(folder: PairFolder, setup: Setup) -> dict[str, Any]:
    """Return what the folder holds, as JSON values."""
    complete = folder.answered(setup)
    return {
        "prompts": len(folder.prompts()),
        "answered": {model.name: sum(name == model.name for _, name, _ in complete) for model in setup.models},
        "errors": folder.errors(setup),
        "spent_usd": folder.spent(),
    }


def role_of(setup: Setup, model: ModelName) -> str:
    """Return which part a model plays."""
    return {setup.small: "small", setup.large: "large"}.get(model, "checker")
