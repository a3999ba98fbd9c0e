"""``hybrid-llm calibrate --unlabelled``: levels of an untrained second look, from what a local model says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hybrid_llm.cli import asking
from hybrid_llm.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from hybrid_llm.collect import AskSettings, ModelName, Reply
    from hybrid_llm.look import Answer, SecondLook
    from hybrid_llm.table import Prompt

SHARES = (0.2, 0.4, 0.6)
"""The cost advantages whose thresholds are printed."""


def calibrate_unlabelled(
    prompts: Path,
    small: str,
    checkers: Sequence[str],
    router: Path | None,
    out: Path,
    *,
    settings: AskSettings,
    parallel: int,
    force: bool,
    as_json: bool,
) -> None:
    """Ask the local models, and keep the levels in a router folder.

    Args:
        prompts: A list of prompts.
        small: The small model.
        checkers: Further local models.
        router: The router folder; the shipped one by default.
        out: Where the result is kept.
        settings: How they are asked.
        parallel: Requests at a time.
        force: Whether what lies in ``out`` may be replaced.
        as_json: Whether JSON is printed.
    """
    from hybrid_llm.collect import ModelName
    from hybrid_llm.router import Router, claim, refuse_replacing
    from hybrid_llm.table import prompts_of_files
    from hybrid_llm.training import untrained_looks

    with asking.usage():
        names = [ModelName.read(name) for name in (small, *checkers)]
    loaded = Router.load(router)
    found = prompts_of_files(prompts)
    with claim(out):
        refuse_replacing(out, force=force, staying=loaded.parts)
        with progress() as report, asking.usage():
            answers = {name.name: _answers(name, found, settings, parallel, report) for name in names}
        there = [place for place, answer in enumerate(answers[names[0].name]) if answer is not None]
        queries = [found[place].query for place in there]
        looks = untrained_looks(
            names[0].name,
            queries,
            [answer for answer in answers[names[0].name] if answer is not None],
            checkers={name.name: [answers[name.name][place] for place in there] for name in names[1:]},
            scores=loaded.score(queries),
            router_id=loaded.id,
            settings={"asked with": json.dumps(settings.as_dict(), sort_keys=True)},
        )
        loaded.override(looks={**loaded.parts.looks, **looks}).save(out)
    if as_json:
        print_json({"router_id": loaded.id, "out": str(out), "n": len(there), "looks": _levels(looks)})
        return
    typer.echo(f"{len(there):,} answers of {names[0].name}; nothing was graded, and nothing is promised.")
    typer.echo(f"Router {loaded.id} with untrained second looks is in {out}")
    for form, levels in _levels(looks).items():
        typer.echo(f'\nsecond_look="{form}":')
        rows = [(f"{one['asked']:g}", f"{one['cost_advantage']:.2f}", f"{one['threshold']:.4f}") for one in levels]
        print_table(("cost_advantage=", "kept here", "from a score of"), rows)


def _answers(
    model: ModelName,
    prompts: Sequence[Prompt],
    settings: AskSettings,
    parallel: int,
    report: Callable[[str, int, int], None],
) -> list[Answer | None]:
    from hybrid_llm.collect import ask_each

    def tell(done: int, total: int) -> None:
        report(f"Asking {model.name}", done, total)

    messages = [prompt.messages for prompt in prompts]
    replies = asyncio.run(ask_each(model, messages, settings, parallel=parallel, tell=tell))
    return [None if reply is None else _answer(reply) for reply in replies]


def _answer(reply: Reply) -> Answer:
    from hybrid_llm.look import Answer

    return Answer(
        reply.text, None if reply.logprobs is None else [min(each, 0.0) for each in reply.logprobs], reply.finish
    )


def _levels(looks: Mapping[str, SecondLook]) -> dict[str, list[dict[str, Any]]]:
    from hybrid_llm.level import Level

    told = {}
    for form, look in looks.items():
        plans = [(share, look.plan(Level("cost_advantage", share))) for share in SHARES]
        told[form] = [
            {"asked": share, "cost_advantage": plan.cost_advantage, "threshold": plan.cuts[look.columns][0]}
            for share, plan in plans
            if look.columns in plan.cuts
        ]
    return told
