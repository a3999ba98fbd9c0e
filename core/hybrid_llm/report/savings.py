"""What a journal comes to: what was paid, what asking large always would have cost, and where the difference went.

Dollars are those of the requests whose answers have a known cost; both sides leave out the others, and their number is
said. What large would have cost for what small answered is not known, and is estimated by what it did cost for what
it answered: the mean of those calls, with an interval that is wide where they are few. A private request may not go to
large, so nothing is saved with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hybrid_llm.event import Attempt
from hybrid_llm.prices import Price
from hybrid_llm.report.tally import ModelSpent, ModelTally

if TYPE_CHECKING:
    from hybrid_llm.decision import Decision
    from hybrid_llm.event import RequestEvent
    from hybrid_llm.observe import Recorded

_REPETITIONS: Final = 1000
_ESCALATED: Final = frozenset({"escalated", "rejected"})
_LOOKED_AT: Final = _ESCALATED | {"kept"}


@dataclass(frozen=True)
class Extra:
    """What requests cost that took more than one call.

    Args:
        requests: How many there were.
        usd: Dollars of all their calls.
        unkept_usd: Dollars of the calls whose answer was not shown.
        unkept_seconds: Seconds of these.
    """

    requests: int = 0
    usd: float = 0.0
    unkept_usd: float = 0.0
    unkept_seconds: float = 0.0

    def plus(self, attempts: Iterable[Attempt]) -> Extra:
        """Return this with one more request."""
        made = list(attempts)
        unkept = [one for one in made if not one.kept]
        return Extra(
            self.requests + 1,
            self.usd + sum(one.cost_usd or 0.0 for one in made),
            self.unkept_usd + sum(one.cost_usd or 0.0 for one in unkept),
            self.unkept_seconds + sum(one.seconds for one in unkept),
        )


@dataclass(frozen=True)
class Day:
    """One day (UTC); dollars as in :class:`Savings`."""

    day: str
    requests: int
    small: int
    large: int
    paid_usd: float | None
    always_large_usd: float | None


@dataclass(frozen=True)
class Savings:
    """What the requests of a journal came to.

    Args:
        requests: How many there are.
        by_route: How many each arm answered.
        by_reason: How many were decided for each reason.
        failed: How many got no answer.
        private: How many were private.
        priced: Of how many the cost is known: dollars are about these.
        paid_usd: What they cost; ``None`` when no cost is known.
        always_large_usd: What they would have cost with large alone: estimate, and the ends of its 95 % interval;
            ``None`` where large has answered none of them. The ends are ``None`` where it has answered only one.
        both_run: Share of the requests on which both arms answered, but for what was asked in shadow.
        seconds_p50: Half of the answers came within this time; ``None`` without answers.
        seconds_p95: 95 % of them did.
        extra: Of ``fallback``, ``escalated`` and ``both_run``.
        shadowed: In how many requests large answered in place of the arm that was decided (``shadow=True``).
        shadow_to_small: In how many of these small's answer would have been shown.
        shadow_looked: In how many of these small was asked too, and its answer looked at.
        shadow_both: In how many of these large would have answered after that.
        shadow_held: In how many of these small would have answered first, and nobody knows what would have come of it.
        shadow_usd: What large cost for those.
        by_day: Oldest first.
        by_model: The dearest first.
        unpriced: By the name of a model, how many of its answers have no known cost.
        lost: How many requests the journal could not write down.
    """

    requests: int
    by_route: dict[str, int]
    by_reason: dict[str, int]
    failed: int
    private: int
    priced: int
    paid_usd: float | None
    always_large_usd: tuple[float, float | None, float | None] | None
    both_run: float
    seconds_p50: float | None
    seconds_p95: float | None
    extra: dict[str, Extra]
    shadowed: int
    shadow_to_small: int
    shadow_looked: int
    shadow_both: int
    shadow_held: int
    shadow_usd: float
    by_day: tuple[Day, ...]
    by_model: tuple[ModelSpent, ...]
    unpriced: dict[str, int]
    lost: int = 0

    @property
    def saved_usd(self) -> float | None:
        """The estimate of what was saved; negative where it was lost."""
        if self.always_large_usd is None or self.paid_usd is None:
            return None
        return self.always_large_usd[0] - self.paid_usd

    @property
    def saved_interval(self) -> tuple[float, float] | None:
        """The ends of its 95 % interval."""
        if self.always_large_usd is None or self.paid_usd is None:
            return None
        _, low, high = self.always_large_usd
        return None if low is None or high is None else (low - self.paid_usd, high - self.paid_usd)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        always = self.always_large_usd
        return {
            **asdict(self),
            "always_large_usd": list(always) if always else None,
            "saved_usd": self.saved_usd,
            "by_day": [asdict(day) for day in self.by_day],
            "by_model": [asdict(model) for model in self.by_model],
        }


def savings_of(rows: Iterable[Recorded], *, prices: Mapping[str, Price] | None = None, lost: int = 0) -> Savings:
    """Add up a journal.

    Args:
        rows: Its requests, in flat memory.
        prices: Prices by the name of a model that count in place of what was written down.
        lost: How many requests the journal could not write down.

    Example:
        >>> from hybrid_llm.observe import read_journal
        >>> savings_of(read_journal("traffic.sqlite")).saved_usd  # doctest: +SKIP
        2.37
    """
    sums = _Sums(prices or {})
    for row in rows:
        sums.add(row.time, row.event)
    return sums.savings(lost)


class _Sums:
    """Adds up requests as they come."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices
        self._requests = self._private = self._priced = self._failed = 0
        self._shadow: Counter[str] = Counter()
        self._routes: Counter[str] = Counter({"small": 0, "large": 0})
        self._reasons: Counter[str] = Counter()
        self._unpriced: Counter[str] = Counter()
        self._paid = self._own = self._shadow_usd = 0.0
        self._estimated = 0
        self._large: list[float] = []
        self._seconds: list[float] = []
        self._extra = {name: Extra() for name in ("fallback", "escalated", "both_run")}
        self._days: defaultdict[str, _DaySums] = defaultdict(_DaySums)
        self._models: defaultdict[tuple[str, str], ModelTally] = defaultdict(ModelTally)

    def add(self, time: float, event: RequestEvent) -> None:
        """Add one request."""
        attempts = [self._repriced(one) for one in event.attempts]
        kept = next((one for one in reversed(attempts) if one.kept), None)
        decision = event.decision
        self._requests += 1
        self._reasons[decision.reason] += 1
        self._private += decision.private
        self._failed += kept is None
        day = self._days[datetime.fromtimestamp(time, UTC).date().isoformat()]
        day.requests += 1
        if kept is not None:
            self._routes[kept.route] += 1
            day.routes[kept.route] += 1
            self._seconds.append(event.seconds)
        for one in attempts:
            self._models[one.route, one.model].add(one)
        self._add_extra(decision, attempts)
        self._add_dollars(event, attempts, kept, day)

    def _repriced(self, attempt: Attempt) -> Attempt:
        price = self._prices.get(attempt.model)
        if price is None or attempt.input_tokens is None or attempt.output_tokens is None:
            return attempt
        cost = price.of(attempt.input_tokens, attempt.output_tokens, attempt.cached_tokens or 0)
        return replace(attempt, cost_usd=cost)

    def _add_extra(self, decision: Decision, attempts: list[Attempt]) -> None:
        answered = {one.route for one in attempts if one.error is None}
        names = {
            "fallback": decision.reason == "fallback",
            "escalated": decision.reason in _ESCALATED,
            "both_run": answered == {"small", "large"} and decision.shadow is None,  # there nobody waits for both
        }
        for name in (name for name, holds in names.items() if holds):
            self._extra[name] = self._extra[name].plus(attempts)

    def _add_dollars(self, event: RequestEvent, attempts: list[Attempt], kept: Attempt | None, day: _DaySums) -> None:
        """Add a request to both sides of the account, or to neither."""
        unknown = [one.model for one in attempts if one.error is None and one.cost_usd is None]
        self._unpriced.update(unknown)
        if event.decision.shadow is not None:
            self._add_shadow(event.decision.shadow, kept)
        if unknown:
            return
        paid = sum(one.cost_usd or 0.0 for one in attempts)
        self._priced += 1
        self._paid += paid
        day.paid += paid
        day.priced += 1
        large_failed = any(one.route == "large" and one.error for one in attempts)
        if kept is not None and kept.route == "large":
            self._large.append(kept.cost_usd or 0.0)
            self._own += kept.cost_usd or 0.0
            day.own += kept.cost_usd or 0.0
        elif kept is not None and not event.decision.private and not large_failed:
            self._estimated += 1
            day.estimated += 1
        else:  # large could not have been asked, or was to no avail
            self._own += paid
            day.own += paid

    def _add_shadow(self, would: Decision, kept: Attempt | None) -> None:
        """Add what would have been decided."""
        to_small = would.route == "small" and not would.held
        self._shadow.update(
            all=1,
            held=would.held,
            to_small=to_small,
            looked=would.reason in _LOOKED_AT,
            both=would.reason in _ESCALATED,
        )
        if to_small:
            self._shadow_usd += (kept.cost_usd if kept else None) or 0.0

    def savings(self, lost: int) -> Savings:
        """Return the sums."""
        mean = float(np.mean(self._large)) if self._large else None
        seconds = np.array(self._seconds)
        p50, p95 = (float(np.quantile(seconds, share)) if seconds.size else None for share in (0.5, 0.95))
        return Savings(
            requests=self._requests,
            by_route=dict(self._routes),
            by_reason=dict(self._reasons.most_common()),
            failed=self._failed,
            private=self._private,
            priced=self._priced,
            paid_usd=self._paid if self._priced else None,
            always_large_usd=self._always_large(mean),
            both_run=self._extra["both_run"].requests / self._requests if self._requests else 0.0,
            seconds_p50=p50,
            seconds_p95=p95,
            extra=self._extra,
            shadowed=self._shadow["all"],
            shadow_to_small=self._shadow["to_small"],
            shadow_looked=self._shadow["looked"],
            shadow_both=self._shadow["both"],
            shadow_held=self._shadow["held"],
            shadow_usd=self._shadow_usd,
            by_day=tuple(day.of(name, mean) for name, day in sorted(self._days.items())),
            by_model=tuple(
                sorted(
                    (tally.of(model, route) for (route, model), tally in self._models.items()),
                    key=lambda one: (-(one.usd or 0.0), one.model),
                )
            ),
            unpriced=dict(self._unpriced),
            lost=lost,
        )

    def _always_large(self, mean: float | None) -> tuple[float, float | None, float | None] | None:
        if not self._priced or (mean is None and self._estimated):
            return None
        estimate = self._own + self._estimated * (mean or 0.0)
        if not self._estimated:
            return estimate, estimate, estimate
        if len(self._large) < 2:
            return estimate, None, None
        low, high = np.quantile(_totals(np.array(self._large), self._estimated), (0.025, 0.975))
        return estimate, self._own + float(low), self._own + float(high)


def _totals(known: np.ndarray[Any, np.dtype[np.float64]], count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return what ``count`` more calls like these may cost together: neither their mean nor their spread is known.

    Resampling the calls would do for many of them, and finds far too little spread where there are two or five.
    """
    rng, n = np.random.default_rng(0), len(known)
    spread = known.std(ddof=1) * np.sqrt((n - 1) / rng.chisquare(n - 1, _REPETITIONS))
    means = rng.normal(known.mean(), spread / np.sqrt(n))
    totals: np.ndarray[Any, np.dtype[np.float64]] = np.maximum(rng.normal(count * means, spread * np.sqrt(count)), 0.0)
    return totals


class _DaySums:
    """The sums of one day."""

    def __init__(self) -> None:
        self.requests = self.priced = self.estimated = 0
        self.routes: Counter[str] = Counter()
        self.paid = self.own = 0.0

    def of(self, name: str, mean: float | None) -> Day:
        known = self.priced and (mean is not None or not self.estimated)
        always = self.own + self.estimated * (mean or 0.0) if known else None
        paid = self.paid if self.priced else None
        return Day(name, self.requests, self.routes["small"], self.routes["large"], paid, always)
