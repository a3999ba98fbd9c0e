"""The processes and devices of a joint run, by accelerate: one CPU, one GPU, or what ``accelerate launch`` starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.errors import ConfigError
from hybrid_llm.training.config import FineTuneSettings

if TYPE_CHECKING:
    import torch

PATIENCE: Final = timedelta(hours=3)
"""How long processes wait for the first one, which exports and judges the network while they do nothing."""
_NO_MEMORY: Final = ("out of memory", "can't allocate memory", "not enough memory")


def first_process() -> bool:
    """Return whether this is the process that writes and speaks; true where there is only one."""
    return os.environ.get("RANK", "0") == "0"


class Devices:
    """This process's device, its number among all processes, and what they do together.

    Args:
        settings: Precision and sizes of batches.
    """

    def __init__(self, settings: FineTuneSettings) -> None:
        import torch
        from accelerate import PartialState  # type: ignore[import-untyped]

        self._settings = settings
        joined_before = torch.distributed.is_available() and torch.distributed.is_initialized()
        asked_for = os.environ.get("ACCELERATE_USE_CPU", "false").lower() in ("1", "true")  # accelerate launch --cpu
        # accelerate joins processes on a CPU only when told that this is one
        self._state = PartialState(cpu=asked_for or not torch.accelerator.is_available(), timeout=PATIENCE)
        self.device: torch.device = self._state.device
        self.number: int = self._state.process_index
        self.count: int = self._state.num_processes
        self._joined_here = self.count > 1 and not joined_before
        able = self.device.type == "cuda" and torch.cuda.is_bf16_supported()
        self.bf16 = settings.precision == "bf16" or (settings.precision == "auto" and able)
        self.gpu = self.device.type == "cuda"

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.number == 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        self._state.wait_for_everyone()

    def part(self) -> None:
        """Wait until all processes are here, and part them, if they were joined here.

        Whoever has nothing more to do may then leave while another still works.
        """
        self.wait()
        if self._joined_here:
            self._state.destroy_process_group()
            type(self._state)._reset_state()  # so that the next run can join them anew
            self._joined_here = False

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of all processes' values."""
        from accelerate.utils import reduce  # type: ignore[import-untyped]

        summed: torch.Tensor = reduce(values, reduction="sum")
        return summed

    def add_gradients(self, weights: list[Any]) -> None:
        """Make each process's gradients those of all processes together.

        By hand, not by wrapping the module: a process without a batch in the last step of an epoch then adds nothing,
        and the sum is that of one process whatever their number.
        """
        import torch

        if self.count == 1:
            return
        for one in weights:
            one.grad = self.total(torch.zeros_like(one) if one.grad is None else one.grad)

    def autocast(self) -> Any:
        """Return the context in which a network computes in bf16, if it shall."""
        import torch

        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    @contextmanager
    def memory_guard(self) -> Iterator[None]:
        """Say which option to lower when memory is out.

        Raises:
            ConfigError: Memory is out.
        """
        import torch

        settings = self._settings
        try:
            yield
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            full = isinstance(error, (torch.OutOfMemoryError, MemoryError))
            if not full and not any(words in str(error) for words in _NO_MEMORY):
                raise
            more = "" if settings.gradient_checkpointing else ", or switch gradient_checkpointing on"
            raise ConfigError(
                f"Out of memory at {settings.device_batch_size} rows of up to {settings.max_length} tokens at a time: "
                f"lower device_batch_size (the batch stays {settings.batch_size}, in more parts) or max_length{more}."
            ) from error
