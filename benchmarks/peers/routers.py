"""The routers that ``run`` compares: how each one is made from the training rows of a pair.

A peer is *built* once, from training rows, and then *bound* to an encoder: to one that remembers embeddings when
thousands of queries are judged, to the plain one when a single query is timed. Scores are high where small should
answer. A package is imported when a router that needs it is built.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.baselines import Fold
from benchmarks.peers.factors import factorise
from hybrid_llm import Router
from hybrid_llm.labels import prob_labels
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.scoring import EmbeddingScorer, Encoded
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training import train
from tools.shipped_router.fit import fit_shipped
from tools.shipped_router.rows import Answered, read_rows

Floats = NDArray[np.float64]
Score = Callable[[Sequence[str]], Floats]
"""Texts -> shape (n,), high where small should answer."""


class TextEncoder(Protocol):
    """Whatever turns texts into embeddings."""

    def encode(self, queries: Sequence[str]) -> Encoded:
        """Return embeddings of n texts."""
        ...


Bind = Callable[[Any], Score]
"""A :class:`TextEncoder` -> the router's scores with it."""

UTTERANCES: Final = 50
"""Examples that semantic-router gets for each of its two routes."""
NEIGHBOURS: Final = (5, 10, 40, 100)
"""RouterBench's own choices are 5, 10 and 40 (``configs/evaluate_routers.yaml``)."""
LAYERS: Final = ((100,), (100, 100))
"""RouterBench's own choices."""


@dataclass(frozen=True, eq=False)
class Material:
    """What a router may learn from.

    Args:
        pair: All rows of the pair; only ``train`` is fitted, ``validation`` gives thresholds later.
        encoder: Remembers embeddings.
        folder: Where all quality tables are.
        files: Names of the tables that the pair comes from.
    """

    pair: PairTable
    encoder: TextEncoder
    folder: Path
    files: tuple[str, ...]

    def fold(self) -> Fold:
        """Return the training rows with their embeddings; they stand for the judged rows as well."""
        rows = self.pair.split("train")
        embeddings = self.encoder.encode(rows.queries).embeddings
        return Fold(rows, rows, embeddings, embeddings)


Build = Callable[[Material, int], Bind]
"""(material, number of the draw) -> the router, not yet bound to an encoder."""


def head(material: Material, draw: int) -> Bind:
    """Train our recipe ``head`` for the pair."""
    del draw
    return _ours(train(material.pair, encoder=material.encoder))  # type: ignore[arg-type]


def shipped(material: Material, draw: int) -> Bind:
    """Load the router that comes with the library."""
    del material, draw
    return _ours(Router.load())


def left_out(material: Material, draw: int) -> Bind:
    """Fit the router that comes with the library again, without the tables of the pair and their questions."""
    del draw
    return _ours(fit_shipped(_answered(material.folder), material.encoder, material.files))


@cache
def _answered(folder: Path) -> list[Answered]:
    return read_rows(folder)


def _ours(router: Router) -> Bind:
    scorer = router.scorer
    assert isinstance(scorer, EmbeddingScorer)
    return lambda encoder: Router(EmbeddingScorer(encoder, scorer.head)).score


def shorter(material: Material, draw: int) -> Bind:
    """Send the shorter queries to small."""
    del material, draw
    return lambda _: lambda queries: np.array([-float(len(query)) for query in queries])


def litellm_heuristic(material: Material, draw: int) -> Bind:
    """Rank by the complexity score of LiteLLM's auto router, as it comes (keywords, length, patterns)."""
    del material, draw
    _offline_litellm()
    from litellm.router_strategy.complexity_router.complexity_router import (  # type: ignore[import-not-found]
        ComplexityRouter,
    )

    router = ComplexityRouter("auto", None)
    return lambda _: lambda queries: np.array([-float(router.classify(query)[1]) for query in queries])


def litellm_tiers(material: Material, draw: int) -> Bind:
    """Rank by LiteLLM's predicted success of its cheapest tier (its ``heuristic_v2``, with the statistics it ships)."""
    del material, draw
    _offline_litellm()
    from litellm.router_strategy.adaptive_router.classifier import classify_prompt  # type: ignore[import-not-found]
    from litellm.router_strategy.complexity_router.tier_predictor import (  # type: ignore[import-not-found]
        TierSuccessPredictor,
        resolve_tier_artifact,
    )

    predictor = TierSuccessPredictor(resolve_tier_artifact("ultrafeedback"))

    def success(query: str) -> float:
        return float(predictor.predict(query, classify_prompt(query)).probabilities[1])

    return lambda _: lambda queries: np.array([success(query) for query in queries])


def _offline_litellm() -> None:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it fetches a price list at import otherwise


def semantic_router(material: Material, draw: int) -> Bind:
    """Give semantic-router two routes: training queries that small answers well enough, and others.

    Both are drawn by a hash that changes with the draw; the router's settings are its defaults.
    """
    rows = material.pair.split("train")
    good = prob_labels(rows.q_small, rows.q_large) >= 0.5
    order = np.argsort([hash_fraction(f"utterance {draw} {i}") for i in rows.ids])
    examples = {
        name: [rows.queries[i] for i in order if good[i] == wanted][:UTTERANCES]
        for name, wanted in (("small", True), ("large", False))
    }

    def bind(encoder: TextEncoder) -> Score:
        from semantic_router import IndexedRouter, Route  # type: ignore[import-not-found]
        from semantic_router.encoders import DenseEncoder  # type: ignore[import-not-found]

        class OurEncoder(DenseEncoder):  # type: ignore[misc]
            """The shipped encoder, as semantic-router wants to call one."""

            def __call__(self, docs: list[str]) -> list[list[float]]:
                embedded: list[list[float]] = encoder.encode(docs).embeddings.tolist()
                return embedded

        routes = [Route(name=name, utterances=texts) for name, texts in examples.items()]
        router = IndexedRouter(encoder=OurEncoder(name="shipped"), routes=routes)

        def margin(query: str) -> float:
            found = {choice.name: choice.confidence for choice in router(query, limit=None)}
            return float(found.get("small", 0.0) - found.get("large", 0.0))

        return lambda queries: np.array([margin(query) for query in queries])

    return bind


def matrix_factorisation(material: Material, draw: int) -> Bind:
    """Train RouteLLM's matrix factorisation on the training rows that one model won."""
    fold = material.fold()
    gap = fold.rows.mean_small - fold.rows.mean_large
    won = np.abs(gap) > 1e-9
    if not won.any():
        raise ValueError("RouteLLM's matrix factorisation needs rows that one model won; there are none.")
    direction = factorise(fold.embeddings[won], np.sign(gap[won]), draw)
    return lambda encoder: lambda queries: np.asarray(encoder.encode(queries).embeddings @ direction, dtype=np.float64)


def neighbours(material: Material, draw: int) -> Bind:
    """Fit RouterBench's nearest neighbours: how well each model did on the k nearest training queries (cosine)."""
    del draw
    return _chosen(material, _neighbours, NEIGHBOURS)


def many_neighbours(material: Material, draw: int) -> Bind:
    """Fit the same with the largest k."""
    del draw
    return _neighbours(material.fold(), max(NEIGHBOURS))


def network(material: Material, draw: int) -> Bind:
    """Fit RouterBench's network: for each model a regression of its quality on the embedding."""
    del draw
    return _chosen(material, _network, LAYERS)


def _neighbours(fold: Fold, k: int) -> Bind:
    gap = fold.rows.mean_small - fold.rows.mean_large

    def predict(embeddings: NDArray[np.float32]) -> Floats:
        nearest = min(k, len(gap))
        closest = np.argpartition(-(embeddings @ fold.embeddings.T), nearest - 1, axis=1)[:, :nearest]
        return np.asarray(gap[closest].mean(axis=1), dtype=np.float64)

    return lambda encoder: lambda queries: predict(encoder.encode(queries).embeddings)


def _network(fold: Fold, layers: tuple[int, ...]) -> Bind:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    def fitted(quality: Floats) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 200 rounds are RouterBench's
            regressor = MLPRegressor(hidden_layer_sizes=layers, max_iter=200, random_state=1234)
            return regressor.fit(fold.embeddings, quality)

    small, large = fitted(fold.rows.mean_small), fitted(fold.rows.mean_large)

    def predict(embeddings: NDArray[np.float32]) -> Floats:
        return np.asarray(small.predict(embeddings) - large.predict(embeddings), dtype=np.float64)

    return lambda encoder: lambda queries: predict(encoder.encode(queries).embeddings)


def _chosen(material: Material, learn: Callable[[Fold, Any], Bind], settings: Sequence[Any]) -> Bind:
    """Fit with the setting that has the highest APGR on the held-out fifth of the training rows."""
    fold = material.fold()
    held = fold.choosing()

    def merit(setting: Any) -> float:
        scores = learn(held, setting)(material.encoder)(held.judged.queries)
        return float(np.nan_to_num(tradeoff_curve(scores, held.judged.mean_small, held.judged.mean_large).apgr))

    return learn(fold, max(settings, key=merit))
