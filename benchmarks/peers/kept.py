"""Scores of the other routers, kept on disk: a run for another router of ours need not fit the others again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.cost import version_of
from benchmarks.peers.menu import Peer
from benchmarks.peers.routers import Material

SOURCES: Final = ("routers.py", "factors.py")
"""A change of these makes every kept score stale."""


class Kept:
    """Remembers what is judged, by all that it depends on.

    Args:
        folder: Where it is kept; None keeps nothing.
        encoder: Id of the encoder.
    """

    def __init__(self, folder: Path | None, encoder: str) -> None:
        self._folder = folder
        self._encoder = encoder

    def get(self, peer: Peer, material: Material, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return what ``make`` gives, from disk if it is there; ours is always made."""
        if self._folder is None or peer.ours:
            return make()
        file = self._folder / f"peer-{self._key(peer, material)}.npy"
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            scratch = file.with_suffix(".part.npy")
            np.save(scratch, make())
            scratch.replace(file)  # whole or not at all
        return np.asarray(np.load(file))

    def _key(self, peer: Peer, material: Material) -> str:
        versions = [version_of(name) for name in (*peer.installs, "scikit-learn", "numpy")]
        sources = [Path(__file__).with_name(name).read_text(encoding="utf-8") for name in SOURCES]
        parts = [peer.name, peer.draws, versions, sources, self._encoder, material.pair.data_hash]
        parts.append(list(material.pair.row_splits))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
