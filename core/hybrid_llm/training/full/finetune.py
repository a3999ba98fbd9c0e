"""Fine-tuning: binary cross-entropy on soft labels (Eq. 1, 2 and 4 of arXiv 2404.14618), from top to bottom.

Everything random depends on the seed and the step alone, so that a run that goes on from a checkpoint ends where it
would have ended without the interruption.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import ConfigError
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.scoring import Progress
from hybrid_llm.table import hash64
from hybrid_llm.training.config import FineTuneSettings
from hybrid_llm.training.full.batches import IntArray, length_grouped, padded, steps_of, steps_per_epoch
from hybrid_llm.training.full.checkpoints import Checkpoints
from hybrid_llm.training.full.devices import Devices
from hybrid_llm.training.full.network import parameter_groups
from hybrid_llm.training.full.run_state import Clock, Epoch, Run, rate_share

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TokenRows:
    """Rows as token ids, with their labels and qualities: to fit, or to judge by.

    Args:
        ids: Token ids of n queries.
        labels: Shape (n,), soft labels in [0, 1].
        q_small: Shape (n,), mean quality of the small model.
        q_large: Shape (n,), mean quality of the large model.
    """

    ids: Sequence[Sequence[int]]
    labels: FloatArray
    q_small: FloatArray
    q_large: FloatArray


@dataclass(frozen=True)
class FineTuned:
    """The epochs of a fine-tuning, and which of them the network holds.

    Args:
        epochs: Each epoch that was run.
        best: The number of the one that was kept, from 1.
        steps: Steps of the optimiser.
    """

    epochs: tuple[Epoch, ...]
    best: int
    steps: int


def fine_tune(
    network: Any,
    fit: TokenRows,
    held: TokenRows | None,
    settings: FineTuneSettings,
    seed: int,
    *,
    devices: Devices,
    checkpoints: Checkpoints | None = None,
    progress: Progress | None = None,
) -> FineTuned:
    """Fine-tune a network in place.

    Args:
        network: See :func:`hybrid_llm.training.full.network.logit_network`.
        fit: The rows to fit.
        held: The rows whose loss chooses the epoch; without them the last one is kept.
        settings: All settings.
        seed: Seed of the order of the rows and of dropout.
        devices: Where to compute.
        checkpoints: Where to go on from, and to keep what was done.
        progress: Called with (what, steps done, steps in all).

    Raises:
        ConfigError: Memory is out, or the loss is not finite.
        RouterFolderError: A checkpoint cannot be written.
    """
    import torch

    network.to(devices.device)
    groups = parameter_groups(network, settings)
    optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    lengths = [len(ids) for ids in fit.ids]
    per_epoch = steps_per_epoch(len(lengths), settings.device_batch_size, settings.parts)
    total = per_epoch * settings.epochs

    run = Run()
    saved = checkpoints.latest() if checkpoints else None
    if saved is not None:
        run = Run.from_dict(saved.state)
        _restore(network, optimiser, saved.tensors)
    clock = Clock(run.step)

    best_weights: Mapping[str, torch.Tensor] | None = None
    while run.step < total and not run.over(settings.early_stop):
        epoch, number = divmod(run.step, per_epoch)
        if number == 0 or run.step == clock.first:
            batches = length_grouped(lengths, settings.device_batch_size, [seed, epoch])
            steps = steps_of(batches, settings.parts)
        rate = settings.learning_rate * rate_share(run.step, total, settings.warmup)
        for group in optimiser.param_groups:
            group["lr"] = rate * group["share"]
        with devices.memory_guard():
            loss = _step(network, optimiser, fit, steps[number], settings, devices, hash64(f"{seed} step {run.step}"))
        if not math.isfinite(loss):
            raise ConfigError(f"The loss is not finite at step {run.step + 1}: lower learning_rate, or use float32.")
        run.end_step(loss)
        ended = run.step % per_epoch == 0
        if ended:
            better = run.end_epoch(*(loss_and_apgr(network, held, settings, devices) if held else (None, None)))
            if better and held:
                best_weights = {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
                if checkpoints and devices.first:
                    checkpoints.save_best(run.step, best_weights)
        if checkpoints and devices.first and (ended or clock.since_saved() > 60 * settings.checkpoint_minutes):
            checkpoints.save(run.step, run.best_step, run.as_dict(), _state(network, optimiser))
            clock.saved()
        if progress and devices.first:
            progress(run.describe(clock.left(run.step, total)), run.step, total)

    if run.best_step is not None:
        devices.wait()
        best_weights = best_weights or (checkpoints.best(run.best_step) if checkpoints else None)
        assert best_weights is not None
        network.load_state_dict(best_weights)
    best = run.best_step // per_epoch if run.best_step else len(run.epochs)
    return FineTuned(tuple(run.epochs), best, run.step)


def loss_and_apgr(
    network: Any, rows: TokenRows, settings: FineTuneSettings, devices: Devices
) -> tuple[float, float | None]:
    """Return the mean loss on rows, and the APGR of the logits (None where it is not defined)."""
    found = logits(network, rows.ids, settings, devices)
    loss = np.mean(np.maximum(found, 0) - found * rows.labels + np.log1p(np.exp(-np.abs(found))))
    apgr = tradeoff_curve(found, rows.q_small, rows.q_large).apgr
    return float(loss), float(apgr) if math.isfinite(apgr) else None


def logits(
    network: Any, ids: Sequence[Sequence[int]], settings: FineTuneSettings, devices: Devices, *, exact: bool = False
) -> FloatArray:
    """Return the logits of texts, shape (n,), each process having done its share; ``exact``: in float32."""
    import torch

    network.eval()
    found = torch.zeros(len(ids))
    batches = length_grouped([len(some) for some in ids], 4 * settings.device_batch_size, [0])
    with torch.inference_mode(), devices.memory_guard():
        for batch in batches[devices.number :: devices.count]:
            inputs = _inputs(network, [ids[i] for i in batch], devices)
            if exact:
                rows = network(*inputs)
            else:
                with devices.autocast():
                    rows = network(*inputs)
            found[torch.from_numpy(batch)] = rows[:, 0].float().cpu()
    summed: FloatArray = devices.total(found.to(devices.device)).cpu().double().numpy()  # mps knows no float64
    return summed


def _step(
    network: Any,
    optimiser: Any,
    rows: TokenRows,
    batches: Sequence[IntArray],
    settings: FineTuneSettings,
    devices: Devices,
    seed: int,
) -> float:
    """Take one step of the optimiser; return the mean loss of its rows."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    network.train()
    torch.manual_seed((seed + devices.number) % 2**63)
    count = sum(map(len, batches))
    loss_sum = torch.zeros((), device=devices.device)
    for batch in batches[devices.number :: devices.count]:
        inputs = _inputs(network, [rows.ids[i] for i in batch], devices)
        labels = torch.from_numpy(rows.labels[batch]).float().to(devices.device)
        with devices.autocast():
            found = network(*inputs)[:, 0]
        loss = binary_cross_entropy_with_logits(found.float(), labels, reduction="sum") / count
        loss.backward()
        loss_sum += loss.detach()
    weights = [one for group in optimiser.param_groups for one in group["params"]]
    devices.add_gradients(weights)
    torch.nn.utils.clip_grad_norm_(weights, settings.max_grad_norm)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return float(devices.total(loss_sum))


def _inputs(network: Any, ids: Sequence[Sequence[int]], devices: Devices) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    filled, mask = padded(ids, network.pad, 8 if devices.gpu else 1)
    return torch.from_numpy(filled).to(devices.device), torch.from_numpy(mask).to(devices.device)


def _state(network: Any, optimiser: Any) -> dict[str, Any]:
    """Return weights and optimiser as named tensors."""
    named = {f"network {name}": value for name, value in network.state_dict().items()}
    for number, values in optimiser.state_dict()["state"].items():
        named |= {f"optimiser {number} {name}": value for name, value in values.items()}
    return named


def _restore(network: Any, optimiser: Any, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what :func:`_state` returned."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition(" ")
        if kind == "optimiser":
            number, _, name = rest.partition(" ")
            state.setdefault(int(number), {})[name] = value
    network.load_state_dict({key.partition(" ")[2]: v for key, v in tensors.items() if key.startswith("network ")})
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
