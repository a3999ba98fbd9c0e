"""``hybrid-llm audit``: whether what was promised still holds for the traffic that came."""

from __future__ import annotations

import time
from dataclasses import replace
from json import dumps as to_json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hybrid_llm.cli import asking
from hybrid_llm.cli.collect import ask, setup_of
from hybrid_llm.cli.grade import GraderOf, RubricOf, grade_answers
from hybrid_llm.cli.options import AsJson
from hybrid_llm.cli.output import print_json, say
from hybrid_llm.errors import JournalError

if TYPE_CHECKING:
    from hybrid_llm.collect import Budget, PairFolder, Setup
    from hybrid_llm.prices import Prices
    from hybrid_llm.router import Router
    from hybrid_llm.run import Drawn, Promise

_DAY = 86_400.0


def audit(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="What Journal(FILE, texts=True) has kept.")],
    router: Annotated[Path, typer.Option("--router", metavar="DIR", help="The router folder with the certificate.")],
    large: asking.LargeModel,
    grader: GraderOf,
    small: Annotated[
        str | None,
        typer.Option("--small", metavar="MODEL", help="The small model; without it the journal's, if Ollama has it."),
    ] = None,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", min=0, help="Requests to draw, besides those of earlier audits.")
    ] = 50,
    quality: Annotated[
        float | None, typer.Option("--quality", metavar="Q", help="The level; without it the one of the certificate.")
    ] = None,
    days: Annotated[
        float | None, typer.Option("--days", metavar="N", help="Draw from the requests of the last N days only.")
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option("--references", metavar="PROMPTS", help="Prompts with references, for graders that compare."),
    ] = None,
    rubric: RubricOf = None,
    budget: asking.BudgetOf = None,
    price: asking.PriceOf = None,
    system: asking.System = None,
    temperature: asking.Temperature = None,
    max_tokens: asking.MaxTokens = 1024,
    think: asking.Think = None,
    parallel: asking.Parallel = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="PAIR", help="Where audits are kept; without it beside the journal."),
    ] = None,
    yes: asking.Yes = False,
    json: AsJson = False,
) -> None:
    """Test on the traffic of a journal whether a promise holds.

    Draws requests, asks the arm that did not answer, and grades both.
    Earlier audits of the same certificate count, and one may look after each: the test allows for it. It needs a
    journal with texts. Private requests are never audited, nor those inside conversations. A promise that is broken
    voids the certificate in the router folder; programs that run from it see that within a minute.
    """
    from hybrid_llm.collect import Budget, PairFolder
    from hybrid_llm.observe import read_journal
    from hybrid_llm.prices import Prices
    from hybrid_llm.report import drift_of
    from hybrid_llm.router import Router, void_certificates
    from hybrid_llm.run import Promise, begin_audit, draw, known_draws, lay_in, more_to_draw, outcome_of, secret_of

    if days is not None and not days > 0:
        raise typer.BadParameter(f"--days {days:g} must be more than 0.")
    with asking.usage():
        prices, money = Prices.read(price or ()), Budget(budget)
    loaded = Router.load(router)
    promise = Promise.of(loaded, quality)
    since = 0.0 if days is None else time.time() - days * _DAY
    accepted = _references(references, grader)
    there = draw(read_journal(journal, since=since), promise, "", (), 0)
    _refuse_none(there, promise, journal)
    with asking.usage():
        setup = setup_of(small or _small_of(there), large, None, 1, system, temperature, max_tokens, think)
    changed = _changed_weights(loaded, setup)
    drift = drift_of(read_journal(journal)).lines()
    with PairFolder(out or journal.with_name(f"{journal.stem}.audit-{promise.id}")) as folder:
        secret = secret_of(folder, promise)
        begin_audit(folder, setup)
        more = more_to_draw(folder, setup, sample)
        drawn = draw(read_journal(journal, since=since), promise, secret, known_draws(folder), more)
        lay_in(folder, setup, drawn.draws, accepted)
        _say_drawn(drawn, folder)
        failed, key = _ask_and_grade(
            folder, setup, prices, money, grader=grader, rubric=rubric, parallel=parallel, yes=yes
        )
        _say_differences(key, promise, setup, loaded)
        found = outcome_of(folder, setup, promise, key)
    found = replace(found, void_reason=found.void_reason or changed)
    if found.void_reason:
        void_certificates(router, found.void_reason)
    if json:
        print_json({**found.as_dict(), "of": drawn.of, "left_out": drawn.left_out, "drift": drift})
    else:
        typer.echo("\n".join([found.explain(), *drift]))
    if found.void_reason:
        say(f"The certificate in {router} is void now: {found.void_reason}")
        say("Programs that run from it see that within a minute; one with a copy of it needs a new copy.")
    if failed:
        raise typer.Exit(1)


def _references(file: Path | None, grader: str) -> dict[str, tuple[str, ...]]:
    """Return the accepted answers to queries, by their text.

    Raises:
        BadParameter: The grader needs some, and there are none.
    """
    from hybrid_llm.collect import grader_of
    from hybrid_llm.table import prompts_of_files

    if file is None:
        if not grader.startswith("judge:") and grader_of(grader).reads is not None:
            raise typer.BadParameter(
                f"--grader {grader} compares with references, and a journal has none: add --references PROMPTS, or "
                "take judge:MODEL."
            )
        return {}

    return {prompt.query: prompt.references for prompt in prompts_of_files(file)}


def _refuse_none(there: Drawn, promise: Promise, journal: Path) -> None:
    """Refuse a journal in which there is nothing to audit."""
    if there.of:
        return
    why = "; ".join(f"{count:,} {why}" for why, count in there.left_out.items()) or "it is empty"
    raise JournalError(
        f"{journal} has no request that this router decided at quality level {promise.quality:g} with its certificate "
        f"({why})."
    )


def _small_of(there: Drawn) -> str:
    """Return the small model that answered last, where its provider can be asked by that name.

    Raises:
        BadParameter: It cannot.
    """
    provider, name = there.small or ("", "")
    if provider != "ollama":
        raise typer.BadParameter(
            "the journal does not say where the small model is; add --small, like ollama:qwen3:4b."
        )
    return f"ollama:{name}"


def _say_drawn(drawn: Drawn, folder: PairFolder) -> None:
    say(f"{len(drawn.draws):,} requests are drawn from {drawn.of:,}; audits are kept in {folder.path}.")
    for why, count in drawn.left_out.items():
        say(f"{count:,} are left out: {why}.")


def _ask_and_grade(
    folder: PairFolder,
    setup: Setup,
    prices: Prices,
    money: Budget,
    *,
    grader: str,
    rubric: Path | None,
    parallel: int | None,
    yes: bool,
) -> tuple[bool, str]:
    """Ask what is missing and grade; return whether a model was given up on, and the name of the grades.

    Raises:
        HybridLLMError: Nothing was drawn, or what was drawn cannot be graded.
    """
    from hybrid_llm.collect import JudgeGrading, grading_of, warn_of_own_judge
    from hybrid_llm.run import plans_of_audit

    failed = ask(folder, setup, prices, money, parallel=parallel, yes=yes, plans=plans_of_audit)
    grading = grading_of(folder, grader, rubric=rubric, prices=prices)
    if isinstance(grading, JudgeGrading):
        warn_of_own_judge(grading.model, setup)
    money.spent = folder.spent()
    graded = grade_answers(grading, money, parallel=parallel, yes=yes, dry_run=False, again=False)
    assert graded is not None
    return failed or graded.gave_up, graded.key


def _say_differences(key: str, promise: Promise, setup: Setup, router: Router) -> None:
    """Warn where the audit is not made as the certificate was: it then tests another promise."""
    if key != promise.measured_by:
        say(f"warning: the certificate was measured by {promise.measured_by}, and this audit by {key}.")
    if setup.large.name != promise.large:
        say(f"warning: the certificate is about {promise.large}, and --large is {setup.large.name}.")
    known = router.record.fingerprint.get("asked with") if router.record else None
    now = to_json(setup.settings.as_dict(), sort_keys=True)
    if known is not None and known != now:
        say(f"warning: when it was certified, the models were asked with {known}, and are now with {now}.")


def _changed_weights(router: Router, setup: Setup) -> str:
    """Return that the small model has other weights than were trained with, where both are known."""
    from hybrid_llm.collect import weights_of

    known = router.record.fingerprint.get(f"weights of {setup.small.name}") if router.record else None
    now = weights_of(setup.small) if known else None
    if now is None or now == known:
        return ""
    return f"The small model {setup.small.name} has other weights than it was certified with ({now[:19]})."
