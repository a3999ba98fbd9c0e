"""The router: how one is loaded, saved, calibrated and certified.

How it decides is in :mod:`hybrid_llm.router.decider`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybrid_llm.errors import LookError, RouterFolderError
from hybrid_llm.look import FORMS, raise_missing
from hybrid_llm.router.decider import Decider
from hybrid_llm.router.folder_reading import read_router
from hybrid_llm.router.folder_writing import write_router
from hybrid_llm.router.judging import count_seen, pair_of, warn_of_another_pair
from hybrid_llm.router.looking import judges, look_rows, measured, prove_look
from hybrid_llm.router.parts import RouterParts
from hybrid_llm.router.promise import calibrated, certified, prove, why_void
from hybrid_llm.scoring import UNFAMILIAR, Scorer, Scoring, TrainedScorer

if TYPE_CHECKING:
    from typing import Self

    from hybrid_llm.calibration import Calibration
    from hybrid_llm.certify import Menu
    from hybrid_llm.look import SecondLook
    from hybrid_llm.router.decider import FloatArray
    from hybrid_llm.router.promise import BoolArray
    from hybrid_llm.router.record import TrainingRecord
    from hybrid_llm.scoring import Progress
    from hybrid_llm.table import PairTable, QualityTable


class Router(Decider):
    """Decides for each query whether the small model will answer as well as the large one.

    Make one with :meth:`load`, with ``hybrid_llm.training.train``, or around a scorer of your own. A router is not
    changed after it is made and may be used from many threads.

    Args:
        scorer: What scores; see :class:`Scorer`.
        calibration: Thresholds measured for one pair of models; without it only ``threshold=`` is a level.
        certificate: Thresholds with a proof, for the same pair.
        record: What training did, for a trained router.
        path: The folder that the router was loaded from.
        looks: Second looks at small's answers, by their form.

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
        looks: Mapping[str, SecondLook] | None = None,
    ) -> None:
        folder = Path(path) if path is not None else None
        super().__init__(RouterParts(scorer, calibration, certificate, record, folder, looks=looks or {}))

    @classmethod
    def made_of(cls, parts: RouterParts) -> Self:
        """Return the router that has these parts."""
        router = cls(
            parts.scorer,
            calibration=parts.calibration,
            certificate=parts.certificate,
            record=parts.record,
            path=parts.path,
            looks=parts.looks,
        )
        router.parts = parts
        return router

    @classmethod
    def load(cls, path: str | Path | None = None) -> Self:
        """Load a router folder, or the shipped router when no path is given; offline, without torch.

        The network is opened here, because that would hold up an event loop at its first query.

        Raises:
            RouterFolderError: The folder is missing, is no router, is damaged or of a newer format.
        """
        parts = read_router(path)
        if isinstance(parts.scorer, TrainedScorer):
            parts.scorer.prepare()
        return cls.made_of(parts)

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

        A router folder that is there already is replaced as a whole; one in which files of your own lie is refused,
        so that none is lost. The commands replace one only with ``--force``, and for a program
        :func:`hybrid_llm.router.refuse_replacing` does that. Whatever interrupts the write, the old folder or the new
        one is there, and whoever loads it meanwhile gets one of them.

        Raises:
            RouterFolderError: The scorer is an object of your own (only its thresholds could be kept), or the
                folder cannot be written, another process is writing it, or it holds something else.
        """
        write_router(self.parts, Path(path))

    @property
    def id(self) -> str:
        """Content hash of all that the scores depend on."""
        return self.parts.id

    @property
    def seal(self) -> str:
        """Hash of all that the folder held when it was loaded: the one to compare with what somebody told you.

        Empty for a router that was not loaded, or from a folder of a format before 3.
        """
        return self.parts.seal

    @property
    def scorer(self) -> Scorer:
        """What scores."""
        return self.parts.scorer

    @property
    def calibration(self) -> Calibration | None:
        """The measured thresholds, if there are any."""
        return self.parts.calibration

    @property
    def certificate(self) -> Menu | None:
        """The proved thresholds, if there are any."""
        return self.parts.certificate

    @property
    def record(self) -> TrainingRecord | None:
        """What training did, for a trained router."""
        return self.parts.record

    @property
    def second_look(self) -> SecondLook | None:
        """The second look that was trained with this router, if there is one."""
        found = self.parts.looks.get("trained")
        return None if found is None else found.with_parts(scorer=self.scorer)

    def look(self, form: bool | str) -> SecondLook:
        """Return the second look that ``second_look=`` asks for.

        Args:
            form: True for the trained one, or ``"logprobs"`` or ``"agreement"`` for an untrained one.

        Raises:
            LookError: There is no such form, or this router was not trained with a second look.
            LevelError: The levels of the untrained look were not measured for any small model.
        """
        name = "trained" if form is True else form
        if name not in FORMS:
            raise LookError(f'second_look= takes True, "logprobs" or "agreement", not {form!r}.')
        found = self.parts.looks.get(str(name))
        if found is None:
            raise_missing(str(name))
        return found.with_parts(scorer=self.scorer)

    @property
    def path(self) -> Path | None:
        """The folder that the router was loaded from."""
        return self.parts.path

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
        pair = pair_of(table, small, large, "calibrate")
        self._warn_if_seen(pair)
        scores, familiar = self._score_rows(pair)
        router = self.made_of(calibrated(self.parts, pair, scores, familiar))
        return router.calibrate_look(pair, scores=scores) if judges(router.second_look, pair) else router

    def calibrate_look(
        self,
        table: QualityTable | PairTable,
        small: str | None = None,
        large: str | None = None,
        *,
        scores: FloatArray | None = None,
    ) -> Router:
        """Return a router whose trained second look has levels measured on these rows; :meth:`calibrate` does it too.

        Args:
            table: Rows that training did not see, with what small and the checkers answered.
            small: Name of the small model in the table.
            large: Name of the large model in the table.
            scores: Shape (n,), of a pair's n queries, where they are known already.

        Raises:
            LookError: There is no trained second look, or a checker answered none of the rows.
        """
        pair = pair_of(table, small, large, "calibrate_look")
        look = self.look(True)
        found = measured(look, look_rows(self, pair, look, scores)).with_parts(scorer=None)
        return self.override(looks={**self.parts.looks, "trained": found})

    def certify(
        self,
        table: QualityTable | PairTable,
        small: str | None = None,
        large: str | None = None,
        *,
        max_drop: float = 0.05,
        confidence: float = 0.95,
        data: str = "the calibration rows",
        measured_by: str = "the scores in the quality table",
        allow_leak: bool = False,
        menu: bool = True,
    ) -> Router:
        """Return a router with the same scores and a certificate for this pair: proved thresholds.

        With a trained second look whose answers the rows hold, the whole path gets a certificate of its own, and both
        hold at once: each is tested at half the error.

        Take rows that training did not see. That nothing can be promised is an answer too: the certificate then says
        why, and how many rows would do. Measured thresholds of another pair are replaced by those of this one.

        Args:
            table: The rows: a quality table with ``small`` and ``large``, or a pair taken from one.
            small: Name of the small model in the table.
            large: Name of the large model in the table.
            max_drop: The largest relative quality drop to promise, in (0, 1); 0.05 keeps 95 % of large's quality.
            confidence: Probability that the promise holds, in (0, 1).
            data: Where the rows come from, for the reader.
            measured_by: What scored the responses, for the reader.
            allow_leak: Take rows that training saw; the certificate is void then, and never used.
            menu: Whether the usual levels are tested too, all at once; ``max_drop`` alone needs fewer rows.

        Raises:
            CertificateError: Fitting or choosing saw some of the rows, the router was fitted to all rows that there
                were, or a value is out of range.
            TableError: A model is not in the table, or no row has both.

        Example:
            >>> from hybrid_llm import QualityTable
            >>> from hybrid_llm.testing import FixedScorer
            >>> good = [{"id": i, "query": f"easy {i}", "quality": {"tiny": 1, "big": 1}} for i in range(150)]
            >>> bad = [{"id": -i, "query": f"hard {i}", "quality": {"tiny": 0, "big": 1}} for i in range(1, 150)]
            >>> scores = {row["query"]: 0.9 for row in good}
            >>> router = Router(FixedScorer(scores, default=0.1))
            >>> router = router.certify(QualityTable.from_rows(good + bad), small="tiny", large="big")
            >>> router.decide("easy 3", quality=0.95).certified
            True
        """
        pair = pair_of(table, small, large, "certify")
        void_reason = why_void(self.parts, pair, allow_leak=allow_leak)
        warn_of_another_pair(self.parts, pair)
        if self.parts.before_certifying(pair.small, pair.large).calibration is None:  # these rows will measure one
            self._warn_if_seen(pair)
        scores, familiar = self._score_rows(pair)
        self._scoring.tell("Testing thresholds")
        look = self.second_look
        looks = look is not None and judges(look, pair)
        proved = prove(
            self.parts,
            pair,
            scores,
            familiar,
            max_drop=max_drop,
            confidence=confidence,
            data=data,
            measured_by=measured_by,
            void_reason=void_reason,
            menu=menu,
            families=1 + looks,
        )
        router = self.made_of(certified(self.parts, pair, scores, familiar, proved))
        if look is None or not looks:
            return router
        path = prove_look(
            self.parts,
            look,
            look_rows(self, pair, look, scores),
            pair,
            max_drop=max_drop,
            confidence=confidence,
            data=data,
            measured_by=measured_by,
            void_reason=void_reason,
            menu=menu,
            families=2,
        )
        if path is None:
            return router
        return router.override(looks={**router.parts.looks, "trained": look.with_parts(certificate=path, scorer=None)})

    def watched(self, progress: Progress) -> Self:
        """Return a router that decides alike and tells how far it is while it scores.

        Args:
            progress: Called with (what, done, total) now and then.
        """
        watched = self.made_of(self.parts)
        watched._scoring = Scoring(self.parts.scorer, progress)
        return watched

    def override(self, **changes: Any) -> Router:
        """Return a router with the same scores and another ``calibration``, ``certificate``, ``record`` or looks."""
        return self.made_of(replace(self.parts, path=None, seal="", **changes))

    def _score_rows(self, pair: PairTable) -> tuple[FloatArray, BoolArray]:
        """Return the scores of rows, and whether each query is familiar; where nobody knows it counts as that."""
        scores, _, familiarity = self._scoring.score(pair.queries)
        return scores, ~(familiarity < UNFAMILIAR)

    def _warn_if_seen(self, pair: PairTable) -> None:
        seen = count_seen(self.parts, pair)
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
        if self.path is None:
            raise RouterFolderError("A router is pickled by the path of its folder: save it and load it first.")
        return (type(self).load, (str(self.path),))

    def __repr__(self) -> str:
        measured = self.calibration
        pair = f", {measured.small} -> {measured.large}" if measured else ""
        return f"Router({self.id}{pair})"
