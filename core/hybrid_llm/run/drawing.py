"""Which requests of a journal are audited: drawn at random from those that a promise is about.

Each request has a number between 0 and 1, made from a secret of the audit and the request's own time and hash. One
that large answered has ``RATIO`` times that. Those with the smallest numbers are drawn, up to 1. So the same command
draws the same requests, later traffic joins at the same rate, and how the sample came about says nothing about answers.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hybrid_llm.certify import RATIO
from hybrid_llm.errors import CertificateError, JournalError

if TYPE_CHECKING:
    from hybrid_llm.certify import Menu
    from hybrid_llm.decision import Decision
    from hybrid_llm.event import Attempt, RequestEvent
    from hybrid_llm.observe import Recorded
    from hybrid_llm.router import Router

_CLOSE: Final = 1e-9

PRIVATE: Final = "private"
OTHER: Final = "decided by another router, at another level, or not as certified"
TEXTLESS: Final = "without texts"
TURNS: Final = "inside conversations, whose history is not in the journal"
UNANSWERED: Final = "without an answer"
UNSEEN: Final = "in shadow, where small was not asked for its second look"


@dataclass(frozen=True)
class Promise:
    """What an audit tests.

    Args:
        router_id: Of the router that made it.
        quality: The level.
        max_drop: The largest quality drop that it allows.
        confidence: That of the certificate.
        small: Name of the small model, as the certificate has it.
        large: Name of the large model, likewise.
        measured_by: What graded the answers.
        id: Changes with the certificates: audits of another promise say nothing of this one.
    """

    router_id: str
    quality: float
    max_drop: float
    confidence: float
    small: str
    large: str
    measured_by: str
    id: str

    @classmethod
    def of(cls, router: Router, quality: float | None = None) -> Promise:
        """Return what a router promises.

        Args:
            router: The router.
            quality: The level; the one that ``certify`` was asked for by default.

        Raises:
            CertificateError: It promises nothing, or nothing at this level.
        """
        look = router.second_look
        menus = [menu for menu in (router.certificate, look.certificate if look else None) if menu is not None]
        if not menus:
            raise CertificateError(
                "This router has no certificate, so there is no promise to audit; make one: hybrid-llm certify ROWS."
            )
        standing = [menu for menu in menus if not menu.provenance.void]
        if not standing:
            raise CertificateError(
                f"The certificate is void: {menus[0].provenance.void_reason} Grade fresh rows and certify again."
            )
        level = standing[0].asked.quality if quality is None else quality
        menu = next((one for one in standing if one.for_quality(level)), None)
        if menu is None:
            raise CertificateError(f"Nothing is promised at quality level {level:g}; {_feasible(standing)}.")
        said = menu.provenance
        return cls(
            router.id,
            level,
            round(1.0 - level, 12),
            menu.asked.confidence,
            said.small,
            said.large,
            said.measured_by,
            hashlib.sha256(json.dumps([level, *(one.as_dict() for one in menus)]).encode()).hexdigest()[:8],
        )


def _feasible(menus: Iterable[Menu]) -> str:
    levels = sorted({c.quality for menu in menus for c in menu.certificates if c.feasible})
    return f"there is {', '.join(f'{level:g}' for level in levels)}" if levels else "nor at any other"


@dataclass(frozen=True)
class Draw:
    """A request that is audited.

    Args:
        key: Tells it from all others.
        query: What was asked.
        to_small: Whether small's answer was shown; in shadow, whether it would have been.
        small: Small's answer, where there was one.
        large: Large's answer, likewise.
    """

    key: str
    query: str
    to_small: bool
    small: str | None = field(default=None, repr=False)
    large: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Drawn:
    """What was drawn from a journal.

    Args:
        draws: The requests, in a random order.
        of: How many requests the promise is about, those of earlier audits among them.
        left_out: {why: how many} of the others.
        small: (provider, model) of small's latest answer; ``None`` where there is none.
    """

    draws: tuple[Draw, ...]
    of: int
    left_out: dict[str, int]
    small: tuple[str, str] | None


def draw(rows: Iterable[Recorded], promise: Promise, secret: str, known: Collection[str], sample: int) -> Drawn:
    """Draw requests at random.

    Args:
        rows: The requests of a journal, in flat memory.
        promise: What is audited.
        secret: Makes the numbers that decide.
        known: Keys of the requests that were drawn before.
        sample: How many more to draw at most.

    Raises:
        JournalError: It holds requests that the promise is about, and no texts of them.
    """
    left_out: Counter[str] = Counter()
    ready: list[tuple[float, int, Draw]] = []
    of, small = 0, None
    for row in rows:
        event = row.event
        small = next(((a.provider, a.model) for a in event.attempts if a.route == "small" and not a.error), small)
        why = _why_not(event, promise)
        if why:
            left_out[why] += 1
            continue
        of += 1
        found = _draw_of(row)
        number = _number(secret, found)
        if number <= 1.0 and found.key not in known:
            heapq.heappush(ready, (-number, of, found))
            if len(ready) > sample:
                heapq.heappop(ready)
    if not of and left_out[TEXTLESS]:
        raise JournalError(
            f"The journal has {left_out[TEXTLESS]:,} requests to audit and no texts of them: keep them with "
            "Journal(FILE, texts=True), and audit what comes from then on."
        )
    by_key = {one.key: one for _, _, one in sorted(ready, reverse=True)}
    return Drawn(tuple(by_key.values()), of, dict(left_out), small)


def _why_not(event: RequestEvent, promise: Promise) -> str:
    """Return why a request is none that is audited; nothing when it is one."""
    decision = event.decision.shadow or event.decision
    if event.decision.private or decision.private:
        return PRIVATE
    if not _promised(decision, promise):
        return OTHER
    if event.kept is None:
        return UNANSWERED
    if decision is not event.decision and decision.held:
        return UNSEEN
    if event.turns:
        return TURNS
    return "" if event.query and event.query.strip() and _text(event.kept) else TEXTLESS


def _promised(decision: Decision, promise: Promise) -> bool:
    level = decision.level
    return (
        decision.router_id == promise.router_id
        and level is not None
        and level.kind == "quality"
        and abs(level.value - promise.quality) <= _CLOSE
        and decision.certified
    )


def _draw_of(row: Recorded) -> Draw:
    event, kept = row.event, row.event.kept
    shadow = event.decision.shadow
    assert kept is not None
    assert event.query is not None
    texts = {one.route: text for one in event.attempts if (text := _text(one))}
    return Draw(
        f"{row.time!r}/{event.query_hash}",
        event.query,
        (shadow.route if shadow else kept.route) == "small",
        texts.get("small"),
        texts.get("large"),
    )


def _text(attempt: Attempt) -> str | None:
    return attempt.text if attempt.error is None and attempt.text and attempt.text.strip() else None


def _number(secret: str, found: Draw) -> float:
    digest = hashlib.sha256(f"{secret}/{found.key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * (1.0 if found.to_small else RATIO)
