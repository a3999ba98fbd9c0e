"""``hybrid-llm evaluate``, ``calibrate`` and ``certify``: what a router is worth on the rows of a pair."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hybrid_llm.cli.figures import print_figures
from hybrid_llm.cli.material import read_pair, warn_of_another_pair, watched
from hybrid_llm.cli.options import (
    AsJson,
    Data,
    DropLeaks,
    Large,
    OnScale,
    Out,
    RouterDir,
    SkipBad,
    Small,
    Split,
    open_fraction,
)
from hybrid_llm.cli.output import print_json, print_thresholds, progress, thresholds_of
from hybrid_llm.errors import CertificateError, HybridLLMWarning, TableError

if TYPE_CHECKING:
    from hybrid_llm.router import Router
    from hybrid_llm.table import PairTable

FEW_ROWS: Final = 100
"""Below this, figures are mostly noise."""
LEAST_CALIBRATION_ROWS: Final = 30


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
    skip_bad: SkipBad = False,
    drop_leaks: DropLeaks = False,
    scale: OnScale = None,
    json: AsJson = False,
) -> None:
    """Measure how good a router is for a pair.

    The figures stand beside those of random routing and of an oracle, which no router can beat. Judge on
    rows that training did not see, such as those of --split test.
    """
    from hybrid_llm.report import FORMATS, check_plotting, error_cost_plot

    if plot is not None and plot.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"--plot {plot} must end in {', '.join(FORMATS)}.")
    if plot is not None:
        check_plotting(plot)
    from hybrid_llm import metrics
    from hybrid_llm.router import Router

    loaded = Router.load(router)
    pair = read_pair(data, small, large, split, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale).pair
    seen = _warn_before_judging(loaded, pair)
    with progress() as report:
        scores = watched(loaded, report).score(pair.queries)
        report("Computing figures", 0, 0)
        found = metrics.evaluate(scores, pair.mean_small, pair.mean_large, repetitions=bootstrap)
    if plot is not None:
        curves = {
            "router": metrics.tradeoff_curve(scores, pair.mean_small, pair.mean_large),
            "random": metrics.random_curve(pair.mean_small, pair.mean_large),
            "oracle": metrics.oracle_curve(pair.mean_small, pair.mean_large),
        }
        error_cost_plot(curves, plot, title=f"{small} -> {large}, {len(pair):,} queries")
    if json:
        about = {"pair": {"small": small, "large": large}, "split": split, "router_id": loaded.id, "seen": seen}
        print_json({**found, **about, "plot": str(plot) if plot else None})
        return
    print_figures(found, small, large)
    if plot is not None:
        typer.echo(f"\nThe error-cost curve is in {plot}")


def calibrate(
    data: Data,
    small: Small,
    large: Large,
    out: Out,
    router: RouterDir = None,
    split: Split = None,
    skip_bad: SkipBad = False,
    drop_leaks: DropLeaks = False,
    scale: OnScale = None,
    json: AsJson = False,
) -> None:
    """Measure the thresholds of a pair.

    The scores stay the same; the quality levels become those of your own models. A few hundred rows that
    training did not see are enough.
    """
    from hybrid_llm.router import refuse_foreign

    refuse_foreign(out)
    from hybrid_llm.router import Router

    loaded = Router.load(router)
    pair = read_pair(data, small, large, split, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale).pair
    if len(pair) < LEAST_CALIBRATION_ROWS:
        raise TableError(
            f"{len(pair)} rows are too few to calibrate with: collect at least {LEAST_CALIBRATION_ROWS}, better 300."
        )
    warn_of_another_pair(loaded, pair)
    calibrated = _calibrated(loaded, pair)
    calibrated.save(out)
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


def certify(
    data: Data,
    small: Small,
    large: Large,
    router: Annotated[Path, typer.Option("--router", metavar="DIR", help="The router folder; it keeps the result.")],
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
    skip_bad: SkipBad = False,
    drop_leaks: DropLeaks = False,
    scale: OnScale = None,
    json: AsJson = False,
) -> None:
    """Prove the quality levels of a pair.

    The certificate is printed and kept in the router folder. Take rows that training did not see, such as
    those of --split validation. That nothing can be promised is an answer too: the certificate then says so, and the
    exit code is 0.
    """
    from hybrid_llm.certify import Provenance, certify_menu
    from hybrid_llm.router import Router
    from hybrid_llm.table import normal_text

    loaded = Router.load(router)
    material = read_pair(data, small, large, split, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale)
    pair = material.pair
    void_reason = _seen_rows(loaded, pair, allow_leak=allow_leak)
    warn_of_another_pair(loaded, pair)
    with progress() as report:
        scores = watched(loaded, report).score(pair.queries)
        report("Testing thresholds", 0, 0)
        menu = certify_menu(
            scores,
            pair.mean_small,
            pair.mean_large,
            max_drop,
            confidence,
            thresholds=loaded.record.thresholds if loaded.record else None,
            groups=[normal_text(query) for query in pair.queries],
            provenance=Provenance(
                small=small,
                large=large,
                measured_by=measured_by,
                data=material.source,
                data_hash=pair.data_hash,
                router_id=loaded.id,
                created=datetime.datetime.now(datetime.UTC).date().isoformat(),
                void_reason=void_reason,
            ),
        )
    _of_this_pair(loaded, pair).override(certificate=menu).save(router)
    if json:
        print_json(menu.as_dict())
    else:
        typer.echo(menu.explain())
        typer.echo(f"\nKept in {router}")


def _warn_before_judging(router: Router, pair: PairTable) -> int:
    """Warn of what makes figures worth less than they look; return how many rows training saw."""
    warn_of_another_pair(router, pair)
    seen = router.record.count_seen(pair.ids, pair.queries) if router.record else 0
    if seen:
        _warn(
            f"{seen:,} of {len(pair):,} rows were seen in training, so the figures look better than they are; use "
            "rows that training did not see (--split test)."
        )
    if len(pair) < FEW_ROWS:
        _warn(f"{len(pair)} rows say little: figures of fewer than {FEW_ROWS} rows are mostly noise.")
    return seen


def _seen_rows(router: Router, pair: PairTable, *, allow_leak: bool) -> str:
    """Return why the certificate is void, or nothing when training saw none of the rows.

    Raises:
        CertificateError: Training saw some, and that is not allowed.
    """
    seen = router.record.count_seen(pair.ids, pair.queries) if router.record else 0
    if seen and not allow_leak:
        raise CertificateError(
            f"{seen:,} of {len(pair):,} rows were seen by fitting or choosing and prove nothing: take others "
            "(--split validation), or have a certificate that is marked void (--allow-leak)."
        )
    return f"Fitting or choosing saw {seen:,} of the {len(pair):,} rows that it rests on." if seen else ""


def _calibrated(router: Router, pair: PairTable) -> Router:
    with progress() as report:
        fresh = watched(router, report).calibrate(pair)
    return router.override(calibration=fresh.calibration, certificate=fresh.certificate)


def _of_this_pair(router: Router, pair: PairTable) -> Router:
    """Return the router with thresholds of this pair, so that no folder speaks of two pairs."""
    calibration = router.calibration
    if calibration is not None and (calibration.small, calibration.large) == (pair.small, pair.large):
        return router
    return _calibrated(router, pair)


def _warn(message: str) -> None:
    warnings.warn(message, HybridLLMWarning, stacklevel=3)
