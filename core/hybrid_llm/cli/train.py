"""``hybrid-llm train``: from a quality table to a router folder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybrid_llm.cli.full_options import (
    BatchSize,
    Checkpoints,
    DeviceBatchSize,
    EarlyStop,
    Epochs,
    FrozenLayers,
    GradientCheckpointing,
    Int8,
    LayerDecay,
    LearningRate,
    MaxLength,
    Precision,
)
from hybrid_llm.cli.options import AsJson, Data, DropLeaks, Force, Large, OnScale, Out, SkipBad, Small
from hybrid_llm.cli.output import print_json, print_look_levels, print_thresholds, progress, thresholds_of
from hybrid_llm.cli.pair_rows import PairRows, read_pair
from hybrid_llm.errors import ConfigError, HybridLLMWarning

if TYPE_CHECKING:
    from hybrid_llm.router import Router
    from hybrid_llm.scoring import Progress
    from hybrid_llm.training import TrainConfig


def train(
    data: Data,
    small: Small,
    large: Large,
    out: Out,
    label: Annotated[
        str, typer.Option("--label", metavar="det|prob|trans", help="How a row becomes a label.")
    ] = "prob",
    t: Annotated[
        float | None,
        typer.Option("--t", metavar="T", help="The quality gap that trans forgives; without it the best one."),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", metavar="auto|head|full", help="A head on the frozen encoder, or fine-tuning; auto takes head."
        ),
    ] = "auto",
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            metavar="MODEL",
            help="head: folder of an exported encoder. full: folder or hub id of the model to fine-tune.",
        ),
    ] = None,
    all_rows: Annotated[
        bool,
        typer.Option("--all-rows", help="Fit to every row, test rows too: for under 200 rows. Never certified."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of what is drawn.")] = 0,
    no_landmark_rows: Annotated[
        bool,
        typer.Option(
            "--no-landmark-rows", help="head: keep means of queries that are alike, so that none can be read off."
        ),
    ] = False,
    second_look: Annotated[
        bool, typer.Option("--second-look", help="Train a second look at small's answers, which DATA has to hold.")
    ] = False,
    checker: Annotated[
        list[str] | None,
        typer.Option("--checker", metavar="MODEL", help="A local model in DATA to compare with; repeatable."),
    ] = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    device_batch_size: DeviceBatchSize = None,
    max_length: MaxLength = None,
    frozen_layers: FrozenLayers = None,
    layer_decay: LayerDecay = None,
    early_stop: EarlyStop = None,
    gradient_checkpointing: GradientCheckpointing = False,
    precision: Precision = None,
    int8: Int8 = False,
    checkpoints: Checkpoints = None,
    force: Force = False,
    scale: OnScale = None,
    skip_bad: SkipBad = False,
    drop_leaks: DropLeaks = False,
    json: AsJson = False,
) -> None:
    """Train a router for a pair of models.

    It learns from the split train, takes its thresholds from the split validation and leaves test alone; a table
    without splits is split by the hash of its ids. With under 200 rows, --all-rows gives the better router. With
    --second-look small's answers are looked at before they are shown, which saves far more where answers can be
    compared or come with log-probabilities.
    Fine-tuning that was interrupted goes on at the same command.
    """
    of_full = {
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch_size": batch_size,
        "device_batch_size": device_batch_size,
        "max_length": max_length,
        "frozen_layers": frozen_layers,
        "layer_decay": layer_decay,
        "early_stop": early_stop,
        "gradient_checkpointing": gradient_checkpointing or None,
        "precision": precision,
        "int8": int8 or None,
        "checkpoints": str(checkpoints) if checkpoints else None,
    }
    if checker and not second_look:
        raise typer.BadParameter("--checker belongs to --second-look.")
    from hybrid_llm.look import checked_names

    checked_names(small, checker or ())
    if no_landmark_rows and recipe == "full":
        raise typer.BadParameter("--no-landmark-rows belongs to the recipe head; full keeps no rows, only weights.")
    config = _config(
        _given(of_full, recipe, out),
        label=label,
        t=t,
        recipe=recipe,
        all_rows=all_rows,
        encoder=encoder,
        seed=seed,
        landmark_rows=not no_landmark_rows,
    )
    from hybrid_llm.router import claim, refuse_replacing

    refuse_replacing(out, force=force)
    rows = read_pair(data, small, large, None, skip_bad=skip_bad, drop_leaks=drop_leaks, scale=scale)
    from hybrid_llm.training import first_process, remove_checkpoints, train_and_score, train_second_look

    speaks = first_process()  # of several that train together
    if not speaks:
        warnings.simplefilter("ignore", HybridLLMWarning)
    with claim(out) if speaks else nullcontext():
        refuse_replacing(out, force=force)  # another run may have ended while the rows were read
        with progress(speaks) as report:
            router, scores = train_and_score(rows.pair, config=config, data=rows.source, progress=_then_fitting(report))
        if not speaks:
            return
        if second_look:
            router = train_second_look(router, rows.pair, checkers=checker or (), scores=scores, all_rows=all_rows)
        router.save(out)
    if config.checkpoints:
        remove_checkpoints(Path(config.checkpoints))
    if json:
        print_json(_summary(router, rows, out))
    else:
        _print_summary(router, rows, out, config)


def _given(of_full: Mapping[str, Any], recipe: str, out: Path) -> dict[str, Any]:
    """Return those options of the recipe ``full`` that were given, and where its checkpoints are."""
    given = {name: value for name, value in of_full.items() if value is not None}
    if recipe == "full":
        return {"checkpoints": str(out.with_name(f"{out.name}.checkpoints")), **given}
    if given:
        option = f"--{next(iter(given)).replace('_', '-')}"
        raise typer.BadParameter(f"{option} belongs to --recipe full.")
    return {}


def _config(of_full: Mapping[str, Any], **options: Any) -> TrainConfig:
    from hybrid_llm.training import TrainConfig

    try:
        return TrainConfig(**of_full, **options)
    except ConfigError as error:
        raise typer.BadParameter(str(error)) from error


def _then_fitting(report: Progress) -> Progress:
    """Go on to the part of training that cannot say how far it is."""

    def show(what: str, done: int, total: int) -> None:
        if done < total or what != "Reading queries":
            report(what, done, total)
        else:
            report("Choosing and fitting", 0, 0)

    return show


def _summary(router: Router, rows: PairRows, out: Path) -> dict[str, Any]:
    record, calibration = router.record, router.calibration
    assert record is not None
    return {
        "router_id": router.id,
        "out": str(out),
        "pair": {"small": record.small, "large": record.large},
        "recipe": record.recipe,
        "all_rows": record.all_rows,
        "label": record.label,
        "t": record.t,
        "rows": {
            "train": record.n_fit,
            "validation": calibration.n if calibration and not record.all_rows else 0,
            "without_both_models": rows.pair.dropped,
            "skipped": rows.skipped,
            "leaks_dropped": rows.leaks_dropped,
        },
        "chosen": record.settings["chosen"],
        "signal": record.settings["signal"],
        "heldout": dict(record.heldout),
        "thresholds": thresholds_of(calibration) if calibration else None,
        "second_look": _look_summary(router),
    }


def _look_summary(router: Router) -> dict[str, Any] | None:
    look = router.second_look
    if look is None:
        return None
    return {"sees": list(look.columns), "checkers": list(look.checkers), "rows": look.paths[look.columns].n_fit}


def _why(config: TrainConfig) -> str:
    return ", since fine-tuning (--recipe full) was clearly better nowhere" if config.recipe == "auto" else ""


def _print_summary(router: Router, rows: PairRows, out: Path, config: TrainConfig) -> None:
    record, calibration = router.record, router.calibration
    assert record is not None
    label = f"{record.label}, t = {record.t:.4g}" if record.label == "trans" else record.label
    typer.echo(f"Router {router.id} for {record.small} -> {record.large} is in {out}")
    left_out = rows.pair.dropped + rows.skipped + rows.leaks_dropped
    typer.echo(f"Rows: {record.n_fit:,} trained on, {left_out:,} of the file left out.  Labels: {label}")
    chosen = ", ".join(f"{name} {value:g}" for name, value in record.settings["chosen"].items())
    how = "chosen on" if record.heldout["chosen"] else "not chosen, too few rows:"
    apgr = record.heldout.get("apgr")
    figure = f", APGR there {apgr:.3f}" if apgr is not None else ""
    typer.echo(f"Recipe: {record.recipe}{_why(config)}")
    typer.echo(f"Settings: {chosen} ({how} {record.heldout['n']:,} held-out rows{figure})")
    if not record.settings["signal"]:
        typer.echo("Training found nothing to go by: all scores are nearly equal, and routing will be random.")
    if calibration is None:
        typer.echo("No thresholds: the table has no split validation. Next: hybrid-llm calibrate ...")
        return
    where = "training rows, each scored by a fit without it," if record.all_rows else "validation rows"
    typer.echo(f"Thresholds, measured on {calibration.n:,} {where} and not certified:")
    print_thresholds(calibration)
    print_look_levels(router)
