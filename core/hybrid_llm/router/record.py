"""What training did, kept with the router: so that a reader can judge it and a certificate can trust its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.table import hash64, normal_text

HashArray = NDArray[np.uint64]


def hashes_of(texts: Iterable[str]) -> HashArray:
    """Return sorted 64-bit hashes of texts, each once."""
    return np.unique(np.fromiter((hash64(text) for text in texts), dtype=np.uint64))


@dataclass(frozen=True, eq=False)
class SeenRows:
    """The rows that fitting and choosing saw, as 64-bit hashes: recognisable, not readable.

    Args:
        ids: Hashes of the row ids.
        texts: Hashes of the queries, without regard to case and white space.
    """

    ids: HashArray
    texts: HashArray

    @classmethod
    def of(cls, ids: Iterable[str], queries: Iterable[str]) -> SeenRows:
        """Hash rows."""
        return cls(hashes_of(ids), hashes_of(normal_text(query) for query in queries))

    def mask(self, ids: Iterable[str], queries: Iterable[str]) -> NDArray[np.bool_]:
        """Return for each row whether its id or its text was seen, shape (n,)."""
        id_hashes = np.fromiter((hash64(i) for i in ids), dtype=np.uint64)
        text_hashes = np.fromiter((hash64(normal_text(query)) for query in queries), dtype=np.uint64)
        return np.isin(id_hashes, self.ids) | np.isin(text_hashes, self.texts)


@dataclass(frozen=True)
class TrainingRecord:
    """What training did.

    Args:
        small: Name of the small model.
        large: Name of the large model.
        recipe: ``"head"`` or ``"full"``.
        label: ``"det"``, ``"prob"`` or ``"trans"``.
        t: The t of ``trans`` labels (Eq. 3 of arXiv 2404.14618); 0 for the others.
        settings: The training settings, and what was chosen with them on the held-out fifth.
        data: Where the rows came from, in words.
        data_hash: Content hash of the training rows.
        n_fit: Rows that the final weights were fitted to.
        heldout: Figures on the held-out fifth of ``train``, before the final fit.
        score_quantiles: Quantiles of the training rows' scores, each by a fit that leaves the row out, rising, from 0
            (always small) on; a certificate tests thresholds at these, so that its own rows do not choose them.
        recoverable: Whether training rows could be recovered from the weights, in words; empty when not.
        fingerprint: What else identifies the pair (digests, system prompts), as given by the user.
        about: What else the model card should say, in Markdown; the shipped router tells its sources and limits there.
        versions: Library versions.
        created: Date, ISO 8601.
        seen: The rows that fitting and choosing saw.
    """

    small: str
    large: str
    recipe: str
    label: str
    t: float
    settings: Mapping[str, Any]
    data: str
    data_hash: str
    n_fit: int
    heldout: Mapping[str, Any]
    score_quantiles: tuple[float, ...]
    recoverable: str
    versions: Mapping[str, str]
    created: str
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
    seen: SeenRows = field(default_factory=lambda: SeenRows.of((), ()), repr=False, compare=False)

    def count_seen(self, ids: Iterable[str], queries: Iterable[str]) -> int:
        """Return how many of these rows fitting or choosing saw."""
        return int(self.seen.mask(ids, queries).sum())

    @property
    def all_rows(self) -> bool:
        """Whether every row was fitted to, whatever its split."""
        return bool(self.settings.get("all_rows", False))

    @cached_property
    def thresholds(self) -> NDArray[np.float64]:
        """The fixed sequence that a certificate tests, falling: the safest threshold first."""
        return np.unique(np.asarray(self.score_quantiles, dtype=np.float64))[::-1]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, without the hashes of the rows."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "seen"}
        return {**data, "score_quantiles": list(self.score_quantiles)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], seen: SeenRows) -> TrainingRecord:
        """Read what :meth:`as_dict` wrote.

        Raises:
            DamagedFolderError: A field is missing or unknown.
        """
        try:
            return cls(**{**data, "score_quantiles": tuple(data["score_quantiles"]), "seen": seen})
        except (KeyError, TypeError) as error:
            raise DamagedFolderError(f"router.json is damaged ({error}); train the router again.") from error
