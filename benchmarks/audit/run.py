"""Does an audit tell the truth whenever one looks, and how soon? A simulation in which the truth is known.

    python -m benchmarks.audit.run            # two minutes on one core; rewrites docs/guide/audit.md
    python -m benchmarks.audit.run --quick    # seconds, few repetitions, writes nothing

Traffic is a population whose drop is known exactly. Each repetition draws audits from it one after another and looks at
both bets after each. Exits with 1 when a claim of docs/guide/audit.md does not hold.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.doc_tables import markdown, percent, write_between
from hybrid_llm.certify import RATIO
from hybrid_llm.certify.auditing import log_wealth_of_break, log_wealth_of_hold, weighted

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
PROOF = -math.log(1 - CONFIDENCE)
REPETITIONS = 2000
AUDITS = 1000
PAGE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "audit.md"


@dataclass(frozen=True)
class Traffic:
    """A population of requests.

    Args:
        name: As the page calls it.
        max_drop: The promise.
        drop: The true drop.
        share: Of the requests that small answers.
        large: Mean quality of large.
        graded: Whether grades lie between 0 and 1, as a judge's do; else an answer is right or wrong.
    """

    name: str
    max_drop: float
    drop: float
    share: float = 0.5
    large: float = 0.8
    graded: bool = False

    def draw(self, rng: np.random.Generator, n: int) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Draw n requests as ``hybrid-llm audit`` does; grades of both arms go together, as they do in life."""
        small = self.share / (self.share + (1 - self.share) / RATIO)
        to_small = rng.random(n) < small
        loss = self.drop * self.large / self.share
        if self.graded:
            q_large = rng.beta(8 * self.large, 8 * (1 - self.large), n)
            return to_small, np.clip(q_large * (1 - loss / self.large), 0, 1), q_large
        common = rng.random(n)
        right = np.where(rng.random(n) < 0.8, common, rng.random(n))  # four of five queries are as hard for both
        return to_small, (right < self.large - loss).astype(float), (common < self.large).astype(float)


def worlds(drops: tuple[float, ...], max_drop: float) -> list[Traffic]:
    """Return the kinds of traffic at these drops."""
    kinds = (("right or wrong, half on small", {}), ("right or wrong, a fifth on small", {"share": 0.2}),
             ("graded, half on small", {"graded": True}))  # fmt: skip
    return [Traffic(name, max_drop, drop, **more) for name, more in kinds for drop in drops]  # type: ignore[arg-type]


@dataclass(frozen=True)
class Times:
    """At which audit each repetition was told something first; ``inf`` where it never was. Both of shape (k,)."""

    broken: Floats
    holds: Floats


def first(wealth: Floats) -> float:
    """Return the number of the first audit at which the wealth is proof."""
    there = np.flatnonzero(wealth >= PROOF)
    return float(there[0] + 1) if there.size else math.inf


def simulate(traffic: Traffic, repetitions: int, audits: int, before: Traffic | None = None, fine: int = 0) -> Times:
    """Audit traffic, after so many audits of other traffic before it.

    Args:
        traffic: What is audited.
        repetitions: How often.
        audits: How many audits each.
        before: The traffic before it.
        fine: How many audits that had.
    """
    rng = np.random.default_rng(0)
    broken, holds = np.empty(repetitions), np.empty(repetitions)
    for i in range(repetitions):
        parts = [(before or traffic).draw(rng, fine), traffic.draw(rng, audits)]
        lost, large = weighted(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        z = lost - traffic.max_drop * large
        broken[i] = first(log_wealth_of_break(z, traffic.max_drop))
        holds[i] = first(log_wealth_of_hold(z))
    return Times(broken, holds)


def when(times: Floats, share: float) -> str:
    """Return by which audit a share of the repetitions was told."""
    found = np.sort(times)[min(times.size - 1, math.ceil(share * times.size) - 1)]
    return f"{found:,.0f}" if math.isfinite(found) else "later"


def run(repetitions: int, audits: int) -> tuple[dict[str, str], dict[str, bool]]:
    """Return the tables of the page, and whether each claim holds."""
    allowed = 1 - CONFIDENCE + 2 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / repetitions)
    wrong, delays = [], []
    alarms, comforts, found = [], [], []
    for max_drop in (0.05, 0.1):
        for traffic in worlds((max_drop,), max_drop):  # at the edge both claims are wrong or as good as wrong
            times = simulate(traffic, repetitions, audits)
            alarms.append(float(np.isfinite(times.broken).mean()))
            comforts.append(float(np.isfinite(times.holds).mean()))
            wrong.append((traffic.name, percent(max_drop, 0), percent(alarms[-1]), percent(comforts[-1])))
    few = max(repetitions // 4, 20)
    for traffic in worlds((0.0, 0.02, 0.1, 0.2), 0.05):
        times = simulate(traffic, few, audits)
        told = times.broken if traffic.drop > traffic.max_drop else times.holds
        verdict = "broken" if traffic.drop > traffic.max_drop else "holds"
        delays.append((traffic.name, percent(traffic.drop, 0), verdict, when(told, 0.5), when(told, 0.9)))
        if traffic.drop == 0.2:
            found.append(float(np.isfinite(told).mean()))
    anew = []
    for fine in (0, 200, 1000):
        before, after = (Traffic("", 0.05, drop) for drop in (0.0, 0.2))
        told = simulate(after, few, audits, before, fine).broken - fine
        anew.append((f"{fine:,}", when(told, 0.5), when(told, 0.9)))
        found.append(float(np.isfinite(told).mean()))
    tables = {
        "wrong": markdown(("traffic whose drop is the limit", "limit", '"broken"', '"holds"'), wrong),
        "delay": markdown(("traffic", "true drop", "verdict", "half know by audit", "90 % by"), delays),
        "anew": markdown(("audits before the break", "half know after", "90 % after"), anew),
    }
    claims = {
        f'"broken" is false in at most {percent(allowed)} of the repetitions': max(alarms) <= allowed,
        f'"holds" is false in at most {percent(allowed)} of them': max(comforts) <= allowed,
        f"a drop of 20 % where 5 % was promised is found in 90 % within {audits:,} audits": min(found) >= 0.9,
    }
    return tables, claims


def main() -> int:
    """Run, write the page, and say which claims hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions, and write nothing")
    quick = parser.parse_args().quick
    start = time.perf_counter()
    tables, claims = run(100 if quick else REPETITIONS, 600 if quick else AUDITS)
    for name, table in tables.items():
        print(table, end="\n\n")
        if not quick:
            write_between(PAGE, name, table)
    for claim, holds in claims.items():
        print(f"{'holds' if holds else 'DOES NOT HOLD'}: {claim}")
    print(f"{time.perf_counter() - start:.0f} s")
    return 0 if all(claims.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
