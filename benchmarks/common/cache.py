"""An encoder that embeds each text once, in memory and, if asked, on disk."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.scoring import Encoded, Encoder
from hybrid_llm.table import hash64

CHUNK = 512


class CachedEncoder:
    """Gives the same embeddings as the encoder that it wraps, and remembers them by the hash of the text.

    Args:
        inner: The encoder.
        folder: Where embeddings are kept between runs, in a file named for the encoder's hash; None keeps none.
    """

    def __init__(self, inner: Encoder, folder: Path | None = None) -> None:
        self._inner = inner
        self.id, self.sha256, self.dim = inner.id, inner.sha256, inner.dim
        self.shipped, self.path = inner.shipped, inner.path
        self._file = folder / f"{inner.sha256[:16]}.npz" if folder else None
        self._place: dict[int, int] = {}
        self._embeddings = np.zeros((0, self.dim), dtype=np.float32)
        self._truncated = np.zeros(0, dtype=bool)
        if self._file and self._file.exists():
            with np.load(self._file) as kept:
                self._remember(kept["keys"], kept["embeddings"], kept["truncated"])

    def open(self) -> None:
        """Open the wrapped encoder's network now."""
        self._inner.open()

    def encode(self, queries: Sequence[str]) -> Encoded:
        """Return embeddings, computing only those of texts not seen before."""
        self.warm(queries)
        rows = [self._place[hash64(query)] for query in queries]
        return Encoded(self._embeddings[rows], self._truncated[rows])

    def warm(self, queries: Sequence[str], what: str = "texts") -> None:
        """Embed the texts not seen before, showing progress, and keep them on disk."""
        new = list({hash64(query): query for query in queries if hash64(query) not in self._place}.values())
        for start in range(0, len(new), CHUNK):
            if len(new) > CHUNK:
                print(f"\rembedding {what}: {start:,} of {len(new):,}", end="", file=sys.stderr, flush=True)
            texts = new[start : start + CHUNK]
            encoded = self._inner.encode(texts)
            keys = np.array([hash64(text) for text in texts], dtype=np.uint64)
            self._remember(keys, encoded.embeddings, encoded.truncated)
        if len(new) > CHUNK:
            print(f"\rembedding {what}: {len(new):,} done{' ' * 12}", file=sys.stderr)
        if new:
            self._keep()

    def _remember(self, keys: NDArray[np.uint64], embeddings: NDArray[np.float32], cut: NDArray[np.bool_]) -> None:
        self._place |= {int(key): len(self._embeddings) + number for number, key in enumerate(keys)}
        self._embeddings = np.concatenate([self._embeddings, embeddings])
        self._truncated = np.concatenate([self._truncated, cut])

    def _keep(self) -> None:
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        scratch = self._file.with_name(f"{self._file.stem}.part.npz")
        keys = np.array(list(self._place), dtype=np.uint64)
        np.savez(scratch, keys=keys, embeddings=self._embeddings, truncated=self._truncated)
        scratch.replace(self._file)
