"""Options of the commands that ask models, and what they show before, while and after they ask."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hybrid_llm.cli.output import print_table, printable, progress, say
from hybrid_llm.errors import ConfigError

if TYPE_CHECKING:
    from hybrid_llm.collect import Examined, ModelName, Outcome, Plan, Progress

BUDGET: Final = "budget"
"""As :data:`hybrid_llm.collect.BUDGET`, which would load what asks."""

SmallModel = Annotated[
    str,
    typer.Option("--small", metavar="MODEL", help="The small model: ollama:NAME or openai:NAME, @BASE_URL behind it."),
]
LargeModel = Annotated[
    str,
    typer.Option("--large", metavar="MODEL", help="The large model: ollama:NAME or openai:NAME, @BASE_URL behind it."),
]
Checkers = Annotated[
    list[str] | None,
    typer.Option("--checker", metavar="MODEL", help="A further local model to compare with; repeatable."),
]
PriceOf = Annotated[
    list[str] | None,
    typer.Option("--price", metavar="NAME=IN:OUT", help="Dollars per million tokens, read and written; repeatable."),
]
Prompts = Annotated[
    list[Path],
    typer.Argument(metavar="PROMPTS", show_default=False, help="Lines of text, JSON, JSON Lines, CSV or Parquet."),
]
MapOf = Annotated[
    str | None,
    typer.Option(
        "--map", metavar="FIELD=PATH,...", help="Where an export has them: query=inputs.question,reference=..."
    ),
]
PairDir = Annotated[Path, typer.Option("--out", metavar="PAIR", help="The pair folder: where everything is kept.")]
Samples = Annotated[int, typer.Option("--samples", metavar="K", min=1, help="Answers of each model to each prompt.")]
BudgetOf = Annotated[
    float | None, typer.Option("--budget", metavar="USD", help="Dollars that may be spent in this folder, all told.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before money is spent.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked and what it costs, and ask nothing.")]
System = Annotated[str | None, typer.Option("--system", metavar="TEXT", help="A system prompt for all models.")]
Temperature = Annotated[
    float | None,
    typer.Option("--temperature", metavar="T", help="0, the default: the likeliest answer; with several samples 0.7."),
]
MaxTokens = Annotated[int, typer.Option("--max-tokens", metavar="N", min=1, help="Tokens of an answer at most.")]
Think = Annotated[str | None, typer.Option("--think", metavar="on|off", help="Whether models that can think aloud do.")]
Parallel = Annotated[
    int | None,
    typer.Option("--parallel", metavar="N", min=1, help="Requests at a time; without it 1 for a local model, else 8."),
]
AskAgain = Annotated[
    bool, typer.Option("--force", help="Go on with other settings than before: everything is asked anew under them.")
]


def yes_or_no(word: str | None) -> bool | None:
    """Read ``--think``.

    Raises:
        BadParameter: It is neither on nor off.
    """
    if word not in (None, "on", "off"):
        raise typer.BadParameter(f"--think {word!r} must be on or off.")
    return None if word is None else word == "on"


@contextmanager
def usage() -> Iterator[None]:
    """Make wrong options of what the library does not take.

    Raises:
        BadParameter: An option makes no sense.
    """
    try:
        yield
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error


def print_examined(found: Sequence[Examined], *, err: bool = False) -> None:
    """Write what is known of models as a table, and what to do below it."""
    told = {True: "yes", False: "no", None: "?"}
    lines: dict[str, Callable[[Examined], str]] = {
        "answers": lambda one: told[one.answers],
        "local": lambda one: told[one.local],
        "calls tools": lambda one: told[one.tools],
        "thinks aloud": lambda one: told[one.thinking],
        "log-probabilities": lambda one: told[one.logprobs],
        "reads, tokens": lambda one: f"{one.context:,}" if one.context else "?",
        "loads in": lambda one: f"{one.cold_seconds:.1f} s" if one.cold_seconds is not None else "?",
        "writes, tokens/s": lambda one: f"{one.tokens_per_second:.0f}" if one.tokens_per_second else "?",
        "price, in:out": lambda one: f"${one.price[0]:g}:{one.price[1]:g}" if one.price else "?",
    }
    rows = [(what, *(of(one) for one in found)) for what, of in lines.items()]
    print_table(("", *(f"{one.role} {_short(one.model)}" for one in found)), rows, texts=(0,), err=err)
    print_advice(found, err=err)


def print_advice(found: Sequence[Examined], *, err: bool = False) -> None:
    """Write what to do, a line each."""
    for one in found:
        for line in one.advice:
            typer.echo(printable(f"{one.role} {one.model}: {line}"), err=err)


def _short(model: str) -> str:
    """Return a model's name without its address."""
    return model.partition("@")[0].partition(":")[2]


def print_plans(plans: Sequence[Plan], spent: float, lost: float) -> None:
    """Write what will be asked and what it costs."""
    rows = [
        (
            plan.model.name,
            f"{len(plan.todo):,}",
            f"{plan.input_tokens:,}",
            f"{plan.usual * len(plan.todo):,}",
            dollars(plan.usd),
            dollars(plan.most_usd),
        )
        for plan in plans
    ]
    print_table(
        ("model", "calls", "tokens to read", "to write, about", "costs about", "at most"), rows, texts=(0,), err=True
    )
    if spent:
        unknown = f", at most {dollars(lost)} of them for answers that were in flight when it ended" if lost else ""
        say(f"{dollars(spent)} were spent in this folder before{unknown}.")


def allow(plans: Sequence[Plan], *, yes: bool) -> None:
    """Ask whether money may be spent.

    Raises:
        BadParameter: Nobody is there to be asked.
        Abort: The answer is no.
    """
    cost = sum(plan.usd for plan in plans)
    if yes or not any(plan.most_usd for plan in plans):
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"this spends about {dollars(cost)}; add --yes to spend it, or --dry-run to see how.")
    typer.confirm(f"Spend about {dollars(cost)}?", abort=True, err=True)


@contextmanager
def shown() -> Iterator[Callable[[Progress], None]]:
    """Show how far the asking is: done, failed, rate, dollars and time left."""
    began = time.monotonic()
    with progress() as tell:

        def show(now: Progress) -> None:
            rate = now.done / max(time.monotonic() - began, 1e-3)
            left = span((now.total - now.done) / rate) if now.done else "?"
            failed = f", {now.failed} failed" if now.failed else ""
            tell(f"{rate:.1f}/s{failed}, {dollars(now.spent)}, {left} left", now.done, now.total)

        yield show


def say_outcome(outcome: Outcome, models: Sequence[ModelName]) -> None:
    """Write what came, what failed and why, and what it cost."""
    came = ", ".join(f"{model.name} {outcome.answered.get(model.name, 0):,}" for model in models)
    say(f"Answers that came: {came}. It cost {dollars(outcome.spent)}.")
    for model, errors in outcome.errors.items():
        for why, count in errors.items():
            say(printable(f"{count:,} of {model} failed: {why}."))
    for model, why in outcome.stopped.items():
        if why != BUDGET:
            say(printable(f"{model} was given up on: {why}."))
    if BUDGET in outcome.stopped.values():
        say("The budget has no room for the next call: the same command with a larger --budget goes on.")
    elif outcome.errors:
        say("The same command asks for what is missing, and for nothing else.")


def dollars(amount: float) -> str:
    """Return an amount of money, with as many digits as say something.

    Example:
        >>> dollars(0), dollars(0.00123), dollars(12.345)
        ('$0', '$0.0012', '$12.35')
    """
    if not amount:
        return "$0"
    return f"${amount:.2f}" if amount >= 1 else f"${amount:.2g}"


def span(seconds: float) -> str:
    """Return a time as a person would write it: minutes and seconds, and hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
