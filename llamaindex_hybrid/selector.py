"""The selector: which of two query engines, or retrievers, answers a query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llama_index.core.base.base_selector import BaseSelector, SelectorResult, SingleSelection
from llama_index.core.bridge.pydantic import Field
from llama_index.core.schema import QueryBundle
from llama_index.core.tools.types import ToolMetadata

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import Request, private_of
from hybrid_llm.level import Level
from llamaindex_hybrid.levels import LEVEL_HERE

if TYPE_CHECKING:
    from pathlib import Path

    from llama_index.core.prompts.mixin import PromptDictType

    from hybrid_llm.dispatch import RuleLike
    from hybrid_llm.router import Router, Scorer


@dataclass
class HybridQueryBundle(QueryBundle):
    """A query with a level of its own, for one request.

    Args:
        quality: Share of the large engine's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
            selector's level.
        private: Whether this query goes to the small engine, whatever its score.

    Raises:
        LevelError: Two levels, or one out of range.
        ConfigError: ``private`` is neither true nor false.

    Example:
        >>> bundle = HybridQueryBundle("Prove it.", quality=1.0)
        >>> engine.query(bundle)  # doctest: +SKIP
    """

    quality: float | None = None
    cost_advantage: float | None = None
    threshold: float | None = None
    private: bool = False

    def __post_init__(self) -> None:
        """Check the level where it is given, not where it is used."""
        self.level()
        private_of({"private": self.private})

    def level(self) -> Level | None:
        """Return the level of this request, if it has one."""
        return Level.of(quality=self.quality, cost_advantage=self.cost_advantage, threshold=self.threshold)


class HybridSelection(SingleSelection):
    """A selection that keeps the numbers behind it.

    Args:
        index: Which engine answers.
        reason: The decision in words.
        decision: ``Decision.as_dict()``: route, score, threshold, level, reason, certified, truncated, familiar,
            router_id.
    """

    decision: dict[str, Any] = Field(default_factory=dict)


class HybridSelector(BaseSelector):
    """Selects the small or the large engine by the router's score of the query.

    It chooses by difficulty and reads no tool description. To choose by topic as well, put a router query engine
    with this selector behind each topic. It chooses before anybody answers, so it takes no second look: for that give
    one engine a :class:`HybridLLM`.

    Args:
        router: A ``hybrid_llm.Router``, the path of a router folder, or an object with ``score(queries)`` and ``id``.
        quality: Share of the large engine's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
            router's default level. A :class:`HybridQueryBundle` has its own, and :func:`hybrid_quality` chooses one.
        private: Whether every query goes to the small engine, or a function that says so of a query. What that engine
            calls, its embeddings too, is its own: give it local models.
        rules: Pairs of a regular expression, or a function of the query, and the engine that it goes to: ``"small"`` or
            ``"large"``. They come before the score.
        small: The small engine: its position among the tools, or the name of its tool.
        large: The large engine, likewise.

    Raises:
        TypeError: ``router`` is nothing that scores, or an engine is neither a position nor a name.
        LevelError: Two levels, one out of range, or one that this router has no thresholds for.
        ConfigError: A rule is no rule, or ``private`` neither a truth value nor a function.

    Example:
        >>> from hybrid_llm.testing import FixedScorer
        >>> selector = HybridSelector(FixedScorer({"2+2?": 0.83}), threshold=0.6)
        >>> selector.select(["the small engine", "the large engine"], "2+2?").reason
        'p(small is good enough)=0.83 >= 0.60 (threshold 0.6) -> small'
    """

    def __init__(
        self,
        router: Router | Scorer | str | Path,
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        private: bool | Callable[[str], bool] = False,
        rules: Sequence[RuleLike] = (),
        small: int | str = 0,
        large: int | str = 1,
    ) -> None:
        """Check the router and the level; the engines are checked when they are known."""
        from hybrid_llm.dispatch import Capabilities, Pair

        anything = Capabilities.unlimited()  # what an engine can serve, and where, is its own
        level: dict[str, Any] = {"quality": quality, "cost_advantage": cost_advantage, "threshold": threshold}
        own: dict[str, Any] = {"private": private, "local_hosts": ["*"], "rules": rules}
        self._pair = Pair(router, small=anything, large=anything, **level, **own)
        for side, engine in (("small", small), ("large", large)):
            if isinstance(engine, bool) or not isinstance(engine, (int, str)):
                raise TypeError(f"{side}= takes the position of an engine or the name of its tool, not {engine!r}.")
        self._engines = {"small": small, "large": large}

    def _get_prompts(self) -> PromptDictType:
        return {}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        """Do nothing: no prompt is used."""

    def _select(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> SelectorResult:
        positions = self._positions(choices)
        return _result(self._pair.decide(_request(query)).decision, positions)

    async def _aselect(self, choices: Sequence[ToolMetadata], query: QueryBundle) -> SelectorResult:
        positions = self._positions(choices)
        return _result((await self._pair.adecide(_request(query))).decision, positions)

    def _positions(self, choices: Sequence[ToolMetadata]) -> dict[str, int]:
        """Find both engines among the tools.

        Raises:
            ValueError: One is not there, or not told apart.
        """
        positions = {side: _position(side, engine, choices) for side, engine in self._engines.items()}
        if positions["small"] == positions["large"]:
            raise ValueError(f"small= and large= are the same engine; the tools are {_listed(choices)}.")
        if len(choices) > 2 and self._engines == {"small": 0, "large": 1}:
            raise ValueError(
                f"HybridSelector chooses between two engines, and there are {len(choices)}: {_listed(choices)}. "
                "Say which two, small='...' and large='...', or put this pair in a router query engine of its own."
            )
        return positions


def _request(query: QueryBundle) -> Request:
    own = query if isinstance(query, HybridQueryBundle) else None
    level = (own.level() if own else None) or LEVEL_HERE.get()
    texts = (query.query_str, *(query.custom_embedding_strs or ()))  # what an engine embeds in the query's place
    return Request(query.query_str, level=level, private=own is not None and own.private, said=lambda: texts)


def _position(side: str, engine: int | str, choices: Sequence[ToolMetadata]) -> int:
    found = [i for i, choice in enumerate(choices) if engine == (i if isinstance(engine, int) else choice.name)]
    if len(found) > 1:
        raise ValueError(
            f"{side}={engine!r} is the name of {len(found)} tools; give each its own name "
            f"(QueryEngineTool.from_defaults(engine, name=...)). The tools are {_listed(choices)}."
        )
    if not found:
        raise ValueError(f"{side}={engine!r} is none of the tools; they are {_listed(choices)}.")
    return found[0]


def _listed(choices: Sequence[ToolMetadata]) -> str:
    return ", ".join(f"{i}: {choice.name!r}" if choice.name else f"{i} (no name)" for i, choice in enumerate(choices))


def _result(decision: Decision, positions: dict[str, int]) -> SelectorResult:
    selection = HybridSelection(
        index=positions[decision.route], reason=_in_words(decision), decision=decision.as_dict()
    )
    return SelectorResult(selections=[selection])


def _in_words(decision: Decision) -> str:
    ending = f"({decision.level}) -> {decision.route}"
    if decision.score is None or decision.threshold is None or decision.reason == "unfamiliar":
        causes = {
            "no_text": "no text to score",
            "scorer_error": "the scorer failed",
            "unfamiliar": "unlike the training queries",
            "rule": "a rule",
        }
        return f"{causes.get(decision.reason, decision.reason)} {ending if decision.level else f'-> {decision.route}'}"
    score, threshold = decision.score, decision.threshold
    sign = ">=" if score >= threshold else "<"
    # as many digits as tell the two apart, so that it never reads "0.60 < 0.60"
    digits = next(d for d in range(2, 18) if f"{score:.{d}f}" != f"{threshold:.{d}f}" or score == threshold)
    return f"p(small is good enough)={score:.{digits}f} {sign} {threshold:.{digits}f} {ending}"
