"""Fine-tuning: it learns, it is repeatable, and an interrupted run ends where it would have ended."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from hybrid_llm.errors import ConfigError, RouterFolderError
from hybrid_llm.scoring import QueryTokenizer
from hybrid_llm.training.config import FineTuneSettings
from hybrid_llm.training.full.checkpoints import Checkpoints
from hybrid_llm.training.full.devices import Devices
from hybrid_llm.training.full.finetune import FineTuned, TokenRows, fine_tune, logits, loss_and_apgr
from hybrid_llm.training.full.network import logit_network, parameter_groups
from tests.small_table import make_rows

pytestmark = pytest.mark.slow

SETTINGS = FineTuneSettings(
    epochs=3, learning_rate=3e-3, batch_size=16, device_batch_size=4, max_length=32, checkpoint_minutes=0.0
)
STEPS = 12
"""64 rows, batches of 16, three epochs."""


@pytest.fixture(scope="module")
def rows(tiny: Path) -> tuple[TokenRows, TokenRows]:
    tokenizer = QueryTokenizer(Tokenizer.from_file(str(tiny / "tokenizer.json")), 32)
    parts = []
    for count, seed in ((64, 0), (32, 1)):
        made = make_rows(count, seed)
        small, large = (np.array([row["quality"][name][0] for row in made]) for name in ("small", "large"))
        labels = (small >= large).astype(float)
        parts.append(TokenRows([tokenizer.ids(row["query"])[0] for row in made], labels, small, large))
    return parts[0], parts[1]


class Trial:
    """Runs of one network on one set of rows."""

    def __init__(self, model: Path, rows: tuple[TokenRows, TokenRows]) -> None:
        self.model, (self.fit, self.held) = model, rows

    def network(self, settings: FineTuneSettings = SETTINGS) -> Any:
        return logit_network(self.model, settings, 0.5, seed=0)

    def run(self, settings: FineTuneSettings = SETTINGS, network: Any = None, **more: Any) -> tuple[Any, FineTuned]:
        network = network or self.network(settings)
        more = {"held": self.held, "seed": 0, "devices": Devices(settings), **more}
        return network, fine_tune(network, self.fit, settings=settings, **more)


@pytest.fixture(scope="module")
def trial(tiny: Path, rows: tuple[TokenRows, TokenRows]) -> Trial:
    return Trial(tiny, rows)


@pytest.fixture(scope="module")
def whole(trial: Trial) -> tuple[Any, FineTuned]:
    """A run that nothing interrupted."""
    return trial.run()


def same(one: Any, other: Any) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(bool((ours[name] == theirs[name]).all()) for name in ours)


def test_the_loss_falls_and_unseen_rows_are_told_apart(trial: Trial) -> None:
    settings = replace(SETTINGS, epochs=12, early_stop=0)
    network, tuned = trial.run(settings)
    assert tuned.epochs[-1].train_loss < 0.75 * tuned.epochs[0].train_loss
    loss, apgr = loss_and_apgr(network, trial.held, settings, Devices(settings))
    assert loss == pytest.approx(min(epoch.loss for epoch in tuned.epochs), abs=1e-5)
    assert apgr > 0.65


def test_a_fresh_network_says_the_mean_label_of_every_query(trial: Trial) -> None:
    network = logit_network(trial.model, SETTINGS, 0.8, seed=0)
    found = logits(network, trial.held.ids, SETTINGS, Devices(SETTINGS))
    assert (1 / (1 + np.exp(-found))).mean() == pytest.approx(0.8, abs=0.05)


def test_the_loss_is_the_cross_entropy_of_soft_labels(trial: Trial) -> None:
    held = replace(trial.held, labels=np.linspace(0, 1, len(trial.held.ids)))
    network, devices = trial.network(), Devices(SETTINGS)
    p = 1 / (1 + np.exp(-logits(network, held.ids, SETTINGS, devices)))
    expected = -(held.labels * np.log(p) + (1 - held.labels) * np.log(1 - p)).mean()
    assert loss_and_apgr(network, held, SETTINGS, devices)[0] == pytest.approx(expected)


def test_the_same_seed_gives_the_same_weights_to_the_last_bit(trial: Trial, whole: tuple[Any, FineTuned]) -> None:
    network, tuned = trial.run()
    assert same(network, whole[0])
    assert tuned == whole[1]
    assert not same(trial.run(seed=1)[0], whole[0])


@pytest.mark.parametrize("step", [1, 4, 6, 11])
def test_an_interrupted_run_ends_where_it_would_have_ended(
    trial: Trial, whole: tuple[Any, FineTuned], tmp_path: Path, step: int
) -> None:
    def stop(what: str, done: int, total: int) -> None:
        assert total == STEPS
        if done == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trial.run(checkpoints=Checkpoints(tmp_path, {}), progress=stop)
    seen: list[int] = []
    network, tuned = trial.run(checkpoints=Checkpoints(tmp_path, {}), progress=lambda *said: seen.append(said[1]))
    assert seen == list(range(step + 1, STEPS + 1))
    assert same(network, whole[0])
    assert tuned == whole[1]


def test_a_run_that_ended_is_not_trained_again(trial: Trial, whole: tuple[Any, FineTuned], tmp_path: Path) -> None:
    trial.run(checkpoints=Checkpoints(tmp_path, {}))
    network, tuned = trial.run(checkpoints=Checkpoints(tmp_path, {}), progress=lambda *said: pytest.fail("trained"))
    assert same(network, whole[0])
    assert tuned == whole[1]


def test_a_disk_that_fills_up_stops_the_run_and_it_goes_on_after(
    trial: Trial, whole: tuple[Any, FineTuned], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_file

    room = iter(range(5))

    def until_full(tensors: Any, path: Path) -> None:
        if next(room, None) is None:
            raise OSError(28, "No space left on device")
        save_file(tensors, path)

    with monkeypatch.context() as patch:
        patch.setattr("safetensors.torch.save_file", until_full)
        with pytest.raises(RouterFolderError, match="No space left"):
            trial.run(checkpoints=Checkpoints(tmp_path, {}))
    assert same(trial.run(checkpoints=Checkpoints(tmp_path, {}))[0], whole[0])


def test_checkpoints_change_nothing(trial: Trial, whole: tuple[Any, FineTuned], tmp_path: Path) -> None:
    assert same(trial.run(checkpoints=Checkpoints(tmp_path, {}))[0], whole[0])


def test_between_checkpoints_there_is_time(trial: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    save = Checkpoints.save
    monkeypatch.setattr(Checkpoints, "save", lambda self, step, *more: (steps.append(step), save(self, step, *more)))
    trial.run(replace(SETTINGS, checkpoint_minutes=60.0), checkpoints=Checkpoints(tmp_path, {}))
    assert steps == [4, 8, 12]  # the ends of the epochs


def test_the_size_of_the_parts_of_a_batch_changes_rounding_only(trial: Trial) -> None:
    whole, parts = (
        trial.run(replace(SETTINGS, device_batch_size=size, batch_size=64, epochs=1, dropout=0.0), _plain(trial))[0]
        for size in (64, 4)
    )
    one, other = (logits(network, trial.held.ids, SETTINGS, Devices(SETTINGS)) for network in (whole, parts))
    np.testing.assert_allclose(one, other, atol=1e-4)


def _plain(trial: Trial) -> Any:
    """A network without dropout."""
    import torch

    network = trial.network(replace(SETTINGS, dropout=0.0))
    for part in network.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return network


def test_the_best_epoch_is_kept_and_training_ends_when_nothing_gets_better(trial: Trial) -> None:
    settings = replace(SETTINGS, epochs=40, learning_rate=2e-2, early_stop=2)
    network, tuned = trial.run(settings)
    losses = [epoch.loss for epoch in tuned.epochs]
    assert tuned.best == 1 + int(np.argmin(losses))
    assert len(losses) == tuned.best + 2 < 40
    assert loss_and_apgr(network, trial.held, settings, Devices(settings))[0] == pytest.approx(min(losses), abs=1e-5)


def test_without_held_out_rows_the_last_epoch_is_kept(trial: Trial) -> None:
    tuned = trial.run(held=None)[1]
    assert tuned.best == 3
    assert [epoch.loss for epoch in tuned.epochs] == [None] * 3


def test_frozen_layers_and_embeddings_stay_as_they_are(trial: Trial) -> None:
    settings = replace(SETTINGS, frozen_layers=1, epochs=1)
    before = {name: weights.clone() for name, weights in trial.network(settings).named_parameters()}
    network = trial.run(settings)[0]
    changed = {name for name, weights in network.named_parameters() if not bool((weights == before[name]).all())}
    assert changed
    assert all(name.startswith(("encoder.encoder.layer.1.", "logit.")) for name in changed)


def test_more_frozen_layers_than_there_are_is_refused(trial: Trial) -> None:
    assert trial.network(replace(SETTINGS, frozen_layers=2))
    with pytest.raises(ConfigError, match=r"frozen_layers=3.*2 layers"):
        trial.network(replace(SETTINGS, frozen_layers=3))


def test_lower_layers_learn_more_slowly_and_biases_are_not_decayed(trial: Trial) -> None:
    settings = replace(SETTINGS, layer_decay=0.5)
    network = trial.network(settings)
    names = {id(weights): name for name, weights in network.named_parameters()}
    of = {
        names[id(one)]: (group["share"], group["weight_decay"])
        for group in parameter_groups(network, settings)
        for one in group["params"]
    }
    assert of["logit.weight"] == (1.0, 0.1)
    assert of["logit.bias"] == (1.0, 0.0)
    assert of["encoder.encoder.layer.1.output.dense.weight"] == (0.5, 0.1)
    assert of["encoder.encoder.layer.0.output.LayerNorm.weight"] == (0.25, 0.0)
    assert of["encoder.embeddings.word_embeddings.weight"] == (0.125, 0.1)


def test_gradient_checkpointing_changes_no_weight_and_says_nothing(
    trial: Trial, whole: tuple[Any, FineTuned], caplog: pytest.LogCaptureFixture
) -> None:
    network = trial.run(replace(SETTINGS, gradient_checkpointing=True))[0]
    assert not caplog.records
    one, other = (logits(n, trial.held.ids, SETTINGS, Devices(SETTINGS)) for n in (network, whole[0]))
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_bf16_learns_too(trial: Trial) -> None:
    tuned = trial.run(replace(SETTINGS, precision="bf16", epochs=1))[1]
    assert math.isfinite(tuned.epochs[0].loss)


def test_progress_tells_loss_validation_apgr_and_time_left(trial: Trial) -> None:
    said: list[tuple[str, int, int]] = []
    trial.run(progress=lambda *what: said.append(what))
    assert [done for _, done, _ in said] == list(range(1, STEPS + 1))
    assert said[0][0].startswith("Fine-tuning: loss 0.")
    assert "validation APGR 0." in said[-1][0]
    assert said[-1][0].endswith(", 0 s left")


@pytest.mark.parametrize("kind", ["gpu", "cpu", "python"])
def test_when_memory_is_out_it_says_which_option_to_lower(
    trial: Trial, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    errors = {
        "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        "cpu": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        "python": MemoryError(),
    }

    def full(*args: Any, **kwargs: Any) -> None:
        raise errors[kind]

    network = trial.network()
    monkeypatch.setattr(network.encoder, "forward", full)
    with pytest.raises(ConfigError, match=r"4 rows of up to 32 tokens.*lower device_batch_size"):
        trial.run(network=network)


def test_an_error_of_torch_that_is_not_about_memory_is_not_hidden(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("shapes do not fit")

    network = trial.network()
    monkeypatch.setattr(network.encoder, "forward", wrong)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        trial.run(network=network)


def test_a_loss_that_is_not_finite_stops_the_run(trial: Trial) -> None:
    import torch

    network = trial.network()
    with torch.no_grad():
        network.logit.weight.fill_(math.nan)
    with pytest.raises(ConfigError, match=r"not finite at step 1: lower learning_rate"):
        trial.run(network=network)
