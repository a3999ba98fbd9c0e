"""``hybrid-llm collect``: both models' answers to a list of prompts."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hybrid_llm.cli import asking
from hybrid_llm.cli.options import AsJson
from hybrid_llm.cli.output import print_json

if TYPE_CHECKING:
    from hybrid_llm.collect import ModelName, PairFolder, Plan, Setup
    from hybrid_llm.prices import Prices

HOSTED: int = 8
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
    from hybrid_llm.prices import Prices
    from hybrid_llm.table import parse_map, prompts_of_files

    setup = setup_of(small, large, checker, samples, system, temperature, max_tokens, think)
    prices = Prices.read(price or ())
    found = prompts_of_files(*prompts, paths=parse_map(map_) if map_ else None)
    with folder_for(out, dry_run=dry_run) as folder:
        folder.begin(setup, force=force)
        folder.add_prompts(found)
        if dry_run:
            asking.print_plans(plans_of(folder, setup, prices), folder.spent())
            return
        answered = ask(folder, setup, prices, budget=budget, parallel=parallel, yes=yes)
        if json:
            print_json({"prompts": len(folder.prompts()), **answered, "spent_usd": folder.spent()})


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
    folder: PairFolder, setup: Setup, prices: Prices, *, budget: float | None, parallel: int | None, yes: bool
) -> dict[str, Any]:
    """Examine the models, say what it costs, ask what there is to ask; return how many answers there are of each.

    Raises:
        Exit: A model does not answer.
    """
    from hybrid_llm.collect import Budget, ask_all, examine

    money = Budget(budget, folder.spent())
    todo = plans_of(folder, setup, prices)
    if any(plan.todo for plan in todo):
        asking.print_plans(todo, folder.spent())
        asking.allow(todo, yes=yes)
        asked = [plan.model for plan in todo if plan.todo]
        found = examine([(role_of(setup, model), model) for model in asked], prices)
        if not all(one.answers for one in found):
            asking.print_examined(found, err=True)
            raise typer.Exit(1)
        at_a_time = {
            model: parallel or (1 if model.on_loopback or model.kind == "ollama" else HOSTED) for model in asked
        }
        with asking.shown() as tell:
            outcome = asyncio.run(ask_all(folder, setup, todo, money, at_a_time, tell))
        asking.say_outcome(outcome, asked)
    complete = folder.answered(setup)
    return {"answered": {model.name: sum(1 for _, name, _ in complete if name == model.name) for model in setup.models}}


def role_of(setup: Setup, model: ModelName) -> str:
    """Return which part a model plays."""
    return {setup.small: "small", setup.large: "large"}.get(model, "checker")
