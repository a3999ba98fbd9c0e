"""The verdict: what a pair of models is worth on somebody's prompts, as JSON and in words of a product owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from hybrid_llm.certify import percent
from hybrid_llm.names import short_name
from hybrid_llm.run.expected import Forecast

Kind = Literal["certified", "measured", "not_worth_it", "more_needed"]

KEYS: Final = (
    "n", "graded", "spent_usd", "verdict", "small_quality", "large_quality", "levels", "needed_n", "router", "report",
)  # fmt: skip
"""What ``run --json`` prints, in this order."""


_MISSED: Final = (
    "A measured level is what these prompts showed, and their luck is in it: on new prompts a third to a half of such\n"
    "levels are missed. A certified one is proved, and so saves less."
)


@dataclass(frozen=True)
class LevelFigures:
    """What one quality level does (shares are fractions).

    Args:
        quality: Share of the large model's quality to keep.
        cost_advantage: Share of the queries that small answers.
        both_run: Share of the queries on which both models run: none without a second look.
        certified: Whether the level comes with a proof.
        usd_per_1000: What 1,000 queries cost; None where no price is known.
    """

    quality: float
    cost_advantage: float
    both_run: float
    certified: bool
    usd_per_1000: float | None


@dataclass(frozen=True)
class WayFigures:
    """The query alone beside the second look, at the level that was asked for (shares are fractions).

    Args:
        query: Share of the queries that small answers by the query's score alone.
        second_look: Share whose small answer is kept when it is looked at first.
        both_run: Share on which both models run then.
        seconds_large: Mean seconds of large alone; None when unknown.
        seconds_look: Mean seconds of a request with the second look.
    """

    query: float
    second_look: float
    both_run: float
    seconds_large: float | None = None
    seconds_look: float | None = None

    def explain(self, *, recommended: bool) -> str:
        """Return the comparison in words, and what to write for it."""
        slower = self.seconds_large is not None and self.seconds_look is not None
        time = (
            f", and a request takes {self.seconds_look:.2g} s instead of {self.seconds_large:.2g} s" if slower else ""
        )
        said = (
            f"By the query alone small answers {_whole(self.query)}; with a second look at its answers "
            f"{_whole(self.second_look)}. Both models then run on {_whole(self.both_run)}{time}."
        )
        if recommended:
            return f"{said}\nRecommended: the second look, as in ChatHybrid(small, large, router, second_look=True)."
        return f"{said}\nRecommended: the query alone; the second look saves no more that is worth its time."


@dataclass(frozen=True)
class Verdict:
    """What a pair is worth on somebody's prompts.

    Args:
        verdict: ``"certified"``, ``"measured"``, ``"not_worth_it"`` or ``"more_needed"``.
        small: Name of the small model.
        large: Name of the large model.
        n: Prompts that were to be asked, each once.
        graded: Of these, those with a grade of both models.
        spent_usd: What all answers and grades cost until now.
        small_quality: Mean quality of small; None without a graded row.
        large_quality: Mean quality of large.
        asked: The quality level that was to be certified.
        levels: What the quality levels do, the strictest first.
        expected: What the level that was asked for does on further prompts, where that was measured.
        saved_usd_per_1000: What that level saves on 1,000 queries; None where no price is known.
        always_large_usd_per_1000: What 1,000 queries cost with large alone.
        confidence: That of the certificate, over all attempts.
        attempt: Which attempt to certify this was; 0 when nothing could be tested.
        why: Why it is not certified, or not worth it, in a sentence.
        needed_n: Graded prompts in all with which the level could be certified, an estimate; None when more would not
            help, or are not needed.
        router: Where the router is.
        report: Where the page is.
        second_look: Whether the way that is recommended looks at small's answers; then the levels are those of it.
        compared: Both ways, where there are two.
    """

    verdict: Kind
    small: str
    large: str
    n: int
    graded: int
    spent_usd: float
    small_quality: float | None
    large_quality: float | None
    asked: float
    levels: tuple[LevelFigures, ...] = ()
    expected: Forecast | None = None
    saved_usd_per_1000: float | None = None
    always_large_usd_per_1000: float | None = None
    confidence: float = 0.95
    attempt: int = 0
    why: str = ""
    needed_n: int | None = None
    router: str | None = None
    report: str | None = None
    second_look: bool = False
    compared: WayFigures | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``run --json``."""
        levels = [asdict(level) for level in self.levels]
        return {name: levels if name == "levels" else getattr(self, name) for name in KEYS}

    def stored(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)

    @classmethod
    def restored(cls, data: Mapping[str, Any]) -> Verdict:
        """Read what :meth:`stored` gave."""
        expected, compared = data["expected"], data.get("compared")
        return cls(
            **{
                **data,
                "levels": tuple(LevelFigures(**level) for level in data["levels"]),
                "expected": Forecast(**expected) if expected else None,
                "compared": WayFigures(**compared) if compared else None,
            }
        )

    def at(self, quality: float) -> LevelFigures | None:
        """Return what a level does, if it was looked at."""
        return next((level for level in self.levels if abs(level.quality - quality) < 1e-9), None)

    def headline(self) -> str:
        """Return the verdict in a sentence."""
        small, large, drop = short_name(self.small), short_name(self.large), percent(1 - self.asked)
        level, expected = self.at(self.asked), self.expected
        if self.verdict == "certified" and level is not None:
            saves = _saves(self.saved_usd_per_1000)
            return (
                f"certified: at most {drop} of {large}'s quality is lost while {small} answers "
                f"{_whole(level.cost_advantage)}{self._looking}{saves}"
            )
        if self.verdict == "measured" and expected is not None:
            more = f"; some {self.more:,} more graded prompts could certify {drop}" if self.more else ""
            return (
                f"measured, not certified: expect {_range(expected)} of {large}'s quality lost while {small} answers "
                f"{_whole(expected.cost_advantage)}{self._looking}{_saves(self.saved_usd_per_1000)}{more}"
            )
        if self.verdict == "not_worth_it":
            return f"not worth it: {self.why}"
        return f"more graded prompts are needed: {self.why}"

    @property
    def _looking(self) -> str:
        return ", its answers looked at first" if self.second_look else ""

    @property
    def more(self) -> int:
        """How many graded prompts are missing, rounded up to two digits."""
        missing = max(0, (self.needed_n or 0) - self.graded)
        unit = 10 ** max(0, len(str(missing)) - 2)
        return int(-(-missing // unit) * unit)

    def explain(self) -> str:
        """Return the verdict on one screen, for somebody who answers for a product."""
        parts = [
            _capital(self.headline()) + ".",
            self._asked(),
            self._table(),
            self.compared.explain(recommended=self.second_look) if self.compared else "",
            self._proof(),
            "\n".join(
                f"{what:9}{where}" for what, where in (("router", self.router), ("report", self.report)) if where
            ),
        ]
        return "\n\n".join(part for part in parts if part)

    def _asked(self) -> str:
        lines = [f"{self.n:,} prompts, {self.graded:,} graded for both models; {_usd(self.spent_usd)} spent."]
        if self.small_quality is not None and self.large_quality is not None:
            lines.append(
                f"Mean quality: {short_name(self.small)} {self.small_quality:.3f}, "
                f"{short_name(self.large)} {self.large_quality:.3f}."
            )
        return "\n".join(lines)

    def _table(self) -> str:
        if not self.levels:
            return ""
        money = any(level.usd_per_1000 is not None for level in self.levels)
        both = self.second_look
        rows = [
            (
                *("keeps", "small answers", *(("both run",) if both else ()), "proof"),
                *(("per 1,000 queries",) if money else ()),
            )
        ]
        for level in self.levels:
            proof = "certified" if level.certified else "measured"
            bill = ("-" if level.usd_per_1000 is None else _usd(level.usd_per_1000),) if money else ()
            ran = (_whole(level.both_run),) if both else ()
            rows.append((percent(level.quality), _whole(level.cost_advantage), *ran, proof, *bill))
        if money and self.always_large_usd_per_1000 is not None:
            rows.append(
                ("100 %", "none: large alone", *(("-",) if both else ()), "-", _usd(self.always_large_usd_per_1000))
            )
        missed = "" if all(level.certified for level in self.levels) else f"\n{_MISSED}"
        return _columns(rows) + missed

    def _proof(self) -> str:
        if self.verdict == "certified":
            peeks = (
                f" This was attempt {self.attempt}; each later one is tested more strictly, so that all of them "
                "together keep that confidence."
            )
            return (
                f"The proof: {percent(self.confidence)} confidence, for the average over traffic like these prompts, "
                f"not for a single answer.{peeks}"
            )
        if self.verdict == "measured":
            return f"Why it is not certified: {self.why}"
        return ""


def _saves(usd: float | None) -> str:
    return f" (saves {_usd(usd)} per 1,000 queries)" if usd is not None and usd > 0 else ""


def _usd(amount: float) -> str:
    """Write dollars, small ones with two digits that say something."""
    return f"${amount:,.2f}" if amount >= 1 or not amount else f"${amount:.2g}"


def _range(expected: Forecast) -> str:
    low, high = (round(100 * max(0.0, end)) for end in (expected.low, expected.high))
    return f"{low} to {high} %" if high > low else f"about {high} %"


def _whole(share: float) -> str:
    return f"{round(100 * share)} %"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
