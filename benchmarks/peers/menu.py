"""Which routers ``run`` compares, what each one needs, and which cannot be measured without a network."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Final

from benchmarks.peers.routers import (
    Build,
    head,
    left_out,
    litellm_heuristic,
    litellm_tiers,
    many_neighbours,
    matrix_factorisation,
    neighbours,
    network,
    semantic_router,
    shipped,
    shorter,
)

US: Final = "hybrid-llm"
HEAD: Final = "ours, trained for the pair (`head`)"
SHIPPED: Final = "ours, as shipped"
LEFT_OUT: Final = "ours, as shipped, fitted without this benchmark"
OURS: Final = (HEAD, SHIPPED, LEFT_OUT)
RANDOM: Final = "random"
ORACLE: Final = "oracle"


@dataclass(frozen=True)
class Peer:
    """One router of the comparison.

    Args:
        name: What the page calls it.
        build: Makes it from training rows.
        learns: What it has learned from.
        modules: What has to be importable; without one of them the router is skipped.
        installs: Distributions whose installation it needs to score a query, besides their dependencies.
        key: Whether the method, as its makers publish it, needs a key.
        draws: How often it is built, where chance decides what it learns from; figures are means over the draws.
    """

    name: str
    build: Build
    learns: str
    modules: tuple[str, ...] = ()
    installs: tuple[str, ...] = (US,)
    key: str = "no"
    draws: int = 1

    @property
    def ours(self) -> bool:
        """Whether it is one of ours."""
        return self.name in OURS

    @property
    def missing(self) -> list[str]:
        """The modules that cannot be imported."""
        return [name for name in self.modules if importlib.util.find_spec(name) is None]


PEERS: Final = (
    Peer(HEAD, head, "train rows of the pair", ("sklearn",)),
    Peer(SHIPPED, shipped, "train rows of all files, many pairs"),
    Peer(LEFT_OUT, left_out, "train rows of all other files", ("sklearn",)),
    Peer("LiteLLM heuristic", litellm_heuristic, "nothing (rules)", ("litellm",), ("litellm",)),
    Peer("LiteLLM tier predictor", litellm_tiers, "UltraFeedback (its makers)", ("litellm",), ("litellm",)),
    Peer(
        "semantic-router, 2 x 50 utterances",
        semantic_router,
        "100 train rows of the pair",
        ("semantic_router",),
        ("semantic-router", US),
        draws=5,
    ),
    Peer(
        "RouteLLM matrix factorisation",
        matrix_factorisation,
        "train rows of the pair that one model won",
        key="no; as published yes (OpenAI embeddings)",
    ),
    Peer("RouterBench kNN", neighbours, "train rows of the pair"),
    Peer("RouterBench kNN, k = 100", many_neighbours, "train rows of the pair"),
    Peer("RouterBench MLP", network, "train rows of the pair", ("sklearn",), (US, "scikit-learn")),
    Peer("shorter query to small", shorter, "nothing", installs=()),
)

NOT_MEASURED: Final = {
    "RouteLLM's published weights": "they read embeddings that only OpenAI's service computes, or are large downloads",
    "Hosted routers (NotDiamond, OpenRouter auto, Martian, Azure model router)": "each decision is a call with a key",
    "Zero-shot decision models (Ollama's `/v1/systemone` models, GLiNER2.5-Decide)": "their weights are downloads",
}
"""What stands beside the comparison, and why."""
