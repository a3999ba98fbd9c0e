"""The state of a fine-tuning run: what a checkpoint keeps of it besides tensors, and what is said of it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Epoch:
    """The losses of one epoch, and its APGR on the held-out rows.

    Args:
        train_loss: Mean loss of the fitted rows while they were fitted.
        loss: Mean loss of the held-out rows; None without such rows.
        apgr: Their APGR; None where it is not defined.
    """

    train_loss: float
    loss: float | None = None
    apgr: float | None = None


@dataclass(slots=True)
class Run:
    """The progress of a run: its steps, the epochs that have ended, and the best of them.

    Args:
        step: Steps of the optimiser done.
        loss_sum: Sum of the steps' losses in this epoch.
        loss_steps: Number of those steps.
        epochs: The epochs that have ended.
        best_step: The step at which the best of them ended.
    """

    step: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    epochs: list[Epoch] = field(default_factory=list)
    best_step: int | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Run:
        """Read what :meth:`as_dict` wrote."""
        return cls(**{**data, "epochs": [Epoch(**epoch) for epoch in data["epochs"]]})

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    def end_step(self, loss: float) -> None:
        """Note a step."""
        self.step, self.loss_sum, self.loss_steps = self.step + 1, self.loss_sum + loss, self.loss_steps + 1

    def end_epoch(self, loss: float | None, apgr: float | None) -> bool:
        """Note an epoch by its held-out figures; return whether it is the best so far."""
        better = loss is not None and all(loss < before for before in self._losses())
        self.epochs.append(Epoch(self.loss_sum / self.loss_steps, loss, apgr))
        self.loss_sum, self.loss_steps = 0.0, 0
        if better:
            self.best_step = self.step
        return better

    def over(self, patience: int) -> bool:
        """Return whether the last ``patience`` epochs brought no lower loss (never, when it is 0)."""
        losses = self._losses()
        return bool(patience and losses) and len(losses) - 1 - losses.index(min(losses)) >= patience

    def describe(self, seconds: float) -> str:
        """Say how it stands, in a line, when so many seconds are left."""
        loss = self.loss_sum / self.loss_steps if self.loss_steps else self.epochs[-1].train_loss
        apgr = next((epoch.apgr for epoch in reversed(self.epochs) if epoch.apgr is not None), None)
        judged = "" if apgr is None else f", validation APGR {apgr:.3f}"
        left = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
        return f"Fine-tuning: loss {loss:.4f}{judged}, {left} left"

    def _losses(self) -> list[float]:
        return [epoch.loss for epoch in self.epochs if epoch.loss is not None]


class Clock:
    """The clock of a run: when its last checkpoint was, and how long the rest will take.

    Args:
        step: The step that the run goes on from.
    """

    def __init__(self, step: int) -> None:
        self.first, self._start, self._saved = step, time.monotonic(), time.monotonic()

    def since_saved(self) -> float:
        """Return seconds since the last checkpoint."""
        return time.monotonic() - self._saved

    def saved(self) -> None:
        """Note a checkpoint."""
        self._saved = time.monotonic()

    def left(self, step: int, total: int) -> float:
        """Return the seconds that the steps from here to the last will take."""
        return (time.monotonic() - self._start) / max(1, step - self.first) * (total - step)


def rate_share(step: int, total: int, warmup: float) -> float:
    """Return the share of the learning rate at a step: a rise over the warm-up, then a straight fall to 0.

    Args:
        step: From 0.
        total: Steps in all.
        warmup: Share of them.

    Example:
        >>> [rate_share(step, 10, 0.2) for step in (0, 1, 2, 9)]
        [0.5, 1.0, 1.0, 0.125]
    """
    rise = math.ceil(warmup * total)
    return (step + 1) / rise if step < rise else (total - step) / max(1, total - rise)
