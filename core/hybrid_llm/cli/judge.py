"""``hybrid-llm evaluate``, ``calibrate`` and ``certify``: what a router is worth on the rows of a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hybrid_llm.cli import asking
from hybrid_llm.cli.options import (
    AsJson,
    Data,
    DropLeaks,
    Force,
    Large,
    OnScale,
    Out,
    RouterDir,
    SkipBad,
    Small,
    Split,
    open_fraction,
)
from hybrid_llm.cli.output import (
    QUALITIES,
    print_figures,
    print_json,
    print_look,
    print_look_levels,
    print_thresholds,
    progress,
    say,
    thresholds_of,
)
from hybrid_llm.cli.pair_rows import read_pair

_ODD = 0.05
"""Share of unfamiliar rows from which on it is said: of rows like those of training there are fewer."""


def evaluate(
    data: Data,
    small: Small,
    large: Large,
    router: RouterDir = None,
    split: Split = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Draw the error-cost curve (.png, .svg or .pdf).")
    ] = None,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", metavar="N", min=0, help="Resamples for the 95 % intervals; 0 for none.")
    ] = 1000,
    scale: OnScale = None,
    skip_bad: SkipBad = False,
    drop_leaks: DropLeaks = False,
    json: AsJson = False,
) -> None:
    """Measure how good a router is for a pair.

    The figures stand beside those of random routing and of an oracle, which no router can beat. Judge on
    rows that training did not see, such as those of --split test.
    """
    from hybrid_llm.report import FORMATS, check_plotting, error_cost_plot, evaluate_router

    if plot is not None and plot.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"--plot {plot} must end in {', '.join(FORMATS)}.")
    if plot is not None:
        check_plotting(plot)
    from hybrid_llm.router import Router, warn_before_judging

    loaded = Router.load(router)
    pair = read_pair(data, small, large, split, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale).pair
    seen = warn_before_judging(loaded.parts, pair)
    with progress() as report:
        found = evaluate_router(
            loaded.watched(report),
            pair,
            levels=QUALITIES if plot else (),
            repetitions=bootstrap,
            band=plot is not None,
            computing=lambda: report("Computing figures", 0, 0),
        )
    if plot is not None:
        title = f"{small} -> {large}, {len(pair):,} queries"
        error_cost_plot(found.curves, plot, title=title, band=found.band, points=found.points)
    if json:
        about = {"pair": {"small": small, "large": large}, "split": split, "router_id": loaded.id, "seen": seen}
        look = {"look": found.looked.as_dict()} if found.looked else {}
        print_json({**found.figures, **about, "plot": str(plot) if plot else None, **look})
        return
    print_figures(found.figures, small, large)
    if found.looked is not None:
        typer.echo("\nWith a second look at small's answers, the whole path:\n")
        print_look(found.looked)
    if plot is not None:
        typer.echo(f"\nThe error-cost curve is in {plot}")


def calibrate(
    small: Annotated[
        str,
        typer.Option(
            "--small", metavar="MODEL", help="The small model, as the tables name it; with --unlabelled ollama:NAME."
        ),
    ],
    out: Out,
    data: Annotated[
        list[Path] | None, typer.Argument(metavar="DATA", show_default=False, help="Quality tables, as for train.")
    ] = None,
    large: Annotated[
        str | None, typer.Option("--large", metavar="MODEL", help="The large model, as the tables name it.")
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(
            "--unlabelled", metavar="PROMPTS", help="Instead of DATA: prompts to ask --small alone, ollama:NAME."
        ),
    ] = None,
    checker: asking.Checkers = None,
    system: asking.System = None,
    temperature: Annotated[
        float, typer.Option("--temperature", metavar="T", help="How --unlabelled asks; 0: the likeliest answer.")
    ] = 0.0,
    max_tokens: asking.MaxTokens = 1024,
    parallel: Annotated[
        int, typer.Option("--parallel", metavar="N", min=1, help="Requests at a time, of --unlabelled.")
    ] = 1,
    router: RouterDir = None,
    split: Split = None,
    force: Force = False,
    scale: OnScale = None,
    skip_bad: SkipBad = False,
    drop_leaks: DropLeaks = False,
    json: AsJson = False,
) -> None:
    """Measure the thresholds of a pair.

    The scores stay the same; the quality levels become those of your own models. A few hundred rows that
    training did not see are enough. Where --out holds a router, thresholds or a certificate that would be lost,
    --force replaces them.

    With --unlabelled nothing is graded and nothing is paid: the local model answers the prompts, and a second look
    that needs no training gets its levels, for cost_advantage= alone.
    """
    if unlabelled is not None:
        if data or large:
            raise typer.BadParameter("--unlabelled asks the local model alone; it takes no DATA and no --large.")
        from hybrid_llm.cli.unlabelled import calibrate_unlabelled
        from hybrid_llm.collect import AskSettings

        with asking.usage():
            settings = AskSettings(system, temperature, max_tokens)
        calibrate_unlabelled(
            unlabelled,
            small,
            checker or (),
            router,
            out,
            settings=settings,
            parallel=parallel,
            force=force,
            as_json=json,
        )
        return
    if checker or system is not None:
        raise typer.BadParameter("--checker and --system say how --unlabelled asks; DATA holds answers already.")
    if not data or large is None:
        raise typer.BadParameter(
            "give quality tables and --large, or --unlabelled PROMPTS to ask the local model alone."
        )
    from hybrid_llm.router import Router, claim, refuse_few_rows, refuse_foreign, refuse_replacing, warn_of_another_pair
    from hybrid_llm.scoring import UNFAMILIAR

    refuse_foreign(out)
    loaded = Router.load(router)
    pair = read_pair(data, small, large, split, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale).pair
    with claim(out):
        refuse_replacing(out, force=force, staying=loaded.parts.before_calibrating(small, large))
        refuse_few_rows(pair)
        warn_of_another_pair(loaded.parts, pair)
        with progress() as report:
            calibrated = loaded.watched(report).calibrate(pair)
        calibrated.save(out)
    odd = int((loaded.familiarity(pair.queries) < UNFAMILIAR).sum())
    if odd > _ODD * len(pair):
        say(
            f"note: {odd:,} of {len(pair):,} queries are unlike those of training: a quality level sends them to large."
        )
    calibration = calibrated.calibration
    assert calibration is not None
    if json:
        print_json(
            {
                "router_id": loaded.id,
                "out": str(out),
                "pair": {"small": small, "large": large},
                "split": split,
                "n": calibration.n,
                "small_quality": calibration.small_quality,
                "large_quality": calibration.large_quality,
                "thresholds": thresholds_of(calibration),
                "certificate_kept": calibrated.certificate is not None,
            }
        )
        return
    typer.echo(f"Router {loaded.id}, calibrated for {small} -> {large}, is in {out}")
    typer.echo(f"Thresholds, measured on {calibration.n:,} rows and not certified:")
    print_thresholds(calibration)
    print_look_levels(calibrated)


def certify(
    data: Data,
    small: Small,
    large: Large,
    router: Annotated[Path, typer.Option("--router", metavar="DIR", help="The router folder; it keeps the result.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keep the result in another folder instead.")
    ] = None,
    split: Split = None,
    max_drop: Annotated[
        float,
        typer.Option("--max-drop", metavar="D", callback=open_fraction, help="The largest quality drop to promise."),
    ] = 0.05,
    confidence: Annotated[
        float,
        typer.Option("--confidence", metavar="P", callback=open_fraction, help="Probability that the promise holds."),
    ] = 0.95,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="Use rows that training saw; the result is void.")
    ] = False,
    measured_by: Annotated[
        str, typer.Option("--measured-by", metavar="TEXT", help="What scored the responses, for the reader.")
    ] = "the scores in the quality table",
    force: Force = False,
    scale: OnScale = None,
    skip_bad: SkipBad = False,
    drop_leaks: DropLeaks = False,
    json: AsJson = False,
) -> None:
    """Prove the quality levels of a pair.

    The certificate is printed and kept in the router folder, or with the router in --out. Take rows that training
    did not see, such as those of --split validation. That nothing can be promised is an answer too: the certificate
    then says so, and the exit code is 0. A certificate that promises something is replaced only with --force, and so
    are the thresholds of another pair.
    """
    from hybrid_llm.router import Router, claim, refuse_foreign, refuse_replacing

    loaded, place = Router.load(router), out or router
    refuse_foreign(place)
    rows = read_pair(data, small, large, split, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale)
    with claim(place):
        refuse_replacing(place, force=force, staying=loaded.parts.before_certifying(small, large))
        with progress() as report:
            certified = loaded.watched(report).certify(
                rows.pair,
                max_drop=max_drop,
                confidence=confidence,
                data=rows.source,
                measured_by=measured_by,
                allow_leak=allow_leak,
            )
        certified.save(place)
    menu, look = certified.certificate, certified.second_look
    assert menu is not None
    path = look.certificate if look is not None else None
    if json:
        print_json({**menu.as_dict(), **({"look": path.as_dict()} if path else {})})
    else:
        typer.echo(menu.explain())
        if path is not None:
            typer.echo(f"\nWith a second look, both proofs at once:\n\n{path.explain()}")
        typer.echo(f"\nKept in {place}")
