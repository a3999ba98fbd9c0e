"""The router: a score for each query, a threshold for each level, a decision.

The one thing that a scorer has to do is ``score(queries) -> (n,) array``; everything else here is written once on
top of it, for the shipped router, a trained one and a scorer of your own alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.decision import Decision
from hybrid_llm.errors import RouterFolderError
from hybrid_llm.level import DEFAULT_LEVEL, Level, LevelOptions
from hybrid_llm.router.once import Once
from hybrid_llm.router.plan import Plan
from hybrid_llm.router.threshold import Threshold, features_read_by, refuse_other_features, resolve
from hybrid_llm.scoring import Scorer, Scoring, checked, single

if TYPE_CHECKING:
    from typing import Self

    from hybrid_llm.calibration import Calibration
    from hybrid_llm.certify import Menu
    from hybrid_llm.router.record import TrainingRecord
    from hybrid_llm.table import PairTable, QualityTable

FloatArray = NDArray[np.float64]


class Router:
    """Decides for each query whether the small model will answer as well as the large one.

    Make one with :meth:`load`, with ``hybrid_llm.training.train``, or around a scorer of your own. A router is not
    changed after it is made and may be used from many threads.

    Args:
        scorer: What scores; see :class:`Scorer`.
        calibration: Thresholds measured for one pair of models; without it only ``threshold=`` is a level.
        certificate: Thresholds with a proof, for the same pair.
        record: What training did, for a trained router.
        path: The folder that the router was loaded from.

    Example:
        >>> from hybrid_llm.testing import FixedScorer
        >>> router = Router(FixedScorer({"2+2?": 0.9}, default=0.1))
        >>> router.decide("2+2?", threshold=0.5).route
        'small'
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        calibration: Calibration | None = None,
        certificate: Menu | None = None,
        record: TrainingRecord | None = None,
        path: str | Path | None = None,
    ) -> None:
        self._scorer = scorer
        self._calibration = calibration
        self._certificate = certificate
        self._record = record
        self._path = Path(path) if path is not None else None
        self._once = Once()
        self._scoring = Scoring(scorer)

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Load a router folder, or the shipped router when no path is given; offline, without torch.

        The network is opened here, because that would hold up an event loop at its first query.

        Raises:
            RouterFolderError: The folder is missing, is no router, is damaged or of a newer format.
        """
        from hybrid_llm.router.folder import read_router

        parts = read_router(path)
        parts["scorer"].prepare()
        return cls(**parts)

    @classmethod
    def of(cls, router: Router | Scorer | str | Path) -> Router:
        """Return a router for whatever ``router=`` accepts: a router, the path of a folder, or a scorer.

        Raises:
            TypeError: It is none of these.
            RouterFolderError: The folder cannot be loaded.
        """
        if isinstance(router, Router):
            return router
        if isinstance(router, (str, Path)):
            return cls.load(router)
        if callable(getattr(router, "score", None)) and hasattr(router, "id"):
            return cls(router)
        raise TypeError(
            "router= takes a Router, the path of a router folder, or an object with score(queries) and an id; "
            f"got {type(router).__name__}."
        )

    def save(self, path: str | Path) -> None:
        """Write the router folder: JSON, safetensors and ONNX only, with a model card.

        Raises:
            RouterFolderError: The scorer is an object of your own (only its thresholds could be kept), or the
                folder cannot be written, or it holds something else.
        """
        from hybrid_llm.router.folder import write_router

        write_router(self, Path(path))

    @property
    def id(self) -> str:
        """Content hash of all that the scores depend on."""
        return self._scorer.id

    @property
    def scorer(self) -> Scorer:
        """What scores."""
        return self._scorer

    @property
    def calibration(self) -> Calibration | None:
        """The measured thresholds, if there are any."""
        return self._calibration

    @property
    def certificate(self) -> Menu | None:
        """The proved thresholds, if there are any."""
        return self._certificate

    @property
    def record(self) -> TrainingRecord | None:
        """What training did, for a trained router."""
        return self._record

    @property
    def path(self) -> Path | None:
        """The folder that the router was loaded from."""
        return self._path

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
            >>> from hybrid_llm.testing import FixedScorer
            >>> list(Router(FixedScorer(0.5)).score_iter(f"query {i}" for i in range(3)))
            [0.5, 0.5, 0.5]
        """
        if isinstance(queries, (str, bytes)):
            raise TypeError("Texts are expected, one by one; for one query use score([query]).")
        return self._scoring.stream(queries)

    async def ascore(self, queries: Sequence[str]) -> FloatArray:
        """Do what :meth:`score` does without blocking the event loop; concurrent calls are scored together."""
        return (await self._scoring.ascore(checked(queries)))[0]

    def familiarity(self, queries: Sequence[str]) -> FloatArray:
        """Return the share of training queries that were less like the others than each query is, shape (n,).

        Below .01 one is unfamiliar. NaN: the scorer cannot tell (a network, one of your own, a router of before).

        Raises:
            TypeError: A single string, or an item that is not a string.
        """
        return self._scoring.familiarity(checked(queries))

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
        self, queries: Sequence[str], levels: Sequence[Level | None], *, require_certified: bool = False
    ) -> list[Decision]:
        """Decide where each query goes when each has a level of its own, scoring all of them in one pass.

        Args:
            queries: n texts.
            levels: n levels; ``None`` is the router's default level.
            require_certified: As :meth:`decide_many`.

        Raises:
            LevelError: A level that this router has no thresholds for.
            TypeError: A single string, or an item that is not a string.
        """
        plan = self._plan(queries, levels, require_certified)
        try:
            scored = self._scoring.score(plan.texts) if plan.texts else ()
            familiar = self._scoring.familiarity(plan.texts)
        except Exception as error:  # noqa: BLE001 - whatever a scorer raises, the user still gets an answer
            return self._decide_unscored(plan, error)
        return self._decide(plan, zip(*scored, familiar, strict=True) if plan.texts else ())

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
        self, queries: Sequence[str], levels: Sequence[Level | None], *, require_certified: bool = False
    ) -> list[Decision]:
        """Do what :meth:`decide_each` does without blocking the event loop; concurrent calls are scored together."""
        plan = self._plan(queries, levels, require_certified)
        try:
            scored = await self._scoring.ascore(plan.texts) if plan.texts else ()
            familiar = self._scoring.familiarity(plan.texts)
        except Exception as error:  # noqa: BLE001 - as in decide_each
            return self._decide_unscored(plan, error)
        return self._decide(plan, zip(*scored, familiar, strict=True) if plan.texts else ())

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
        return self._resolve(level or DEFAULT_LEVEL, require_certified).value

    def calibrate(self, table: QualityTable | PairTable, small: str | None = None, large: str | None = None) -> Router:
        """Return a router with the same scores and the thresholds of this pair.

        A few hundred rows that training did not see are enough for useful thresholds. A certificate is kept only
        when the pair stays the same.

        Args:
            table: The calibration rows: a quality table with ``small`` and ``large``, or a pair taken from one.
            small: Name of the small model in the table.
            large: Name of the large model in the table.

        Raises:
            TableError: A model is not in the table, or no row has both.
        """
        from hybrid_llm.calibration import calibrate
        from hybrid_llm.table import PairTable

        pair = table if isinstance(table, PairTable) else table.pair(*_both_names(small, large))
        self._warn_if_seen(pair)
        calibration = calibrate(
            self.score(pair.queries),
            pair.mean_small,
            pair.mean_large,
            small=pair.small,
            large=pair.large,
            data_hash=pair.data_hash,
            features=features_read_by(self._scorer),
        )
        proved = self._certificate
        same_pair = proved and (proved.provenance.small, proved.provenance.large) == (pair.small, pair.large)
        return self.override(calibration=calibration, certificate=proved if same_pair else None)

    def override(self, **changes: Any) -> Router:
        """Return a router with the same scores and another ``calibration``, ``certificate`` or ``record``."""
        parts = {"calibration": self._calibration, "certificate": self._certificate, "record": self._record}
        return Router(self._scorer, **{**parts, **changes})

    def _plan(self, queries: Sequence[str], levels: Sequence[Level | None], require_certified: bool) -> Plan:
        texts = checked(queries)
        if len(texts) != len(levels):
            raise ValueError(f"{len(texts)} queries need as many levels, got {len(levels)}.")
        thresholds = {level: self._resolve(level or DEFAULT_LEVEL, require_certified) for level in set(levels)}
        return Plan(texts, levels, thresholds, self.id)

    def _decide(self, plan: Plan, scored: Iterable[tuple[float, bool, float]]) -> list[Decision]:
        decisions = plan.decide(scored)
        if any(decision.familiar is False and decision.reason == "score" for decision in decisions):
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

    def _resolve(self, level: Level, require_certified: bool) -> Threshold:
        if level.kind != "threshold":
            refuse_other_features(self._scorer, self._calibration)
        threshold = resolve(level, self._calibration, self._certificate, require_certified=require_certified)
        if threshold.measured:
            self._once.warn(
                "certified",
                f"The threshold for {level} was measured, not certified, for this pair ({self._provenance()}); "
                "hybrid-llm certify gives one with a proof.",
            )
        return threshold

    def _provenance(self) -> str:
        calibration = self._calibration
        assert calibration is not None
        rows = f"{calibration.small} -> {calibration.large}, {calibration.n} rows"
        return f"{rows}; {calibration.note}" if calibration.note else rows

    def _warn_if_seen(self, pair: PairTable) -> None:
        seen = self._record.count_seen(pair.ids, pair.queries) if self._record else 0
        if seen:
            self._once.warn(
                "seen",
                f"{seen} of {len(pair)} calibration rows were seen in training, so the thresholds will look better "
                "than they are; use rows that training did not see (--split validation).",
            )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the router itself: it does not change, and its network is not to be copied."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by path: the folder is read again where the pickle is opened."""
        if self._path is None:
            raise RouterFolderError("A router is pickled by the path of its folder: save it and load it first.")
        return (type(self).load, (str(self._path),))

    def __repr__(self) -> str:
        pair = f", {self._calibration.small} -> {self._calibration.large}" if self._calibration else ""
        return f"Router({self.id}{pair})"


def _both_names(small: str | None, large: str | None) -> tuple[str, str]:
    if small is None or large is None:
        raise TypeError("calibrate() needs the names of both models in the table: small=..., large=...")
    return small, large
