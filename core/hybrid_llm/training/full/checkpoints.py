"""The checkpoints of a run, from which it goes on to the same result when it was interrupted.

::

    run.json             what the run is: settings, data, model
    step-00000120/       state.json and tensors.safetensors: weights and optimiser after that many steps
    best-00000080/       tensors.safetensors: the weights with the lowest validation loss so far
    network/             what training exported at its end

A checkpoint appears whole, and the one before it goes only after that: whatever interrupts a write, the last whole one
is there. Nothing in them is ever run.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.disk import Kind, whole_folder
from hybrid_llm.errors import ConfigError, DamagedFolderError, RouterFolderError
from hybrid_llm.training.onnx.hub import reason

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]

RUN: Final = "run.json"
STATE: Final = "state.json"
TENSORS: Final = "tensors.safetensors"
NETWORK: Final = "network"
_OURS: Final = re.compile(r"\.new-.*|(step|best)-\d{8}|\.[\w-]+\.hybrid-llm-(new|old|lock)")
_CHECKPOINT: Final = Kind("checkpoint", mark=TENSORS, names=frozenset({STATE, TENSORS}), error=RouterFolderError)


@dataclass(frozen=True, eq=False)
class Saved:
    """A checkpoint as it was read: the state of the run and the tensors.

    Args:
        state: What ``save`` was given, plain JSON values.
        tensors: The tensors, on the CPU.
    """

    state: dict[str, Any]
    tensors: Tensors


class Checkpoints:
    """The checkpoints of one run in a folder.

    Args:
        folder: Made when it is not there.
        run: What the run is, plain JSON values; a folder of another run is refused.

    Raises:
        ConfigError: The folder holds another run, or something else.
        RouterFolderError: The folder cannot be written.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any]) -> None:
        self.folder = folder
        try:
            found = json.loads((folder / RUN).read_text(encoding="utf-8"))
        except FileNotFoundError:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise ConfigError(f"{folder} exists and holds no checkpoints; choose another folder.") from None
            self._write_run(run)
        except (OSError, ValueError) as error:
            raise DamagedFolderError(f"{folder / RUN} cannot be read ({error}); remove the folder.") from error
        else:
            _refuse_another(folder, found, run)

    def latest(self) -> Saved | None:
        """Return the last checkpoint, if there is one.

        Raises:
            DamagedFolderError: It cannot be read.
        """
        steps = sorted(self.folder.glob("step-*"))
        if not steps:
            return None
        try:
            state = json.loads((steps[-1] / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DamagedFolderError(f"{steps[-1]} cannot be read ({reason(error)}); remove it.") from error
        return Saved(state, self._read(steps[-1]))

    def best(self, step: int) -> Tensors:
        """Return the weights that :meth:`save_best` kept.

        Raises:
            DamagedFolderError: They cannot be read.
        """
        return self._read(self.folder / f"best-{step:08}")

    def save_best(self, step: int, tensors: Tensors) -> None:
        """Keep the best weights so far; the ones before go with the next :meth:`save`.

        Raises:
            RouterFolderError: The disk refuses.
        """
        self._write(f"best-{step:08}", tensors, None)

    def save(self, step: int, best: int | None, state: Mapping[str, Any], tensors: Tensors) -> None:
        """Write a checkpoint, then remove the ones before it.

        Args:
            step: Steps done.
            best: The step of the best weights.
            state: What is needed to go on, besides tensors.
            tensors: Weights and optimiser.

        Raises:
            RouterFolderError: The disk refuses; what was there stays.
        """
        name = f"step-{step:08}"
        self._write(name, tensors, state)
        for entry in self.folder.iterdir():
            if _OURS.fullmatch(entry.name) and entry.name not in (name, f"best-{best or 0:08}"):
                _drop(entry)

    def _write(self, name: str, tensors: Tensors, state: Mapping[str, Any] | None) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        place = self.folder / name
        try:
            with whole_folder(place, _CHECKPOINT) as fresh:
                save_file({key: value.detach().cpu().contiguous() for key, value in tensors.items()}, fresh / TENSORS)
                if state is not None:
                    (fresh / STATE).write_text(json.dumps(state), encoding="utf-8")
        except RouterFolderError as error:
            raise RouterFolderError(f"{error} Training goes on from the checkpoint before it.") from error
        except SafetensorError as error:
            raise RouterFolderError(
                f"Cannot write {place}: {reason(error)}; make room and run the same command. Training goes on from the "
                "checkpoint before it."
            ) from error

    def _read(self, place: Path) -> Tensors:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors: Tensors = load_file(place / TENSORS)
        except (OSError, SafetensorError) as error:
            raise DamagedFolderError(f"{place} cannot be read ({reason(error)}); remove {self.folder}.") from error
        return tensors

    def _write_run(self, run: Mapping[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fresh = self.folder / f".new-{RUN}"
            fresh.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
            fresh.rename(self.folder / RUN)
        except OSError as error:
            raise RouterFolderError(f"Cannot write {self.folder}: {error.strerror or error}.") from error


def remove_checkpoints(folder: Path) -> None:
    """Remove the checkpoints of a run, and the folder if nothing else is in it."""
    if not (folder / RUN).is_file():
        return
    for entry in folder.iterdir():
        if _OURS.fullmatch(entry.name) or entry.name in (RUN, NETWORK):
            _drop(entry)
    if not any(folder.iterdir()):
        folder.rmdir()


def _refuse_another(folder: Path, found: Mapping[str, Any], run: Mapping[str, Any]) -> None:
    wanted = json.loads(json.dumps(run))
    differing = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
    if differing:
        raise ConfigError(
            f"{folder} holds the checkpoints of another run (it differs in {', '.join(differing)}): go on with that "
            "run's data and settings, remove the folder, or choose another."
        )


def _drop(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink()
