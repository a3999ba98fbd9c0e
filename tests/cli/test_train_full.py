"""``hybrid-llm train --recipe full``: options, a run that goes on, what is printed and what is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid_llm import Router
from hybrid_llm.training.full import finetune
from tests.cli.conftest import PAIR, run
from tests.training.tiny_models import write_model

FULL = ("--recipe", "full", "--epochs", 2, "--learning-rate", 0.003, "--batch-size", 16, "--max-length", 32)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny-bert", num_hidden_layers=1)


@pytest.mark.slow
def test_a_run_that_was_interrupted_goes_on_and_leaves_a_router_and_no_checkpoints(
    table: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", table, *PAIR, "--out", tmp_path / "r", "--encoder", model, *FULL)
    steps = []
    step = finetune._step

    def stopped(*arguments: object) -> float:
        if len(steps) == 11:
            raise KeyboardInterrupt
        steps.append(1)
        return step(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(finetune, "_step", stopped)
        assert run(*command).code == 130
    assert (tmp_path / "r.checkpoints" / "run.json").is_file()
    assert not (tmp_path / "r").exists()

    other = run(*command, "--layer-decay", 0.9)
    assert other.code == 1
    assert "another run (it differs in layer_decay)" in other.err

    shown = run(*command)
    assert shown.code == 0
    assert "Recipe: full\n" in shown.out
    assert "Settings: epoch " in shown.out
    assert "160 training rows the recipe full is likely no better" in shown.err
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]
    router = Router.load(tmp_path / "r")
    assert router.record.settings["learning_rate"] == 0.003
    assert run("route", "number 3?", "--router", tmp_path / "r", "--threshold", 0.5).code == 0


def test_auto_says_that_it_took_head(table: Path, tmp_path: Path) -> None:
    shown = run("train", table, *PAIR, "--out", tmp_path / "r")
    assert "Recipe: head, since fine-tuning (--recipe full)" in shown.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--recipe", "full"), "needs a model to fine-tune"),
        (("--epochs", 3), "--epochs belongs to --recipe full"),
        (("--recipe", "head", "--int8"), "--int8 belongs to --recipe full"),
        (("--recipe", "full", "--encoder", "x", "--batch-size", 0), "batch_size=0 must be at least 1"),
        (("--recipe", "full", "--encoder", "x", "--precision", "fp8"), "precision is auto or bf16 or float32"),
    ],
)
def test_options_that_do_not_fit_are_wrong_usage(
    table: Path, tmp_path: Path, options: tuple[object, ...], said: str
) -> None:
    shown = run("train", table, *PAIR, "--out", tmp_path / "r", *options)
    assert shown.code == 2
    assert said in shown.err
    assert not any(tmp_path.iterdir())
