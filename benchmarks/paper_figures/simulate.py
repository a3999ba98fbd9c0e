"""A quality table whose truth is known: sampled responses of two models to questions of varying difficulty.

Real tables hold few responses a query, so that one cannot see what more would tell, and nobody knows the true
probability that the small model is good enough. Here both are given: each query has a known Pr[H >= 0], and any
number of responses is drawn from it. The three gaps follow the three pairs of arXiv 2404.14618 (figures 1, 4 and 5):
``small`` (both models about equal), ``medium`` (H >= 0 for about a fifth of the responses) and ``large`` (Pr[H >= 0]
is nearly 0 for about nine queries in ten).

Run it to see what it makes: ``python -m benchmarks.paper_figures.simulate``.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Gap = Literal["small", "medium", "large"]

SMALL: Final = "sim-small"
LARGE: Final = "sim-large"

_NOISE: Final = 0.3
"""Standard deviation of one response's score around its mean, on the logit scale."""
_GAPS: Final[dict[Gap, tuple[float, float]]] = {"small": (-0.2, 1.0), "medium": (-1.6, 1.5), "large": (-4.2, 2.0)}
"""Mean and spread over queries of the mean quality gap, in standard deviations of the gap of one query."""
_SHARES: Final = {"topic": 0.35, "task": 0.25, "wording": 0.10, "hidden": 0.30}
"""How much of the variance of the gap comes from what the text shows, and from what it does not."""

# Each list runs from easy to hard for the small model; a position in it is the easiness that the text shows.
_TOPICS: Final = (
    ("greetings in a chat", "household chores", "pets", "cooking pasta", "gardening", "birthday parties"),
    ("public holidays", "football", "city travel", "popular songs", "school supplies", "weather"),
    ("capital cities", "healthy food", "famous films", "the solar system", "common animals", "world rivers"),
    (
        "email writing",
        "job interviews",
        "personal budgets",
        "basic statistics",
        "European history",
        "chemistry lessons",
    ),
    ("Python scripts", "SQL queries", "tax rules", "contract law", "microeconomics", "cell biology"),
    (
        "organic chemistry",
        "linear algebra",
        "compiler design",
        "quantum mechanics",
        "number theory",
        "algebraic topology",
    ),
)
_TASKS: Final = (
    "Say something nice about {topic}",
    "Rewrite this sentence politely: I do not care about {topic}",
    "List three facts about {topic}",
    "Summarise what a newcomer should know about {topic}",
    "Explain to {reader} how {topic} works",
    "Compare two common opinions on {topic}",
    "Find the mistake in a typical argument about {topic}",
    "Work out a numerical example about {topic}, step by step",
    "Design an experiment that would settle an open question about {topic}",
    "Prove a non-trivial claim about {topic} and discuss where the proof breaks",
)
_READERS: Final = (
    "a child",
    "a friend",
    "a student",
    "a colleague",
    "a manager",
    "an examiner",
    "an expert",
    "a reviewer",
)
_WORDINGS: Final = (
    "One short sentence is enough.",
    "Keep it simple.",
    "Use plain words, for {reader}.",
    "Give an example that {reader} would accept.",
    "Be precise, {reader} will check it.",
    "Consider every special case and justify each step for {reader}.",
)


def simulate_table(
    n: int, gap: Gap = "medium", samples: int = 10, seed: int = 0
) -> tuple[list[dict[str, Any]], NDArray[np.float64]]:
    """Simulate a quality table of the models ``sim-small`` and ``sim-large``.

    The score of a response is the logistic function of a normal variable, so it lies in (0, 1) and Pr[H >= 0] is
    known in closed form. Seventy per cent of the variance of the gap follows from the text (topic, task, wording).

    Args:
        n: Number of queries, at most the number of different texts that can be made (some ten thousand).
        gap: How far the small model is behind.
        samples: Responses of each model to each query.
        seed: Same seed, same table.

    Returns:
        Rows for ``QualityTable.from_rows`` (without a split) and the true Pr[H >= 0] of each row, shape (n,).

    Raises:
        ValueError: There are fewer than n different texts.
    """
    rng = np.random.default_rng([seed, sorted(_GAPS).index(gap)])
    texts = _texts()
    if n > len(texts):
        raise ValueError(f"n={n}, but only {len(texts)} different texts can be made; use at most that many")
    chosen = rng.choice(len(texts), size=n, replace=False)
    shown = {name: np.array([texts[i][1][name] for i in chosen]) for name in ("topic", "task", "wording")}
    parts = {name: _standardised(values) for name, values in shown.items()} | {"hidden": rng.normal(size=n)}
    easiness = np.sum([math.sqrt(share) * parts[name] for name, share in _SHARES.items()], axis=0)

    mean, spread = _GAPS[gap]
    deviations = mean + spread * easiness
    true_labels = np.array([0.5 * math.erfc(-z / math.sqrt(2.0)) for z in deviations])

    of_large = 1.2 + 0.4 * rng.normal(size=n)
    of_small = of_large + deviations * _NOISE * math.sqrt(2.0)
    small, large = (_responses(rng, logits, samples) for logits in (of_small, of_large))
    rows = [
        {"id": f"sim-{gap}-{seed}-{row}", "query": texts[i][0], "quality": {SMALL: small[row], LARGE: large[row]}}
        for row, i in enumerate(chosen)
    ]
    return rows, true_labels


def _responses(rng: np.random.Generator, logits: NDArray[np.float64], samples: int) -> list[list[float]]:
    noisy = logits[:, None] + _NOISE * rng.normal(size=(len(logits), samples))
    scores: list[list[float]] = (1.0 / (1.0 + np.exp(-noisy))).tolist()
    return scores


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = values.std()
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _texts() -> list[tuple[str, dict[str, float]]]:
    """Return every different text with the easiness that each of its parts shows."""
    topics = [(topic, -float(level)) for level, row in enumerate(_TOPICS) for topic in row]
    tasks = [(task, -float(level)) for level, task in enumerate(_TASKS)]
    wordings = [(wording, -float(level)) for level, wording in enumerate(_WORDINGS)]
    texts: dict[str, dict[str, float]] = {}
    for topic, task, wording, reader in itertools.product(topics, tasks, wordings, _READERS):
        text = f"{task[0]}. {wording[0]}".format(topic=topic[0], reader=reader)
        texts[text] = {"topic": topic[1], "task": task[1], "wording": wording[1]}
    return list(texts.items())


def main() -> None:
    """Show what is simulated."""
    for gap in _GAPS:
        rows, truth = simulate_table(5000, gap)
        small, large = (np.mean([row["quality"][name] for row in rows]) for name in (SMALL, LARGE))
        print(
            f"{gap:6}  mean quality {small:.3f} -> {large:.3f}  mean Pr[H >= 0] {truth.mean():.3f}"
            f"  share of queries with Pr[H >= 0] < 0.05: {np.mean(truth < 0.05):.2f}"
        )
    print(f"{len(_texts())} different texts, for example: {rows[0]['query']}")


if __name__ == "__main__":
    main()
