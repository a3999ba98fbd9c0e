"""Do decisions hold when the text is touched, attacked, or like nothing that was trained on?

    python -m benchmarks.robustness.run DATA_DIR [--cache DIR] [--out docs/measured/robustness.md]

Ten minutes on two cores.

Everything is judged on test rows, which no fit saw, or on prompts written for this page. Results are kept in
``benchmarks/results/robustness.json``.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from threadpoolctl import threadpool_limits
from tokenizers import Tokenizer

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.machine import machine
from benchmarks.common.pairs import PAIRS, PairSpec, Tables
from benchmarks.common.results import file_of, keep
from benchmarks.peers.routers import Material
from benchmarks.robustness.edits import EDITS
from benchmarks.robustness.familiar import flagged, left_out
from benchmarks.robustness.figures import Moved, mean_over_pairs, moved, prefixed, price
from benchmarks.robustness.gadgets import CONTROLS, Search, gadget
from benchmarks.robustness.page import PAGE, TO_LARGE, TO_SMALL, write_page
from benchmarks.robustness.routers import ASKED, OURS, ROUTERS, Known
from hybrid_llm import Router
from hybrid_llm.scoring import Encoder, read_as
from hybrid_llm.table import PairTable, hash_fraction

Results = dict[str, Any]

COMPARED: Final = ("mmlu", "zeroeval, gemma-2-9b", "mmlu_pro, Llama-3.1-8B")
ATTACKED: Final = COMPARED[0]
JUDGED: Final = 300
"""Test rows of each pair that are edited and attacked."""
SEARCHED: Final = 12
"""Training queries that the search for a gadget reads, short ones: the gadget is to fit any query."""
SHORT: Final = 200


def some(rows: PairTable, count: int, purpose: str) -> PairTable:
    """Return rows drawn by a hash of their ids."""
    order = np.argsort([hash_fraction(f"{purpose} {i}") for i in rows.ids])[:count]
    return rows.rows(np.sort(order))


def vocabulary_of(encoder: Any) -> list[str]:
    """Return the encoder's tokens that are whole words or signs in ASCII; a prefix is made of them."""
    tokens = Tokenizer.from_file(str(encoder.path / "tokenizer.json")).get_vocab()
    return sorted(token for token in tokens if token.isascii() and not token.startswith(("##", "[", "`")))


def warm(encoder: CachedEncoder, texts: Iterable[str], what: str) -> None:
    """Embed texts in one go, as they are and as ours read them."""
    given = list(texts)
    encoder.warm([*given, *read_as(given)], what)


def attack(
    known: dict[str, Known], fast: Any, train: PairTable, judged: Sequence[str], words: Sequence[str], search: Search
) -> dict[str, Any]:
    """Find a gadget against each router in both directions, and put it and the controls before the judged queries.

    Args:
        known: The routers.
        fast: Encoder of the search, which embeds thousands of texts that nobody asks for again.
        train: Training rows of the pair.
        judged: Test queries.
        words: What gadgets are made of.
        search: How hard to search.
    """
    short = [i for i, query in enumerate(train.queries) if len(query) <= SHORT] or range(len(train))
    seen = some(train.rows(list(short)), SEARCHED, "gadget").queries
    found: dict[str, Any] = {}
    for name, router in known.items():
        read = router.bind(fast)
        prefixes = dict(CONTROLS)
        for direction, toward in ((TO_LARGE, -1), (TO_SMALL, 1)):
            prefixes[direction] = gadget(lambda texts, read=read: read(texts).scores, seen, words, toward, search)
        found[name] = {
            label: {"prefix": prefix, "found": prefixed(router, judged, prefix)} for label, prefix in prefixes.items()
        }
        say(f"gadgets against {name}")
    return found


_started = time.perf_counter()


def say(what: str) -> None:
    """Say on stderr what is done and when."""
    print(f"{time.perf_counter() - _started:5.0f} s  {what}", file=sys.stderr, flush=True)


def run(
    data_dir: Path,
    encoder: CachedEncoder,
    fast: Any,
    *,
    words: Sequence[str],
    judged: int = JUDGED,
    search: Search | None = None,
    repetitions: int = 500,
) -> Results:
    """Do everything; return plain JSON values.

    Args:
        data_dir: Folder with the quality tables; pairs whose files are not there are left out.
        encoder: Remembers embeddings.
        fast: Another encoder for the search of gadgets.
        words: Tokens that gadgets are made of.
        judged: Test rows of each pair that are edited and attacked.
        search: How hard gadgets are searched for.
        repetitions: Bootstrap resamples.
    """
    tables, search = Tables(data_dir), search or Search()
    specs = [spec for spec in PAIRS if spec.name in COMPARED and tables.has(spec.files)]
    edits: dict[str, dict[str, list[Moved]]] = {name: {edit: [] for edit in EDITS} for name in ROUTERS}
    familiar: dict[str, dict[str, Any]] = {name: {} for name in OURS}
    prices: dict[str, dict[str, Any]] = {name: {} for name in OURS}
    described, attacks, blocks = [], {}, {}
    for spec in specs:
        pair = tables.of(spec)
        material = Material(pair, encoder, data_dir, spec.files)
        warm(encoder, (*pair.split("validation").queries, *pair.split("test").queries), spec.name)
        known = {name: Known.of(make(material), encoder, pair.split("validation")) for name, make in ROUTERS.items()}
        say(f"{spec.name}: routers")
        test = pair.split("test")
        rows = some(test, judged, "edited")
        warm(encoder, (edit(query) for edit in EDITS.values() for query in rows.queries), f"edits of {spec.name}")
        for name, router in known.items():
            for edit, change in EDITS.items():
                edits[name][edit].append(moved(router, rows, change))
        for name in OURS:
            familiar[name][spec.name] = flagged(known[name].read, test.queries)
            prices[name][spec.name] = price(known[name], test, repetitions)
        say(f"{spec.name}: edits and familiarity")
        if spec.name == ATTACKED:
            attacks = attack(known, fast, pair.split("train"), rows.queries, words, search)
            blocks = left_out(pair, encoder)
            say(f"{spec.name}: subjects left out")
        described.append(_described(spec, pair, len(rows), known))
    return {
        "setting": {
            "command": "python -m benchmarks.robustness.run DATA_DIR",
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "machine": machine(),
            "python": platform.python_version(),
            "encoder": encoder.id,
            "shipped": Router.load().id,
            "repetitions": repetitions,
            "quality": ASKED,
            "search": {**asdict(search), "queries": SEARCHED, "vocabulary": len(words)},
        },
        "pairs": described,
        "edits": {
            name: {edit: mean_over_pairs(each, repetitions) for edit, each in found.items()}
            for name, found in edits.items()
        },
        "edits_of_each_pair": {
            name: {
                spec.name: {edit: mean_over_pairs([each[place]], 100) for edit, each in found.items()}
                for place, spec in enumerate(specs)
            }
            for name, found in edits.items()
        },
        "attacks": attacks,
        "familiar": familiar,
        "left_out": blocks,
        "price": prices,
    }


def _described(spec: PairSpec, pair: PairTable, judged: int, known: dict[str, Known]) -> dict[str, Any]:
    splits = {split: len(pair.split(split)) for split in ("train", "validation", "test")}
    thresholds = {name: {**router.thresholds, "median": router.median} for name, router in known.items()}
    return {
        "name": spec.name,
        "small": spec.small,
        "large": spec.large,
        **splits,
        "judged": judged,
        "thresholds": {name: {str(level): cut for level, cut in cuts.items()} for name, cuts in thresholds.items()},
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", type=Path, help="folder with the quality tables")
    parser.add_argument("--cache", type=Path, help="folder that keeps embeddings between runs")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--results", type=Path, default=file_of("robustness"), help="where the numbers are kept")
    parser.add_argument("--repetitions", type=int, default=500, help="bootstrap resamples")
    options = parser.parse_args(arguments)
    encoder = CachedEncoder(Encoder.load(), options.cache)
    fast = CachedEncoder(Encoder.load(), options.cache / "gadgets" if options.cache else None)
    with threadpool_limits(limits=1, user_api="blas"):
        words = vocabulary_of(encoder)
        results = run(options.data_dir, encoder, fast, words=words, repetitions=options.repetitions)
    write_page(options.out, keep(options.results, results))
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
