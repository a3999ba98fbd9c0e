"""What a journal came to, in sentences for the terminal and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hybrid_llm.certify import percent
from hybrid_llm.report.drift import drift_of
from hybrid_llm.report.paper import check_page, inline, page_template, usd, write_text
from hybrid_llm.report.savings import Extra, Savings, savings_of

if TYPE_CHECKING:
    from hybrid_llm.prices import Price

_EXTRAS = {
    "fallback": "Small was down and large answered",
    "escalated": "Small's answer was not kept and large answered",
    "both_run": "Both arms answered",
}


def savings_lines(savings: Savings) -> list[str]:
    """Return what a journal came to, a sentence each.

    Args:
        savings: What was added up.
    """
    routes = savings.by_route
    answered = sum(routes.values())
    arms = ", ".join(f"{name} {n:,} ({percent(n / answered)})" for name, n in routes.items()) if answered else "none"
    lines = [f"{_requests(savings.requests)}, answered by: {arms}."]
    if savings.failed:
        lines.append(f"{savings.failed:,} got no answer.")
    lines.extend(_money(savings))
    for name, what in _EXTRAS.items():
        if savings.extra[name].requests:
            lines.append(_extra(what, savings.extra[name], savings.requests))
    if savings.shadowed:
        lines.append(
            f"Shadow: large answered {_requests(savings.shadowed)} in place of what was decided. "
            f"{savings.shadow_to_small:,} of them would have gone to small; for those large cost "
            f"{usd(savings.shadow_usd)}."
        )
    if savings.shadow_looked:
        lines.append(
            f"In shadow small's answers to {_requests(savings.shadow_looked)} were looked at: "
            f"{savings.shadow_looked - savings.shadow_both:,} would have been kept, and {savings.shadow_both:,} would "
            "have gone on to large."
        )
    if savings.shadow_held:
        lines.append(
            f"In {savings.shadow_held:,} more small would have answered first, for a second look; how many of these "
            "answers it would keep is not known, since there was no time to ask small, or it failed."
        )
    if savings.seconds_p50 is not None:
        lines.append(
            f"Half of the answers came within {savings.seconds_p50:.2f} s, 95 % within {savings.seconds_p95:.2f} s."
        )
    return lines + _missing(savings)


def _money(savings: Savings) -> list[str]:
    if savings.paid_usd is None:
        return ["What they cost is not known."] if savings.requests else []
    paid = f"Paid: {usd(savings.paid_usd)}."
    always, saved = savings.always_large_usd, savings.saved_usd
    if always is None or saved is None:
        unknown = "What large alone would have cost is not known, since it answered none of them"
        return [f"{paid} {unknown}: a day with shadow=True shows it."]
    estimate, low, high = always
    if low == high == estimate:
        return [f"{paid} Large alone would have cost {usd(estimate)}: {_gained(saved)}."]
    ends = f" (95 % interval {usd(low)} to {usd(high)})" if low is not None else ""
    return [
        f"{paid} Large alone would have cost about {usd(estimate)}{ends}: about {_gained(saved)}.",
        "That is estimated by what large cost where it answered; are those the longer requests, it is too high.",
    ]


def _requests(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'}"


def _gained(saved: float) -> str:
    return f"{usd(saved)} saved" if saved >= 0 else f"{usd(-saved)} more than that was paid"


def _extra(what: str, extra: Extra, requests: int) -> str:
    return (
        f"{what}: {_requests(extra.requests)} ({percent(extra.requests / requests)}), {usd(extra.usd)} in all; answers "
        f"that were not shown took {extra.unkept_seconds:,.1f} s and {usd(extra.unkept_usd)}."
    )


def _missing(savings: Savings) -> list[str]:
    """Return what the figures leave out."""
    lines = []
    if savings.unpriced:
        models = ", ".join(f"{model} ({count:,})" for model, count in sorted(savings.unpriced.items()))
        lines.append(
            f"Dollars are those of {_requests(savings.priced)}. Answers without a known cost: {models}. Where only the "
            "price is missing, --price NAME=IN:OUT declares it."
        )
    if savings.private:
        lines.append(f"{savings.private:,} requests were private: large could not have answered them.")
    if savings.lost:
        lines.append(f"{savings.lost:,} requests are missing, since the journal could not be written then.")
    return lines


@dataclass(frozen=True)
class Traffic:
    """What a journal came to, and what has drifted in it.

    Args:
        savings: What was added up.
        source: What was read, for the reader.
        drift: What differs from the first requests, a sentence each.
    """

    savings: Savings
    source: str
    drift: Sequence[str] = ()

    @classmethod
    def read(cls, journal: Path, *, since: float | None = None, prices: Mapping[str, Price] | None = None) -> Self:
        """Read a journal.

        Args:
            journal: The file.
            since: Only what ended at this time or later, in seconds since 1970; drift is always that of all requests.
            prices: Prices by the name of a model that count in place of what was written down.

        Raises:
            JournalError: There is none, it is something else, or of another version.
        """
        from hybrid_llm.observe import count_lost, read_journal

        found = savings_of(read_journal(journal, since=since), prices=prices, lost=count_lost(journal))
        return cls(found, journal.name, drift_of(read_journal(journal)).lines())

    @property
    def lines(self) -> list[str]:
        """What there is to say, a sentence each."""
        return [*savings_lines(self.savings), *self.drift]

    def content(self) -> dict[str, Any]:
        """Return what the templates write of it."""
        extra = self.savings.extra
        return {
            "savings": self.savings,
            "source": self.source,
            "lines": self.lines,
            "extras": {what: extra[name] for name, what in _EXTRAS.items() if extra[name].requests},
        }


def write_savings_page(path: str | Path, traffic: Traffic) -> None:
    """Write a page of what a journal came to; a file that is there is overwritten.

    Args:
        path: A .html file.
        traffic: What a journal came to.

    Raises:
        HybridLLMError: The file has another ending, or cannot be written.
        MissingExtraError: jinja2 is not installed.
    """
    from hybrid_llm import __version__

    check_page(Path(path))
    text = page_template("savings.html.j2").render(
        version=__version__,
        traffic=traffic.content(),
        style=inline("style.css"),
    )
    write_text(Path(path), text)
