"""``hybrid-llm doctor``: what can be expected of the models, before anything is collected or served."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from hybrid_llm.cli.asking import Checkers, LargeModel, PriceOf, SmallModel, print_examined, usage
from hybrid_llm.cli.options import AsJson
from hybrid_llm.cli.output import print_json


def doctor(
    small: SmallModel,
    large: LargeModel,
    checker: Checkers = None,
    price: PriceOf = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Keep what was found, as JSON.")] = None,
    json: AsJson = False,
) -> None:
    """Examine the models: are they ready, and what can they do?

    Reachable, pulled, local, tools, thinking, log-probabilities, context, speed, price.

    Each model is asked one short question.
    """
    from hybrid_llm.collect import ModelName, examine
    from hybrid_llm.prices import Prices

    named = [("small", small), ("large", large), *(("checker", one) for one in checker or ())]
    with usage():
        prices = Prices.read(price or ())
        models = [(role, ModelName.read(text)) for role, text in named]
    if out is not None and (out.is_dir() or not out.parent.is_dir()):  # said before anybody is asked
        raise typer.BadParameter(f"--out {out} must be a file in a folder that is there.")
    found = examine(models, prices)
    values = [one.as_dict() for one in found]
    if out is not None:
        out.write_text(json_module.dumps(values, indent=1) + "\n", encoding="utf-8")
    if json:
        print_json(values)
    else:
        print_examined(found)
    if not all(one.answers for one in found):
        raise typer.Exit(1)
