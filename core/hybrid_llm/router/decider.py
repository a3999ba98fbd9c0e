"""How a router decides: a score for each query, a threshold for each level, a decision.

The one thing that a scorer has to do is ``score(queries) -> (n,) array``; everything else here is written once on
top of it, for the shipped router, a trained one and a scorer of your own alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.decision import Decision
from hybrid_llm.level import Level, LevelOptions
from hybrid_llm.router.explain import Explanation, explained
from hybrid_llm.router.once import Once
from hybrid_llm.router.plan import Plan, Routes
from hybrid_llm.router.threshold import Thresholds
from hybrid_llm.scoring import Scoring, checked, single

if TYPE_CHECKING:
    import os

    from hybrid_llm.bulk import Engine, TableScores
    from hybrid_llm.router.parts import RouterParts

FloatArray = NDArray[np.float64]


class Decider:
    """The deciding half of a :class:`hybrid_llm.Router`.

    Args:
        parts: What scores, and the thresholds.
    """

    def __init__(self, parts: RouterParts) -> None:
        self.parts = parts
        self._scoring = Scoring(parts.scorer)
        self._thresholds = Thresholds(parts.calibration, parts.certificate, parts.features)
        self._once = Once()

    def score(self, queries: Sequence[str]) -> FloatArray:
        """Score queries in one pass.

        A trained router remembers the scores of the texts it saw last; a scorer of your own is always asked.

        Args:
            queries: n texts.

        Returns:
            Shape (n,), p(x) in [0, 1]: the probability that the small model is good enough.

        Raises:
            TypeError: A single string, or an item that is not a string.
        """
        return self._scoring.score(checked(queries))[0]

    def score_iter(self, queries: Iterable[str]) -> Iterator[float]:
        """Score a stream of queries of any length in flat memory, reading a few hundred ahead.

        Args:
            queries: Texts, from a generator for example.

        Raises:
            TypeError: A single string, or (when it is reached) an item that is not a string.

        Example:
            >>> from hybrid_llm import Router
            >>> from hybrid_llm.testing import FixedScorer
            >>> list(Router(FixedScorer(0.5)).score_iter(f"query {i}" for i in range(3)))
            [0.5, 0.5, 0.5]
        """
        if isinstance(queries, (str, bytes)):
            raise TypeError("Texts are expected, one by one; for one query use score([query]).")
        return self._scoring.stream(queries)

    def score_table(
        self,
        table: str | os.PathLike[str],
        out: str | os.PathLike[str],
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        paths: Mapping[str, str] | None = None,
        engine: Engine = "local",
        address: str | None = None,
        workers: int | None = None,
        part_rows: int = 5_000,
        skip_bad: bool = False,
    ) -> TableScores:
        """Score a table of any size into a folder of Parquet files, in flat memory.

        The files hold ``row`` (from 0), ``id``, ``score``, ``familiarity`` and ``truncated``; with a level ``route``
        too. What is written stays, whatever interrupts the work, and the same call goes on. Every score is that of
        :meth:`score`, to the last bit, on either engine.

        Args:
            table: A file of prompts or a quality table, in any format; for Ray it has to be Parquet.
            out: The folder. One that holds scores of another router or table is refused.
            quality: As in :meth:`decide_many`, and so are the next two.
            cost_advantage: See there.
            threshold: See there.
            paths: {field: path} of a table with other names: ``{"query": "question"}``.
            engine: ``local``, on the cores of this machine, or ``ray``, with an actor on each core of a cluster.
            address: Of a Ray cluster to join; without it a Ray is started here.
            workers: Texts at a time; without it one for each core.
            part_rows: Rows of a file.
            skip_bad: Whether a row without a text gets no score, instead of ending all.

        Returns:
            What the folder holds now, and what it took.

        Raises:
            TableError: The table cannot be read, or the folder holds something else.
            LevelError: As :meth:`decide_many`.
            ConfigError: A setting makes no sense, or no cluster answers.
            MissingExtraError: pyarrow or Ray is not installed.
        """
        from hybrid_llm.bulk import score_table

        level = Level.of(quality=quality, cost_advantage=cost_advantage, threshold=threshold)
        routing = None if level is None else Routes(level, self._thresholds.of(level), self.parts.id)
        return score_table(
            self.parts.scorer,
            table,
            out,
            routing=routing,
            paths=paths,
            engine=engine,
            address=address,
            workers=workers,
            part_rows=part_rows,
            skip_bad=skip_bad,
            progress=self._scoring.progress,
        )

    async def ascore(self, queries: Sequence[str]) -> FloatArray:
        """Do what :meth:`score` does without blocking the event loop; concurrent calls are scored together."""
        return (await self._scoring.ascore(checked(queries)))[0]

    def familiarity(self, queries: Sequence[str]) -> FloatArray:
        """Return the share of training queries that were less like the others than each query is, shape (n,).

        Below .01 one is unfamiliar; 0 where it is nearer to queries that the router knows its scores to be no good for
        (of the shipped one: in languages other than English). NaN: the scorer cannot tell (a network, one of your own,
        a router of before).

        Raises:
            TypeError: A single string, or an item that is not a string.
        """
        return self._scoring.familiarity(checked(queries))

    def explain(self, query: str) -> Explanation:
        """Say why a query goes where it goes; nothing is asked of any model.

        Args:
            query: Its text.

        Raises:
            TypeError: It is not a string.

        Example:
            >>> from hybrid_llm import Router
            >>> explanation = Router.load().explain("What is the capital of Peru?")
            >>> 0 < explanation.percentile < 1, [level.quality for level in explanation.levels]
            (True, [0.99, 0.95, 0.9])
            >>> sorted(push.feature for push in explanation.pushes)[:2]
            ['capitals', 'choices']
        """
        return explained(self.parts, self._scoring, single(query)[0])

    def decide(self, query: str, **options: Unpack[LevelOptions]) -> Decision:
        """Decide where one query goes; see :meth:`decide_many` for the options."""
        return self.decide_many(single(query), **options)[0]

    def decide_many(
        self,
        queries: Sequence[str],
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        require_certified: bool = False,
    ) -> list[Decision]:
        """Decide where each query goes, scoring all of them in one pass.

        A query without text goes to large. When the scorer fails, all go to large with ``reason="scorer_error"``
        and one warning: a broken scorer costs money, not answers.

        Args:
            queries: n texts.
            quality: Share of the large model's quality to keep, in (0, 1].
            cost_advantage: Share of queries to send to small, in [0, 1].
            threshold: The score from which on a query goes to small, in [0, 2]; 0 always small, 2 always large.
            require_certified: Send everything to large when the level is not certified for this pair.

        Raises:
            LevelError: More than one level, one out of range, or one that this router has no thresholds for.
            TypeError: A single string, or an item that is not a string.
        """
        level = Level.of(quality=quality, cost_advantage=cost_advantage, threshold=threshold)
        texts = checked(queries)
        return self.decide_each(texts, [level] * len(texts), require_certified=require_certified)

    def decide_each(
        self,
        queries: Sequence[str],
        levels: Sequence[Level | None],
        *,
        require_certified: bool = False,
        gates: bool = False,
    ) -> list[Decision]:
        """Decide where each query goes when each has a level of its own, scoring all of them in one pass.

        Args:
            queries: n texts.
            levels: n levels; ``None`` is the router's default level.
            require_certified: As :meth:`decide_many`.
            gates: Whether a second look follows: then the score of an unfamiliar query is not all that decides, and
                nothing is said of it.

        Raises:
            LevelError: A level that this router has no thresholds for.
            TypeError: A single string, or an item that is not a string.
        """
        plan = self._plan(queries, levels, require_certified)
        try:
            scored = self._scoring.score(plan.texts) if plan.texts else ()
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises, the user still gets an answer
            return self._decide_unscored(plan, error)
        return self._decide(plan, zip(*scored, strict=True), gates=gates)

    async def adecide(self, query: str, **options: Unpack[LevelOptions]) -> Decision:
        """Do what :meth:`decide` does, with its options, without blocking the event loop."""
        return (await self.adecide_many(single(query), **options))[0]

    async def adecide_many(self, queries: Sequence[str], **options: Unpack[LevelOptions]) -> list[Decision]:
        """Do what :meth:`decide_many` does, with its options, without blocking the event loop."""
        level = Level.of(
            quality=options.get("quality"),
            cost_advantage=options.get("cost_advantage"),
            threshold=options.get("threshold"),
        )
        texts, certified = checked(queries), options.get("require_certified", False)
        return await self.adecide_each(texts, [level] * len(texts), require_certified=certified)

    async def adecide_each(
        self,
        queries: Sequence[str],
        levels: Sequence[Level | None],
        *,
        require_certified: bool = False,
        gates: bool = False,
    ) -> list[Decision]:
        """Do what :meth:`decide_each` does without blocking the event loop; concurrent calls are scored together."""
        plan = self._plan(queries, levels, require_certified)
        try:
            scored = await self._scoring.ascore(plan.texts) if plan.texts else ()
        except Exception as error:  # noqa: BLE001 - as in decide_each
            return self._decide_unscored(plan, error)
        return self._decide(plan, zip(*scored, strict=True), gates=gates)

    def threshold_for(
        self,
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        require_certified: bool = False,
    ) -> float:
        """Return the threshold that a level stands for (2.0 = always large).

        Raises:
            LevelError: As :meth:`decide_many`.
        """
        level = Level.of(quality=quality, cost_advantage=cost_advantage, threshold=threshold)
        return self._thresholds.of(level, require_certified=require_certified).value

    def _plan(self, queries: Sequence[str], levels: Sequence[Level | None], require_certified: bool) -> Plan:
        texts = checked(queries)
        if len(texts) != len(levels):
            raise ValueError(f"{len(texts)} queries need as many levels, got {len(levels)}.")
        thresholds = {level: self._thresholds.of(level, require_certified=require_certified) for level in set(levels)}
        return Plan(texts, levels, thresholds, self.parts.id)

    def _decide(self, plan: Plan, scored: Iterable[tuple[float, bool, float]], *, gates: bool) -> list[Decision]:
        decisions = plan.decide(scored)
        if not gates and any(decision.familiar is False and decision.reason == "score" for decision in decisions):
            self._once.warn(
                "familiar",
                "A query is unlike those that this router was trained on, so that its score says little; at threshold= "
                "and cost_advantage= the score decides all the same. With quality= such queries go to the large model.",
            )
        return decisions

    def _decide_unscored(self, plan: Plan, error: Exception) -> list[Decision]:
        self._once.warn(
            "scorer",
            # without the error's text, which may quote the query
            f"The scorer failed ({type(error).__name__}); queries go to the large model. router.score([query]) raises "
            "the error itself.",
        )
        return plan.decide(None)
