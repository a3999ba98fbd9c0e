"""What training did, kept with the router: so that a reader can judge it and a certificate can trust its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import DamagedFolderError
from hybrid_llm.level import ALWAYS_LARGE
from hybrid_llm.table import hash64, normal_text

HashArray = NDArray[np.uint64]

SALT: Final = 16
"""Bytes of a salt."""
MOST_THRESHOLDS: Final = 100_000
LARGE: Final = 1e100
"""Beyond any number that a record holds; a larger one could not even be shown as a float."""
_TEXTS: Final = ("small", "large", "recipe", "label", "data", "data_hash", "recoverable", "created", "about")
_TABLES: Final = ("settings", "heldout", "versions", "fingerprint")


def hashes_of(texts: Iterable[str], salt: bytes) -> HashArray:
    """Return salted 64-bit hashes of texts, shape (n,)."""
    return salted(np.fromiter((hash64(text) for text in texts), dtype=np.uint64), salt)


def salted(hashes: HashArray, salt: bytes) -> HashArray:
    """Return hashes of hashes under a salt, shape (n,); without a salt the hashes themselves."""
    if not salt:
        return hashes
    keyed = (hashlib.blake2b(each, digest_size=8, key=salt).digest() for each in hashes.astype(">u8"))
    return np.frombuffer(b"".join(keyed), dtype=">u8").astype(np.uint64)


@dataclass(frozen=True, eq=False)
class SeenRows:
    """The rows that fitting and choosing saw, as salted 64-bit hashes: recognisable, not readable.

    With the salt, which is another one for each set of rows, nobody can keep a table of hashes of likely queries and
    look folders up in it. Whoever has a folder can still check whether it has seen a query that they guess.

    Args:
        ids: Hashes of the row ids, rising.
        texts: Hashes of the queries, without regard to case and white space, rising.
        salt: What the hashes are salted with; empty in folders of before.
    """

    NAMES: ClassVar = ("ids", "texts", "salt")

    ids: HashArray
    texts: HashArray
    salt: bytes = b""

    @classmethod
    def of(cls, ids: Iterable[str], queries: Iterable[str]) -> SeenRows:
        """Hash rows. The salt comes from the rows, so that the same training makes the same folder."""
        return cls(hashes_of(ids, b""), hashes_of(map(normal_text, queries), b"")).with_salt()

    def with_salt(self) -> SeenRows:
        """Return the same rows with salted hashes; those that are salted stay as they are."""
        if self.salt:
            return self
        ids, texts = np.unique(self.ids), np.unique(self.texts)
        salt = hashlib.sha256(b"seen rows" + ids.tobytes() + texts.tobytes()).digest()[:SALT]
        return SeenRows(np.unique(salted(ids, salt)), np.unique(salted(texts, salt)), salt)

    def mask(self, ids: Iterable[str], queries: Iterable[str]) -> NDArray[np.bool_]:
        """Return for each row whether its id or its text was seen, shape (n,)."""
        texts = hashes_of(map(normal_text, queries), self.salt)
        return np.isin(hashes_of(ids, self.salt), self.ids) | np.isin(texts, self.texts)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return named arrays, for safetensors; always salted."""
        kept = self.with_salt()
        return {"ids": kept.ids, "texts": kept.texts, "salt": np.frombuffer(kept.salt, dtype=np.uint8)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> SeenRows:
        """Read what :meth:`tensors` wrote.

        Raises:
            DamagedFolderError: An array is missing, or not as it should be.
        """
        ids, texts, salt = (tensors.get(name, np.zeros(0, dtype=np.uint8)) for name in cls.NAMES)
        hashes = {"ids", "texts"} <= tensors.keys() and ids.dtype == texts.dtype == np.uint64
        if not (hashes and ids.ndim == texts.ndim == 1 and salt.dtype == np.uint8 and salt.shape in ((0,), (SALT,))):
            raise DamagedFolderError("The hashes of the rows that training saw are damaged; train the router again.")
        return cls(ids, texts, salt.tobytes())


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
            record = cls(**{**data, "score_quantiles": tuple(data["score_quantiles"]), "seen": seen})
        except (KeyError, TypeError) as error:
            raise DamagedFolderError(f"router.json is damaged ({error}); train the router again.") from error
        if wrong := record._wrong():
            raise DamagedFolderError(f"router.json is damaged (its {wrong} is none); train the router again.")
        return record

    def _wrong(self) -> str:
        """Return the first field that is not of its kind, or nothing."""
        chosen = self.settings.get("chosen", {}) if isinstance(self.settings, dict) else None
        sound = {
            **{name: isinstance(getattr(self, name), str) for name in _TEXTS},
            **{name: isinstance(getattr(self, name), dict) for name in _TABLES},
            "t": _is_number(self.t),
            "n_fit": type(self.n_fit) is int and 0 <= self.n_fit < LARGE,
            "chosen": isinstance(chosen, dict) and all(map(_is_number, chosen.values())),
            "heldout figure": isinstance(self.heldout, dict) and all(map(_is_figure, self.heldout.values())),
            "score_quantiles": len(self.score_quantiles) <= MOST_THRESHOLDS
            and all(_is_number(score) and 0 <= score <= ALWAYS_LARGE for score in self.score_quantiles),
        }
        return next((name for name, right in sound.items() if not right), "")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < LARGE  # NaN is not


def _is_figure(value: Any) -> bool:
    return value is None or isinstance(value, bool) or _is_number(value)
