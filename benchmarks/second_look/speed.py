"""How fast a look is: one by one as it is served, and in a batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from benchmarks.second_look.data import SPECS, Fits
from benchmarks.second_look.judge import seen_scores
from benchmarks.second_look.pairs import paths_of
from hybrid_llm import Level, Router
from hybrid_llm.look import Answer, Bound, LookPlan, LookRows, SecondLook, answers_of
from hybrid_llm.router.looking import measured
from hybrid_llm.table import PairTable

PAIRS: Final = {"short plain answers with log-probabilities": "0.5B to 1.5B", "final numbers": "gemma-2-9b"}
REPEATS: Final = 7
ONE: Final = 300


def speed_study(fits: Fits) -> dict[str, Any]:
    """Time looks by the CPU seconds of this process, the best of several passes: neighbours are not to be measured."""
    found = {}
    router = Router.load()
    for what, name in PAIRS.items():
        spec = next(each for each in SPECS if each.name == name)
        if not fits.tables.has(spec.files):
            continue
        material = fits.material(spec)
        pair, rows = material.pair, material.as_served()
        look = SecondLook("trained", Bound(spec.small, spec.large, spec.checkers), paths_of(material))
        look = measured(look, rows.take(material.split("validation")))
        plan = look.plan(Level("quality", 0.95))
        few = [row for row in range(len(pair)) if rows.seen[row] and pair.responses[row].get(spec.checkers[0])][:ONE]
        given = [answers_of(pair.responses[row][spec.small])[0] for row in few]
        others = [{spec.checkers[0]: answers_of(pair.responses[row][spec.checkers[0]])} for row in few]

        found[what] = {
            "one_ms": 1000 * _best(partial(_one_by_one, look, plan, given, others)) / len(few),
            "batch_per_s": len(pair) / _best(partial(_batch, look, pair)),
            "signals_known_per_s": len(pair) / _best(partial(look.served, rows, plan)),
        }
    there = [spec for spec in SPECS if fits.tables.has(spec.files)]
    if there:
        took = []
        for query in fits.pair(there[0]).queries[:60]:
            start = time.process_time()
            router.score([f"{query} "])
            took.append(time.process_time() - start)
        found["one score of a query"] = {"one_ms": 1000 * sorted(took)[len(took) // 4]}
    return found


def _one_by_one(look: SecondLook, plan: LookPlan, given: Sequence[Answer], others: Sequence[Any]) -> None:
    for number, (answer, checker) in enumerate(zip(given, others, strict=True)):
        look.judge(plan, answer, checker=checker, p=float(number % 2))


def _batch(look: SecondLook, pair: PairTable) -> None:
    seen_scores(look.paths, LookRows.of(pair, np.full(len(pair), 0.5), None, look.checkers))


def _best(run: Callable[[], object]) -> float:
    run()
    took = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        took.append(time.process_time() - start)
    return min(took)
