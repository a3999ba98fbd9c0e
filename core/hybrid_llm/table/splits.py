"""Which rows do what: splits by hash, and questions that stand in more than one split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from hybrid_llm.errors import TableError, UnknownNameError
from hybrid_llm.table.rows import Row

TRAIN: Final = "train"
"""The split that fitting and choosing may see, and the only one that loses rows when leaks are dropped."""

_SYNONYMS: Final = {
    **dict.fromkeys(("training",), TRAIN),
    **dict.fromkeys(("dev", "development", "val", "valid", "eval", "evaluation", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
    TRAIN: TRAIN,
}
"""What splits are called elsewhere, in lower case; any other name stays as it is."""

_BY_HASH: Final = ((0.70, TRAIN), (0.85, "validation"), (1.00, "test"))


def hash64(text: str) -> int:
    """Return an unsigned 64-bit hash (SHA-256, first 8 bytes) that is the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def hash_fraction(text: str) -> float:
    """Return the hash of a text as a fraction in [0, 1), for splits that depend on neither order nor seed.

    Put the purpose before an id (``f"held-out {id}"``): two splits of the same rows are then independent.
    """
    return (hash64(text) >> 11) / 2**53


def normal_text(text: str) -> str:
    r"""Return the form in which two texts count as equal: trimmed, case folded, white space collapsed.

    Example:
        >>> normal_text("  What is\n2+2? ")
        'what is 2+2?'
    """
    return " ".join(text.casefold().split())


def same_question(queries: Sequence[str], stem_keys: Sequence[str | None]) -> tuple[str, ...]:
    """Return a label for each of n rows, the same for rows that ask one question, whatever their order.

    Rows with equal text or an equal ``stem_key`` do, and so do those that others join: one has the text of the first
    and the ``stem_key`` of the second.

    Example:
        >>> same_question(["What?", "what? ", "Which?"], [None, "s", "s"])
        ('stem s', 'stem s', 'stem s')
    """
    joined: dict[str, str] = {}

    def first_of(name: str) -> str:
        while (up := joined.get(name, name)) != name:
            joined[name] = joined.get(up, up)
            name = up
        return name

    texts = [f"text {normal_text(query)}" for query in queries]
    for text, stem in zip(texts, stem_keys, strict=True):
        if stem is not None:
            first, other = sorted((first_of(text), first_of(f"stem {stem}")))
            joined[other] = first
    return tuple(map(first_of, texts))


def split_name(name: str) -> str:
    """Return the name that a split has here.

    Example:
        >>> split_name("dev"), split_name("Testing"), split_name("mine")
        ('validation', 'test', 'mine')
    """
    return _SYNONYMS.get(name.strip().casefold(), name)


def splits_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the split of each row: its own, or one by hash when no row has any.

    Raises:
        TableError: Some rows have a split and some have none.
    """
    bare = [row for row in rows if row.split is None]
    if len(bare) == len(rows):
        return _splits_by_hash(rows)
    if bare:
        other = next(row for row in rows if row.split is not None)
        raise TableError(
            f"{bare[0].place}: field 'split' is missing, but {other.place} has one; give every row a split, or none"
        )
    return tuple(split_name(row.split) for row in rows if row.split is not None)


def _splits_by_hash(rows: Sequence[Row]) -> tuple[str, ...]:
    """Split by the id; rows that ask one question follow the smallest id among them, so that they stay together."""
    leader: dict[str, str] = {}
    questions = same_question([row.query for row in rows], [row.stem_key for row in rows])
    for row, question in zip(rows, questions, strict=True):
        leader[question] = min(row.id, leader.get(question, row.id))
    fractions = (hash_fraction(f"split {leader[question]}") for question in questions)
    return tuple(next(name for end, name in _BY_HASH if fraction < end) for fraction in fractions)


def rows_of_split(name: str, splits: Sequence[str]) -> list[int]:
    """Return the numbers of the rows of one split.

    Raises:
        UnknownNameError: There is none.
    """
    known = name if name in splits else split_name(name)
    if known not in splits:
        raise UnknownNameError.of("split", name, set(splits))
    return [row for row, split in enumerate(splits) if split == known]


def in_two_splits(keys: Iterable[str | None], splits: Iterable[str]) -> frozenset[str]:
    """Return the keys that occur in more than one split."""
    first: dict[str, str] = {}
    pairs = ((key, split) for key, split in zip(keys, splits, strict=True) if key is not None)
    return frozenset(key for key, split in pairs if first.setdefault(key, split) != split)


def refuse_equal_text(ids: Sequence[str], texts: Sequence[str], splits: Sequence[str]) -> None:
    """Refuse a text that stands in two splits.

    Raises:
        TableError: There is one; the message names two such rows.
    """
    shared = in_two_splits(texts, splits)
    if not shared:
        return
    seen: dict[str, int] = {}
    one, two = next(
        (seen[text], row)
        for row, text in enumerate(texts)
        if text in shared and splits[seen.setdefault(text, row)] != splits[row]
    )
    droppable = TRAIN in (splits[one], splits[two])
    more = f", and {len(shared) - 1} more texts do" if len(shared) > 1 else ""
    raise TableError(
        f"The same text stands in two splits, as id {ids[one]!r} ({splits[one]}) and id {ids[two]!r} ({splits[two]})"
        f"{more}; " + ("drop the training rows with --drop-leaks (drop_leaks=True)" if droppable else "remove one")
    )
