"""Traffic whose drop is known exactly, audited again and again: when each bet is a proof."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.certify import RATIO
from hybrid_llm.certify.auditing import log_wealth_of_break, log_wealth_of_hold, weighted

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
PROOF = -math.log(1 - CONFIDENCE)
REPETITIONS = 2000
AUDITS = 1000


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


def by(times: Floats, share: float) -> float | None:
    """Return by which audit a share of the repetitions was told; None when it never was."""
    found = float(np.sort(times)[min(times.size - 1, math.ceil(share * times.size) - 1)])
    return found if math.isfinite(found) else None


def run(repetitions: int, audits: int) -> dict[str, Any]:
    """Return what the page tells: false verdicts where the drop is the limit, and how soon the right one comes."""
    few = max(repetitions // 4, 20)
    return {
        "repetitions": repetitions,
        "audits": audits,
        "wrong": [_at_the_limit(traffic, repetitions, audits) for d in (0.05, 0.1) for traffic in worlds((d,), d)],
        "few": few,
        "delay": [_told(traffic, few, audits) for traffic in worlds((0.0, 0.02, 0.1, 0.2), 0.05)],
        "anew": [_told_anew(fine, few, audits) for fine in (0, 200, 1000)],
    }


def _at_the_limit(traffic: Traffic, repetitions: int, audits: int) -> dict[str, Any]:
    """Return how often each verdict comes where the drop is the limit: both are wrong or as good as wrong."""
    times = simulate(traffic, repetitions, audits)
    told = {name: float(np.isfinite(of).mean()) for name, of in (("broken", times.broken), ("holds", times.holds))}
    return {"traffic": traffic.name, "max_drop": traffic.max_drop, **told}


def _told(traffic: Traffic, repetitions: int, audits: int) -> dict[str, Any]:
    times = simulate(traffic, repetitions, audits)
    verdict = "broken" if traffic.drop > traffic.max_drop else "holds"
    told = times.broken if verdict == "broken" else times.holds
    return {"traffic": traffic.name, "drop": traffic.drop, "verdict": verdict, **_when(told)}


def _told_anew(fine: int, repetitions: int, audits: int) -> dict[str, Any]:
    before, after = (Traffic("", 0.05, drop) for drop in (0.0, 0.2))
    return {"before": fine, **_when(simulate(after, repetitions, audits, before, fine).broken - fine)}


def _when(told: Floats) -> dict[str, Any]:
    return {"half": by(told, 0.5), "most": by(told, 0.9), "ever": float(np.isfinite(told).mean())}


def claims(results: dict[str, Any]) -> dict[str, bool]:
    """Return the claims of docs/measured/audit.md, each with whether this run bears it out."""
    allowed = 1 - CONFIDENCE + 2 * math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / results["repetitions"])
    found = [one["ever"] for one in results["delay"] if one["drop"] == 0.2] + [one["ever"] for one in results["anew"]]
    said = f"{100 * allowed:.1f} %"
    return {
        f'"broken" is false in at most {said} of the repetitions': _most(results, "broken") <= allowed,
        f'"holds" is false in at most {said} of them': _most(results, "holds") <= allowed,
        f"a drop of 20 % where 5 % was promised is found in 90 % within {results['audits']:,} audits": min(found)
        >= 0.9,
    }


def _most(results: dict[str, Any], verdict: str) -> float:
    return max(float(one[verdict]) for one in results["wrong"])
