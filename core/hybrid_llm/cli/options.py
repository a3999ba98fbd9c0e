"""Options that several commands share, and the checks that need nothing but the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_llm.errors import LevelError
from hybrid_llm.level import Level

if TYPE_CHECKING:
    from hybrid_llm.table import Scale

Data = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATA", show_default=False, help="Quality tables: JSON Lines or arrays, CSV, Parquet; also .gz."
    ),
]
Small = Annotated[str, typer.Option("--small", metavar="MODEL", help="The small model, as the tables name it.")]
Large = Annotated[str, typer.Option("--large", metavar="MODEL", help="The large model, as the tables name it.")]
Split = Annotated[
    str | None, typer.Option("--split", metavar="NAME", help="Use the rows of one split; without it every row.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Count and skip broken rows instead of stopping.")]
DropLeaks = Annotated[bool, typer.Option("--drop-leaks", help="Drop training rows that another split asks again.")]
OnScale = Annotated[
    str | None,
    typer.Option("--scale", metavar="LOW:HIGH", help="Lowest and highest score, like 1:5; without it 0:1."),
]
RouterDir = Annotated[
    Path | None, typer.Option("--router", metavar="DIR", help="A router folder; without it the shipped router.")
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write the router folder.")]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the router, thresholds or certificate that the folder holds.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Quality = Annotated[
    float | None,
    typer.Option("--quality", metavar="Q", help="Share of the large model's quality to keep, like 0.99."),
]
CostAdvantage = Annotated[
    float | None,
    typer.Option("--cost-advantage", metavar="C", help="Share of queries to send to small, like 0.4."),
]
Threshold = Annotated[
    float | None,
    typer.Option("--threshold", metavar="T", help="Lowest score that goes to small; 2: none does."),
]


def open_fraction(value: float) -> float:
    """Check an option that lies strictly between 0 and 1.

    Raises:
        BadParameter: It does not.
    """
    if not 0.0 < value < 1.0:
        raise typer.BadParameter(f"{value:g} must lie strictly between 0 and 1.")
    return value


def level_of(quality: float | None, cost_advantage: float | None, threshold: float | None) -> Level | None:
    """Return the level that the options ask for, if they ask for one.

    Raises:
        BadParameter: They ask for two, or for one that is out of range.
    """
    try:
        return Level.of(quality=quality, cost_advantage=cost_advantage, threshold=threshold)
    except LevelError as error:
        raise typer.BadParameter(str(error)) from error


def scale_of(text: str | None) -> Scale | None:
    """Return the scale that an option names, if it names one.

    Raises:
        BadParameter: It names none that makes sense.
    """
    if text is None:
        return None
    from hybrid_llm.table import check_scale

    low, _, high = text.partition(":")
    try:
        return check_scale((float(low), float(high)))
    except ValueError:
        raise typer.BadParameter(
            f"--scale {text} is no LOW:HIGH; give the lowest and highest score, as in 1:5."
        ) from None


def check_pair(small: str, large: str) -> None:
    """Check that the pair is one.

    Raises:
        BadParameter: Both models are the same.
    """
    if small == large:
        raise typer.BadParameter(f"--small and --large are both {small!r}; a pair needs two models.")
